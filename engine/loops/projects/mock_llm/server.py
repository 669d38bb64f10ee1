"""The server: one thread a connection, nothing kept when one ends."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loops.errors import LoopsError
from loops.projects.mock_llm import chat, messages, responses
from loops.projects.mock_llm.scenarios import Ending, Model
from loops.projects.mock_llm.script import IDLE_TEXT, Rule, next_step
from loops.projects.mock_llm.stage import Playing, Stage
from loops.projects.mock_llm.tools import escalated, shell_call
from loops.projects.mock_llm.wire import Call, Json, Refusal, Reply, Request, Speaker, Wire

WIRES = (responses.WIRE, chat.WIRE, messages.WIRE)
HOST = "127.0.0.1"
IDLE = 120.0
"""Seconds after which a connection without a request is closed."""
MODELS = [{"id": "mock-model", "object": "model", "created": 1, "owned_by": "mock"}]
_ROOTS = ("v1", "control")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server behaves."""

    port: int = 0
    """0: any free one."""
    log: str = ""
    """A file that gets one JSON line a request: never a key, never a text."""
    command: str = "echo hello-from-mock > hello.txt"
    text: str = IDLE_TEXT
    rules: tuple[Rule, ...] = ()
    usual: str = "ok"
    """The scenario of a path whose name is none."""
    slow: float = 2.0
    """Seconds before each answer of a slow scenario."""


class MockServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1 as soon as it is made; `serve_forever` answers, `close` ends everything at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, settings: Settings) -> None:
        """Listen.

        Raises:
            LoopsError: the port is taken, or the log cannot be written.
        """
        self.settings = settings
        self.stage = Stage(settings.usual)
        self._ended, self._end = socket.socketpair()
        self._log_lock = threading.Lock()
        try:
            self._log = os.open(settings.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if settings.log else -1
        except OSError as error:
            raise LoopsError(f"{settings.log}: {error.strerror}; --log needs a file that can be written") from error
        try:
            super().__init__((HOST, settings.port), _Handler)
        except (OSError, OverflowError) as error:
            raise LoopsError(f"cannot listen on {HOST}:{settings.port}: {error}; choose another --port") from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop listening, and let every answer that hangs go."""
        self._end.close()
        self.server_close()

    def record(self, facts: Json) -> None:
        """Append one line to the log."""
        if self._log < 0:
            return
        line = json.dumps({"time": round(time.time(), 3), **facts}).encode() + b"\n"
        with self._log_lock:
            os.write(self._log, line)

    def wait(self, connection: socket.socket, seconds: float | None) -> bool:
        """Wait; False as soon as the client has gone away or the server ends."""
        poll = select.poll()  # not `select`, which knows no descriptor above 1023
        for each in (self._ended, connection):
            poll.register(each, select.POLLIN)
        # A readable connection has ended, or its client sends ahead, which none of them does.
        return not poll.poll(None if seconds is None else seconds * 1000)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, except that a client went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "loops-mock-llm"
    timeout = IDLE
    disable_nagle_algorithm = True
    server: MockServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the log is a file of its own."""

    def do_HEAD(self) -> None:
        self._send(200, {})

    def do_GET(self) -> None:
        path, rest = self._place()
        if rest == "control":
            self._send(200, {"paths": self.server.stage.facts()})
        elif rest.endswith("models"):
            # `data` for the clients of OpenAI and Anthropic, an empty `models` for codex
            self._send(200, {"object": "list", "data": MODELS, "models": []})
        else:
            self._unknown(path, rest)

    def do_POST(self) -> None:
        path, rest = self._place()
        body = self._body()
        if body is None:
            self._send(400, {"error": {"type": "invalid_request_error", "message": "mock: the body is no JSON object"}})
            return
        if rest == "control":
            self._control(body)
            return
        if rest.endswith("count_tokens"):
            self._send(200, {"input_tokens": 42})
            return
        wire = next((wire for wire in WIRES if rest.endswith(wire.suffix)), None)
        if wire is None:
            self._unknown(path, rest)
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that went away is its own business
            self._answer(wire, path, body)

    def _control(self, body: Json) -> None:
        try:
            self.server.stage.change(body)
        except LoopsError as error:
            self._send(400, {"error": {"type": "invalid_request_error", "message": str(error)}})
            return
        self._send(200, {"paths": self.server.stage.facts()})

    def _answer(self, wire: Wire, path: str, body: Json) -> None:
        request = wire.read(body)
        playing = self.server.stage.seen(path)
        refused = self.server.stage.refuses(path, playing, self._conversation(request))
        self._record(wire, path, request, playing, refused)
        scenario = playing.scenario
        if refused and scenario.cause is not None:
            resets_at = self.server.stage.resets_at(playing)
            answer = wire.refuse(Refusal(scenario.cause, request.model, resets_at, int(time.time())))
            self._send(answer.status, answer.body, answer.headers)
            return
        if scenario.ending is Ending.NEVER:
            self._hang()
            return
        if scenario.slow and not self.server.wait(self.connection, self.server.settings.slow):
            self.close_connection = True
            return
        reply = self._reply(request, scenario.model)
        if request.stream:
            self._stream(wire, reply, scenario.ending)
        else:
            self._send(200, wire.whole(reply))

    def _reply(self, request: Request, model: Model) -> Reply:
        settings = self.server.settings
        if not request.tools and model is not Model.TEXT:
            return Reply(request.model, "Mock title")  # codex and opencode ask for one, beside the conversation
        command, text = "", settings.text
        if model is Model.SCRIPT:
            step = next_step(settings.rules, request.heard)
            command, text = step.command, step.text
        elif model is not Model.TEXT and _begins_a_turn(request):
            command = settings.command
        call: Call | None = shell_call(request.tools, command) if command else None
        if call is not None and model is Model.ESCALATE:
            call = escalated(call)
        return Reply(request.model, text, call)

    def _stream(self, wire: Wire, reply: Reply, ending: Ending) -> None:
        events = wire.stream(reply)
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        whole = ending is Ending.WHOLE
        for event in events if whole else events[: wire.opening]:
            data = event.data if isinstance(event.data, str) else json.dumps(event.data)
            head = f"event: {event.name}\n" if event.name else ""
            self.wfile.write(f"{head}data: {data}\n\n".encode())
            self.wfile.flush()
        if ending is Ending.SILENT:
            self._hang()
        elif not whole:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _hang(self) -> None:
        self.close_connection = True
        self.server.wait(self.connection, None)

    # ---- HTTP ------------------------------------------------------------------------------------------------------

    def _place(self) -> tuple[str, str]:
        """The path's name, and the rest of it."""
        parts = self.path.partition("?")[0].strip("/").split("/")
        return ("ok", "/".join(parts)) if parts[0] in _ROOTS else (parts[0], "/".join(parts[1:]))

    def _body(self) -> Json | None:
        """The body; None when it is no JSON object (a compressed one is none either)."""
        length = self.headers.get("Content-Length") or "0"
        raw = self.rfile.read(int(length)) if length.isdecimal() else b""
        try:
            body = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def _conversation(self, request: Request) -> str:
        """What tells one conversation from another: its first text, for not every client sends an id."""
        return request.heard[0].text if request.heard else ""

    def _record(self, wire: Wire, path: str, request: Request, playing: Playing, refused: bool) -> None:
        headers = self.headers
        auth = "bearer" if "authorization" in headers else "x-api-key" if "x-api-key" in headers else ""
        self.server.record(
            {
                "path": path,
                "scenario": playing.scenario.name,
                "refused": refused,
                "wire": wire.name,
                "model": request.model,
                "stream": request.stream,
                "tools": [tool.name for tool in request.tools],
                "heard": len(request.heard),
                "auth": auth,
                "client": headers.get("user-agent", ""),
            }
        )

    def _unknown(self, path: str, rest: str) -> None:
        message = f"mock: {self.command} /{path}/{rest} is nothing that a provider has"
        self._send(404, {"error": {"type": "not_found_error", "message": message}})

    def _send(self, status: int, body: Json, headers: Sequence[tuple[str, str]] = ()) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _begins_a_turn(request: Request) -> bool:
    """Whether no tool has answered since the user spoke last."""
    last = request.heard[-1] if request.heard else None
    return last is None or last.speaker is Speaker.USER
