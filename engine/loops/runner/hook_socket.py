"""The socket on which an agent's hooks report: one connection a payload, answered where the payload asks something.

Nothing blocks, and what is no payload is dropped: whoever can reach the socket can only report, never stop the runner.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

MOST_PAYLOAD = 32_000_000
"""Bytes."""
MOST_WAITING = 256
"""Connections, beyond which the oldest is let go."""
READ_BYTES = 1 << 16


class Payload(NamedTuple):
    """One hook's payload.  ``connection`` names it to `HookSocket.answer`."""

    connection: int
    data: bytes


class Left(NamedTuple):
    """A hook that waited for an answer went away: the agent no longer wants one."""

    connection: int


class HookSocket:
    """Listens; its path must be short (107 bytes)."""

    def __init__(self, path: str) -> None:
        """Listen at *path*, mode 0600, in place of whatever stood there.

        Raises:
            OSError: it cannot be made.
        """
        self._path = path
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(128)
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self._asking: set[int] = set()
        """Connections whose payload is whole and whose answer is awaited."""

    def descriptors(self) -> Sequence[tuple[int, int]]:
        """What to poll now."""
        hooks = ((fd, 0 if fd in self._asking else select.POLLIN) for fd in self._connections)
        return ((self._listener.fileno(), select.POLLIN), *hooks)

    def serve(self, descriptor: int, events: int) -> Payload | Left | None:
        """Serve one ready descriptor."""
        if descriptor == self._listener.fileno():
            self._accept()
            return None
        if descriptor in self._asking:
            self.close_connection(descriptor)
            return Left(descriptor)
        return self._read(descriptor) if descriptor in self._connections else None

    def answer(self, connection: int, data: bytes) -> bool:
        """Send *data*, end the connection; whether the hook was still there."""
        found = self._connections.get(connection)
        if found is None:
            return False
        try:
            found[0].setblocking(True)
            found[0].settimeout(1.0)
            found[0].sendall(data)
        except OSError:
            return False
        finally:
            self.close_connection(connection)
        return True

    def close_connection(self, connection: int) -> None:
        """Let the hook go: it prints nothing more."""
        found = self._connections.pop(connection, None)
        self._asking.discard(connection)
        if found is not None:
            found[0].close()

    def close(self) -> None:
        """Listen no more; hooks that come later find nobody and say nothing."""
        for connection in list(self._connections):
            self.close_connection(connection)
        self._listener.close()
        with suppress(OSError):
            os.unlink(self._path)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            if len(self._connections) >= MOST_WAITING:
                self.close_connection(next(iter(self._connections)))
            self._connections[connection.fileno()] = (connection, bytearray())

    def _read(self, descriptor: int) -> Payload | None:
        connection, received = self._connections[descriptor]
        try:
            while part := connection.recv(READ_BYTES):
                received += part
                if len(received) > MOST_PAYLOAD:
                    self.close_connection(descriptor)
                    return None
        except BlockingIOError:
            return None
        except OSError:
            self.close_connection(descriptor)
            return None
        if not received:
            self.close_connection(descriptor)
            return None
        self._asking.add(descriptor)
        return Payload(descriptor, bytes(received))


_STREAMS = (b"out", b"in", b"runner")


def line_of(data: bytes) -> tuple[str, bytes]:
    """Return the stream and the line of one report: a hook's payload, or a line headed by its stream's name."""
    head, newline, rest = data.partition(b"\n")
    stream, line = (head.decode(), rest) if newline and head in _STREAMS else ("hook", data)
    return stream, line.strip().replace(b"\n", b" ")  # JSON holds no raw newline but between its members
