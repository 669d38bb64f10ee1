"""The control socket: one request a connection, one answer, then it is closed.

A request is one line.  ``status plain`` and ``status colour`` are answered with the text itself, so that the quickest of
commands needs no JSON; everything else is a JSON object with ``verb``, answered by a JSON object with ``ok``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from loops.supervisor.reactor import Reactor

Answer = bytes
MOST = 1 << 20


class Control:
    """Listens at *path* (mode 0600, own user only) and gives each request line to *answer*."""

    def __init__(self, reactor: Reactor, path: str, answer: Callable[[bytes], Answer]) -> None:
        self._reactor = reactor
        self._path = path
        self._answer = answer
        self._open: dict[int, _Caller] = {}
        self._listen()

    def _listen(self) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        temporary = f"{self._path}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        self._sock.bind(temporary)
        os.chmod(temporary, 0o600)
        self._sock.listen(128)
        os.rename(temporary, self._path)  # over the socket of a supervisor that was killed
        self._inode = _inode(self._path)
        self._reactor.watch(self._sock.fileno(), self._accept)

    def keep_place(self) -> None:
        """Listen anew when somebody removed or replaced our socket's file, which a cleaner of /tmp may do."""
        if _inode(self._path) == self._inode:
            return
        self._reactor.forget(self._sock.fileno())
        self._sock.close()
        with suppress(OSError):  # the directory is gone too: the holder makes it anew
            self._listen()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.getuid() and uid != 0:
                sock.close()
                continue
            sock.setblocking(False)
            caller = _Caller(sock)
            self._open[sock.fileno()] = caller
            self._reactor.watch(sock.fileno(), partial(self._ready, caller))
            self._ready(caller)

    def _ready(self, caller: _Caller) -> None:
        if not caller.outgoing:
            line = caller.read()
            if line is None:
                return
            if not line:
                self._close(caller)
                return
            caller.outgoing = self._answer(line)
        if caller.write():
            self._close(caller)
        else:
            self._reactor.watch(caller.sock.fileno(), partial(self._ready, caller), write=True)

    def _close(self, caller: _Caller) -> None:
        self._reactor.forget(caller.sock.fileno())
        self._open.pop(caller.sock.fileno(), None)
        caller.sock.close()

    def close(self) -> None:
        for caller in list(self._open.values()):
            self._close(caller)
        self._reactor.forget(self._sock.fileno())
        self._sock.close()
        if _inode(self._path) == self._inode:  # else it is our successor's
            os.unlink(self._path)


def _inode(path: str) -> int:
    """The inode of the file at *path*; 0 when there is none."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


class _Caller:
    """One connection: a line in, an answer out."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.outgoing = b""
        self._incoming = b""

    def read(self) -> bytes | None:
        """The request line; None while it is not whole; b"" when the caller is gone or talks too much."""
        try:
            chunk = self.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self._incoming += chunk
        if b"\n" in self._incoming:
            return self._incoming.partition(b"\n")[0] or b" "
        return None if chunk and len(self._incoming) < MOST else b""

    def write(self) -> bool:
        """Send on; True when all is sent or the caller is gone."""
        try:
            while self.outgoing:
                sent = self.sock.send(self.outgoing)
                self.outgoing = self.outgoing[sent:]
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


def ask(path: str, request: dict[str, Any], timeout: float = 10.0) -> dict[str, Any] | None:
    """Ask the supervisor at *path*; None when there is none.

    Raises:
        TimeoutError: it is there, but does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            chunks = []
            while chunk := sock.recv(1 << 16):
                chunks.append(chunk)
        except (FileNotFoundError, ConnectionError):
            return None
    raw = b"".join(chunks)
    answer: dict[str, Any] = json.loads(raw) if raw else {}
    return answer or None


def listener(path: str) -> int:
    """The pid of the process that listens at *path*, also when it does not answer; 0: nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(path)
            pid, _uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return 0
    return int(pid)
