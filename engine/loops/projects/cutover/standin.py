"""Plays an agent's command line in a rehearsal, where the real one has no network and no login.  Run as a program.

It keeps its place in a conversation (``$LOOPS_REHEARSAL_TALKS/ID.log``: a line for each start, resume and message), speaks
as much of claude's stream of JSON lines as a turn needs, and else stays in its terminal.  Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid

VERSIONS = {"claude": "2.1.329 (Claude Code)", "opencode": "1.18.33", "codex": "codex-cli 0.169.0"}


def main(words: list[str]) -> int:
    """Play the program that we were called as."""
    name = os.path.basename(sys.argv[0])
    if "--version" in words:
        print(VERSIONS.get(name, "0.0.0"))
        return 0
    if words[:1] == ["serve"]:
        print("a stand-in: it serves nobody", flush=True)
    else:
        talk = _after(words, "--resume", "--session", "-s") or _after(words, "--session-id") or str(uuid.uuid4())
        resumed = bool(_after(words, "--resume", "--session", "-s"))
        _note(talk, "resumed" if resumed else "started", model=_after(words, "--model"), program=name)
        if "-p" in words and _after(words, "--input-format") == "stream-json":
            _stream(talk, _after(words, "--model") or name)
            return 0
        for line in sys.stdin:
            _note(talk, "told", text=line.rstrip("\n"))
    while True:
        time.sleep(3600)


def _after(words: list[str], *names: str) -> str:
    return next((words[words.index(name) + 1] for name in names if name in words[:-1]), "")


def _note(talk: str, event: str, **facts: str) -> None:
    folder = os.environ.get("LOOPS_REHEARSAL_TALKS", "/tmp")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{os.path.basename(talk)}.log"), "a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), **facts}) + "\n")


def _stream(talk: str, model: str) -> None:
    for number, line in enumerate(sys.stdin):
        message = json.loads(line)
        if message.get("type") == "control_request":
            answer = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            _put(type="control_response", response=answer)
        elif message.get("type") == "user":
            _note(talk, "told", text=str(message["message"]["content"])[:2000])
            _turn(talk, model, number)


def _turn(talk: str, model: str, number: int) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    head = {"session_id": talk, "model": model, "tools": [], "mcp_servers": [], "cwd": os.getcwd()}
    _put(type="system", subtype="init", permissionMode="bypassPermissions", claude_code_version="2.1.329", **head)
    text = "Noted.\n\nWAITING-UNTIL: " + time.strftime("%FT%TZ", time.gmtime(time.time() + 600))
    said: dict[str, object] = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "usage": usage,
    }
    said["content"] = [{"type": "text", "text": text}]
    _put(type="assistant", message=said, session_id=talk, parent_tool_use_id=None)
    end = {"usage": usage, "total_cost_usd": 0.0, "num_turns": 1, "permission_denials": [], "stop_reason": "end_turn"}
    _put(type="result", subtype="success", is_error=False, session_id=talk, result=text, **end)


def _put(**message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
