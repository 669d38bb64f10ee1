"""A server on 127.0.0.1 that takes what notices are posted, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Listener:
    """``answers``: status codes, or "hang" and "drop", one a request; then 200."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    redirect: str = ""
    arrived: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            answer = listener.answers.pop(0) if listener.answers else 200
            listener.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            listener.arrived.set()
            if answer == "hang":
                listener.release.wait(60)
            if isinstance(answer, str):
                return  # the connection ends without an answer
            self.send_response(answer)
            if listener.redirect:
                self.send_header("Location", listener.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
