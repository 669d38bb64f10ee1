#!/usr/bin/env python3
"""Plays `claude` and `opencode`, whichever it is called: it starts, remembers its conversation, listens, and does nothing.

Each conversation is a file `conversations/<ID>.log` in the tree that the program lies in: a line for each start, resume and
message.  That is for the tests.  What it remembers itself is where the real one has it: claude below its configuration
directory, a file for each conversation in a directory for each working directory; without that file there is nothing to
resume.  Spoken: the terminal (lines typed into it), claude's stream of JSON lines, and opencode's server.
"""

import base64
import http.server
import json
import os
import queue
import sys
import threading
import time
import uuid

NAME = os.path.basename(sys.argv[0])
WORDS = sys.argv[1:]
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONVERSATIONS = os.path.join(TREE, "conversations")
VERSIONS = {"claude": "2.1.329 (Claude Code)", "opencode": "1.18.33"}


def option(*names):
    """The word after the first of these options, else ""."""
    return next((WORDS[WORDS.index(name) + 1] for name in names if name in WORDS[:-1]), "")


class Conversation:
    """One conversation and its log."""

    def __init__(self, id):
        self.id, self.log = id, os.path.join(CONVERSATIONS, f"{id}.log")
        self.memory = self.log
        if NAME == "claude":
            own = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude")
            self.memory = os.path.join(own, "projects", os.getcwd().replace("/", "-"), f"{id}.jsonl")

    @property
    def exists(self):
        return os.path.exists(self.memory)

    def note(self, event, **facts):
        entry = {"at": time.strftime("%FT%TZ", time.gmtime()), "event": event, "pid": os.getpid(), **facts}
        for path in dict.fromkeys((self.log, self.memory)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def begin(self, resumed):
        self.note("resumed" if resumed else "started", program=NAME, model=option("--model"), dir=os.getcwd())


def conversation():
    """The conversation that the command line asks for; one that is not there cannot be resumed."""
    known = option("--resume", "--session", "-s")
    talk = Conversation(known or option("--session-id") or str(uuid.uuid4()))
    if known and not talk.exists:
        print(f"No conversation found with session ID: {known}", file=sys.stderr, flush=True)
        raise SystemExit(1)
    talk.begin(resumed=bool(known))
    return talk


def terminal():
    """A person's view: what is typed is written down."""
    talk = conversation()
    if WORDS and not WORDS[-1].startswith("-") and len(WORDS[-1]) > 60:
        talk.note("told", text=WORDS[-1])
    print(f"{NAME} {VERSIONS[NAME]}  {option('--model')}\nconversation {talk.id}\n", flush=True)
    for line in sys.stdin:
        if line.strip():
            talk.note("told", text=line.rstrip("\n"))
            print("· noted", flush=True)
    while True:  # its terminal is gone but it was not told to go
        time.sleep(60)


def put(**message):
    print(json.dumps(message), flush=True)


def claude_stream():
    """claude -p with JSON lines both ways."""
    talk = conversation()
    for number, line in enumerate(sys.stdin):
        message = json.loads(line)
        if message["type"] == "control_request":
            answer = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            put(type="control_response", response=answer)
        elif message["type"] == "user":
            claude_turn(talk, number, message["message"]["content"])


def claude_turn(talk, number, text):
    talk.note("told", text=text)
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    model = option("--model") or "claude"
    put(
        type="system", subtype="init", session_id=talk.id, model=model, tools=[], mcp_servers=[], cwd=os.getcwd(),
        permissionMode="bypassPermissions", claude_code_version="2.1.329",
    )  # fmt: skip
    words = "Noted.\n\nWAITING-UNTIL: " + time.strftime("%FT%TZ", time.gmtime(time.time() + 600))
    said = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "usage": usage}
    content = [{"type": "text", "text": words}]
    put(type="assistant", message={**said, "content": content}, session_id=talk.id, parent_tool_use_id=None)
    put(
        type="result", subtype="success", is_error=False, session_id=talk.id, usage=usage, total_cost_usd=0.0,
        num_turns=1, permission_denials=[], stop_reason="end_turn", result=words,
    )  # fmt: skip


LISTENERS = []
"""A queue for each who follows the server's events."""


