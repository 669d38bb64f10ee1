"""A holder of its own in a temporary directory, for the tests of what people see of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loops.sessions import attach, holder, wire

RELAY = [sys.executable, "-I", "-S", attach.__file__]


class Project:
    """One holder, with this test as its supervisor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.socket = str(root / "holder.sock")
        self._epoch = 0
        self.start()

    def start(self) -> None:
        """Start a holder and become its supervisor."""
        command = [sys.executable, "-I", "-S", holder.__file__, self.socket]
        with open(self.root / "holder.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.settimeout(10)
        until(lambda: self._sock.connect_ex(self.socket) == 0)
        self._epoch += 1
        wire.send(self._sock, wire.pack("hello", role="supervisor", epoch=self._epoch))
        self.expect("welcome")

    def expect(self, op: str) -> dict[str, Any]:
        """Read the holder's messages up to the next *op*, and return its head."""
        while True:
            message = wire.receive(self._sock)
            assert message is not None, f"the holder ended: {(self.root / 'holder.log').read_text()}"
            wire.close(message[2])
            if message[0]["op"] == op:
                return message[0]

    def spawn(self, name: str, argv: list[str], incarnation: int = 1) -> int:
        """Start a session and return its pid."""
        order = {
            "name": name, "incarnation": incarnation, "argv": argv, "cwd": str(self.root),
            "env": {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}, "rows": 24, "cols": 80,
            "log_path": str(self.root / f"{name}.log"), "log_bytes": 1 << 20, "log_keep": 1,
        }  # fmt: skip
        wire.send(self._sock, wire.pack("spawn", **order))
        return int(self.expect("spawned")["pid"])

    def write(self, name: str, id: str, data: bytes, guard: bool = False) -> None:
        """Type *data* as the supervisor does."""
        wire.send(self._sock, wire.pack("write", data, name=name, incarnation=1, id=id, guard=guard))
        self.expect("written")

    def kill(self) -> None:
        """End the holder, and with it every session."""
        self._sock.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.kill()


@contextmanager
def project(root: Path) -> Iterator[Project]:
    """A project that is gone when the block ends."""
    made = Project(root)
    try:
        yield made
    finally:
        made.stop()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for *condition*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def end(pid: int) -> None:
    """Kill one process of our own."""
    os.kill(pid, signal.SIGKILL)
