"""A server for tests: it answers as its script says and sends events when told to.  Also a program: a server to start.

As a program it prints its port as opencode does, and obeys ``FILE`` (argument 1): a line of it is an answer
``PATH<TAB>STATUS<TAB>BODY``.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

CONNECTED = b'{"type":"server.connected","properties":{}}'
Answer = Callable[["Stub", bytes, socket.socket], None]


class Stub:
    """Each connection is one thread; every request is kept in ``requests``."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, bytes]] = []
        self.listeners: list[socket.socket] = []
        self.answers: dict[str, Answer] = {"GET /global/health": plain(b'{"healthy":true}'), "GET /event": events}
        self.changed = threading.Condition()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        name = " ".join(head.split(b" ", 2)[:2][i].decode() for i in (0, 1))
        with self.changed:
            self.requests.append((name, head, body))
            self.changed.notify_all()
        self.answers.get(name, plain(b'{"name":"NotFoundError"}', 404))(self, body, connection)

    def emit(self, data: bytes) -> None:
        """Send *data* to everybody who listens, as one chunk."""
        for listener in self.listeners:
            listener.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def hang_up(self) -> None:
        """Close the connections of all listeners."""
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def close(self) -> None:
        self._server.close()
        self.hang_up()


def plain(body: bytes, status: int = 200) -> Answer:
    def answer(stub: Stub, _body: bytes, connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.close()

    return answer


def raw(data: bytes) -> Answer:
    def answer(stub: Stub, _body: bytes, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.close()

    return answer


def silent(stub: Stub, _body: bytes, connection: socket.socket) -> None:
    """Take the request and never answer."""
    stub.kept = [*getattr(stub, "kept", []), connection]  # type: ignore[attr-defined]


def events(stub: Stub, _body: bytes, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    with stub.changed:
        stub.listeners.append(connection)
    first = b"data: " + CONNECTED + b"\n\n"
    connection.sendall(b"%x\r\n%s\r\n" % (len(first), first))


def main() -> None:
    stub = Stub()
    for line in Path(sys.argv[1]).read_text().splitlines():
        name, status, body = line.split("\t")
        stub.answers[name] = plain(body.encode(), int(status))
    print("booting", flush=True)
    print(f"opencode server listening on http://127.0.0.1:{stub.port}", flush=True)
    print("a complaint", file=sys.stderr, flush=True)
    wanted = os.environ["OPENCODE_SERVER_PASSWORD"]
    stub.answers["GET /secret"] = plain(f'"{wanted}"'.encode())
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