class Server(http.server.BaseHTTPRequestHandler):
    """As much of opencode's server as one conversation needs."""

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def session(self, id):
        return {"id": id, "version": "1.18.33", "directory": os.getcwd(), "title": "dummy"}

    def allowed(self):
        """With a password in its environment, the server talks only to who knows it."""
        password = os.environ.get("OPENCODE_SERVER_PASSWORD")
        user = os.environ.get("OPENCODE_SERVER_USERNAME", "opencode")
        wanted = base64.b64encode(f"{user}:{password}".encode()).decode()
        if not password or self.headers.get("Authorization") == f"Basic {wanted}":
            return True
        self.answer({"name": "Unauthorized"}, 401)
        return False

    def do_GET(self):
        if not self.allowed():
            return
        path = self.path.partition("?")[0]
        if path == "/global/health":
            self.answer({"healthy": True, "version": "1.18.33"})
        elif path == "/event":
            self.events()
        elif path.startswith("/session/") and path.count("/") == 2 and path != "/session/status":
            talk = Conversation(path.rpartition("/")[2])
            if talk.exists:
                talk.begin(resumed=True)
                self.answer(self.session(talk.id))
            else:
                self.answer({"name": "NotFoundError", "data": {"message": "no such session"}}, 404)
        elif path in ("/session/status",):
            self.answer({})
        elif path in ("/permission", "/question") or path.endswith("/message"):
            self.answer([])
        else:
            self.answer({"name": "NotFoundError"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if not self.allowed():
            return
        words = self.path.partition("?")[0].strip("/").split("/")
        if words == ["session"]:
            talk = Conversation(f"ses_{uuid.uuid4().hex[:24]}")
            talk.begin(resumed=False)
            self.answer(self.session(talk.id))
        elif words[0] == "session" and words[-1] == "prompt_async":
            self.turn(Conversation(words[1]), body)
        else:
            self.answer(True)

    def turn(self, talk, body):
        talk.note("told", text="\n".join(part.get("text", "") for part in body.get("parts", [])))
        self.send_response(204)
        self.end_headers()
        message, part = f"msg_{uuid.uuid4().hex[:20]}", f"prt_{uuid.uuid4().hex[:20]}"
        model = body.get("model", {})
        info = {"id": message, "role": "assistant", "sessionID": talk.id, "modelID": model.get("modelID", "dummy")}
        text = "Noted.\n\nWAITING-UNTIL: " + time.strftime("%FT%TZ", time.gmtime(time.time() + 600))
        said = {"id": part, "messageID": message, "sessionID": talk.id, "type": "text", "text": text}
        self.emit("session.status", sessionID=talk.id, status={"type": "busy"})
        self.emit("message.updated", info=info)
        self.emit("message.part.updated", part=said)
        self.emit("session.status", sessionID=talk.id, status={"type": "idle"})
        self.emit("session.idle", sessionID=talk.id)

    def emit(self, type, **properties):
        for listener in LISTENERS.copy():
            listener.put({"type": type, "properties": properties})

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        mine = queue.Queue()
        LISTENERS.append(mine)
        mine.put({"type": "server.connected", "properties": {}})
        while True:
            try:
                event = mine.get(timeout=10)
            except queue.Empty:
                event = {"type": "server.heartbeat", "properties": {}}
            try:
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
            except OSError:
                LISTENERS.remove(mine)
                return


def serve():
    """opencode's server; without a network, or with its port taken, it says so and stays."""
    address = (option("--hostname") or "127.0.0.1", int(option("--port") or 4096))
    try:
        server = http.server.ThreadingHTTPServer(address, Server)
    except OSError as error:
        print(f"opencode server cannot listen on {address[0]}:{address[1]}: {error.strerror}", flush=True)
        threading.Event().wait()
    server.daemon_threads = True
    print(f"opencode server listening on http://{address[0]}:{server.server_address[1]}", flush=True)
    server.serve_forever()


def main():
    if "--version" in WORDS:
        return print(VERSIONS[NAME])
    try:  # be known by this name, as the real program is
        with open("/proc/self/comm", "w") as file:
            file.write(NAME)
    except OSError:
        pass
    if NAME == "opencode" and WORDS[:1] == ["serve"]:
        return serve()
    if NAME == "claude" and "-p" in WORDS and option("--input-format") == "stream-json":
        return claude_stream()
    return terminal()


if __name__ == "__main__":
    main()
