"""The control socket: one request a connection, one answer, then it is closed.

A request is one line.  ``status plain`` and ``status colour`` are answered with the text itself, so that the quickest of
commands needs no JSON; everything else is a JSON object with ``verb``, answered by a JSON object with ``ok``.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from loops.errors import SessionError
from loops.places import SOCKET_BYTES
from loops.supervisor.reactor import Reactor

Answer = bytes
MOST = 1 << 20
"""Most bytes of one request."""
MOST_CALLERS = 256
"""Connections at one time; who comes later waits in the kernel's queue (or in ours: connect(2) then waits or says EAGAIN)."""
PATIENCE = 10.0
"""Seconds in which a caller says its line and takes its answer: one that dawdles must not keep a place for ever."""
PAUSE = 0.2
"""Seconds until connections are taken again when this process can open no more descriptors."""


class Control:
    """Listens at *path* (mode 0600, own user only) and gives each request line to *answer*.  *now*: the reactor's clock."""

    def __init__(
        self, reactor: Reactor, path: str, answer: Callable[[bytes], Answer], now: Callable[[], float]
    ) -> None:
        """SessionError: the socket cannot be made there."""
        self._reactor = reactor
        self._path = path
        self._answer = answer
        self._now = now
        self._open: dict[int, _Caller] = {}
        self._listen()

    def _listen(self) -> None:
        temporary = f"{self._path}.new"
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            self._sock.bind(temporary)
            os.chmod(temporary, 0o600)
            self._sock.listen(128)
            self._inode = _inode(temporary)
            os.rename(temporary, self._path)  # over the socket of a supervisor that was killed
        except OSError as error:
            self._sock.close()
            raise SessionError(
                f"{self._path}: cannot listen there: {error.strerror or error}; name another place in LOOPS_RUNTIME_DIR"
            ) from error
        self._welcome()

    def _welcome(self) -> None:
        self._reactor.watch(self._sock.fileno(), self._accept)

    def keep_place(self) -> None:
        """Listen anew when somebody removed or replaced our socket's file, which a cleaner of /tmp may do.

        SessionError: it cannot be made there now; the next call tries it again.
        """
        if _inode(self._path) != self._inode:
            self._reactor.forget(self._sock.fileno())
            self._sock.close()
            self._inode = -1
            self._listen()

    def _accept(self) -> None:
        while True:
            if len(self._open) >= MOST_CALLERS:
                self._reactor.forget(self._sock.fileno())  # until one goes
                return
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._reactor.forget(self._sock.fileno())
                    self._reactor.at("control", self._now() + PAUSE, self._welcome)
                return
            self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (os.getuid(), 0):
            sock.close()
            return
        sock.setblocking(False)
        caller = _Caller(sock)
        self._open[sock.fileno()] = caller
        self._reactor.watch(sock.fileno(), partial(self._ready, caller))
        self._reactor.at(caller.key, self._now() + PATIENCE, partial(self._close, caller))
        self._ready(caller)

    def _ready(self, caller: _Caller) -> None:
        if not caller.outgoing:
            line = caller.read()
            if line is None:
                return
            if not line:
                self._close(caller)
                return
            caller.outgoing = memoryview(self._answer(line))
            self._reactor.at(caller.key, self._now() + PATIENCE, partial(self._close, caller))
        if caller.write():
            self._close(caller)
        else:
            self._reactor.watch(caller.sock.fileno(), partial(self._ready, caller), write=True)

    def _close(self, caller: _Caller) -> None:
        self._reactor.cancel(caller.key)
        self._reactor.forget(caller.sock.fileno())
        self._open.pop(caller.sock.fileno(), None)
        caller.sock.close()
        if len(self._open) == MOST_CALLERS - 1:
            self._welcome()

    def close(self) -> None:
        """Hang up and stop listening.  The path is left alone when it leads to another supervisor's socket by now."""
        self._reactor.forget(self._sock.fileno())
        for caller in list(self._open.values()):
            self._reactor.cancel(caller.key)
            self._reactor.forget(caller.sock.fileno())
            caller.sock.close()
        self._open.clear()
        self._reactor.cancel("control")
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
        self.key = f"caller {sock.fileno()}"
        self.outgoing = memoryview(b"")
        self._incoming = bytearray()

    def read(self) -> bytes | None:
        """The request line; None while it is not whole; b"" when the caller is gone or talks too much."""
        try:
            chunk = self.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self._incoming += chunk
        if b"\n" in chunk:
            return bytes(self._incoming.partition(b"\n")[0]) or b" "
        return None if chunk and len(self._incoming) < MOST else b""

    def write(self) -> bool:
        """Send on; True when all is sent or the caller is gone."""
        try:
            while self.outgoing:
                self.outgoing = self.outgoing[self.sock.send(self.outgoing) :]
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
    if len(os.fsencode(path)) > SOCKET_BYTES:
        return None  # nobody can listen there
    deadline = time.monotonic() + timeout
    chunks = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            while chunk := sock.recv(1 << 16):
                chunks.append(chunk)
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
        except (FileNotFoundError, ConnectionError):
            return None
    try:
        answer: dict[str, Any] = json.loads(b"".join(chunks))
    except ValueError:  # it died before it had said all
        return None
    return answer


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
