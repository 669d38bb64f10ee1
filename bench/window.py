"""A window on a session: what `loops attach` is to the holder, for measuring."""

from __future__ import annotations

import select
import socket
import time

from loops.sessions import wire

from bench.project import Project

PATIENCE = 120.0


class Window:
    """What `loops attach` is to the holder."""

    def __init__(self, run: Project, name: str) -> None:
        """Attach to the session *name*."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.settimeout(PATIENCE)
        self._sock.connect(run.runtime.holder_socket)
        wire.send(self._sock, wire.pack("hello", role="viewer", name=name, rows=24, cols=80))
        while self._hear()[0] != "data":  # the ring, which comes first
            pass

    def echo(self) -> float:
        """Press a key; return the milliseconds until its echo came."""
        begin = time.perf_counter()
        wire.send(self._sock, wire.pack("data", b"x"))
        while b"x" not in self._hear()[1]:
            pass
        taken = (time.perf_counter() - begin) * 1e3
        wire.send(self._sock, wire.pack("data", b"\x7f"))  # the line stays empty: it takes no more than 4 KB
        self._hear()
        return taken

    def silence(self, seconds: float) -> None:
        """Take what comes until nothing came for *seconds*."""
        while select.select([self._sock], [], [], seconds)[0]:
            self._hear()

    def change(self) -> float:
        """Wait until something is printed; return when (seconds, CLOCK_REALTIME)."""
        while self._hear()[0] != "data":
            pass
        return time.time()

    def close(self) -> None:
        """Detach."""
        self._sock.close()

    def _hear(self) -> tuple[str, bytes]:
        message = wire.receive(self._sock)
        if message is None:
            raise ConnectionResetError("the holder hung up")
        head, data, _descriptors = message
        return head["op"], data
