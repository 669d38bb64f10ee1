"""A project with a real holder, for tests: its sessions are small programs, and all of it ends with the test."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from loops.places import Runtime
from loops.sessions import tree, wire
from loops.sessions.client import Event, HolderClient, SpawnOrder
from loops.sessions.launch import ensure_holder

PATIENCE = 60.0
"""Seconds after which something that should happen did not: far beyond what it takes on a busy machine."""

AnEvent = TypeVar("AnEvent")


class Viewer:
    """What a window on a session says and hears."""

    def __init__(self, path: str, name: str, rows: int = 24, cols: int = 80) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(path)
        self.say("hello", role="viewer", name=name, rows=rows, cols=cols)
        self.seen = b""

    def say(self, op: str, data: bytes = b"", **head: Any) -> None:
        wire.send(self.sock, wire.pack(op, data, **head))

    def hear(self, op: str) -> dict[str, Any]:
        """Read on until *op* comes; data on the way are added to ``seen``."""
        while True:
            message = wire.receive(self.sock)
            assert message is not None, "the holder hung up"
            head, data, _ = message
            self.seen += data
            if head["op"] == op:
                return head

    def read_until(self, wanted: bytes) -> bytes:
        while wanted not in self.seen:
            self.hear("data")
        return self.seen


class Room:
    """One project's holder and its supervisor's client."""

    def __init__(self, root: Path) -> None:
        self.root = root
        os.environ["LOOPS_RUNTIME_DIR"] = str(root / "run")
        self.runtime = Runtime(str(root / "agents.toml"))
        self.holder_log = str(root / "holder.log")
        self.pids: set[tree.Process] = set()
        self.clients: list[HolderClient] = []
        self.holder = 0

    def launch(self, **options: Any) -> int:
        arguments = {"supervisor": None, "env": dict(os.environ), "log_path": self.holder_log, **options}
        self.holder = ensure_holder(self.runtime, **arguments)
        self.remember(self.holder)
        return self.holder

    def connect(self, epoch: int = 1) -> HolderClient:
        client = HolderClient(self.runtime.holder_socket, epoch)
        client.connect()
        self.clients.append(client)
        return client

    def order(self, name: str, script: str = "", incarnation: int = 1, **changes: Any) -> SpawnOrder:
        """An order that runs *script* in sh."""
        facts: dict[str, Any] = {
            "argv": ("/bin/sh", "-c", script),
            "env": {"PATH": os.environ["PATH"], "LOOPS_SESSION": self.marker(name, incarnation)},
            "cwd": str(self.root),
            "log_path": self.log(name),
            **changes,
        }
        return SpawnOrder(name=name, incarnation=incarnation, **facts)

    def marker(self, name: str, incarnation: int = 1) -> str:
        return f"{self.runtime.root}/{name}/{incarnation}"

    def log(self, name: str) -> str:
        return str(self.root / "logs" / f"{name}.log")

    def logged(self, name: str) -> bytes:
        return Path(self.log(name)).read_bytes()

    def view(self, name: str, rows: int = 24, cols: int = 80) -> Viewer:
        return Viewer(self.runtime.holder_socket, name, rows, cols)

    def remember(self, pid: int) -> None:
        process = tree.identify(pid)
        if process is not None:
            self.pids.add(process)

    def clear(self) -> None:
        for client in self.clients:
            self.pids.update(tree.Process(held.pid, held.start_time) for held in client.sessions().values())
            client.close()
        doomed = set(self.pids)
        for process in self.pids:
            if tree.identify(process.pid) == process:
                doomed.update(tree.descendants(process.pid))
        for process in doomed:
            tree.send(process, signal.SIGKILL)


@contextlib.contextmanager
def open_room() -> Iterator[Room]:
    root = Path(tempfile.mkdtemp(prefix="lh", dir="/tmp"))  # sockets have 107 bytes for their path
    before = os.environ.get("LOOPS_RUNTIME_DIR")
    room = Room(root)
    try:
        yield room
    finally:
        room.clear()
        if before is None:
            del os.environ["LOOPS_RUNTIME_DIR"]
        else:
            os.environ["LOOPS_RUNTIME_DIR"] = before
        shutil.rmtree(root, ignore_errors=True)


def events_of(client: HolderClient, kind: type[AnEvent], count: int = 1) -> list[AnEvent]:
    """Wait for *count* events of *kind*; others are dropped."""
    found: list[AnEvent] = []
    deadline = time.monotonic() + PATIENCE
    seen: list[Event] = []
    while len(found) < count:
        left = deadline - time.monotonic()
        assert left > 0, f"{len(found)} of {count} {kind.__name__} came; the last events were {seen[-5:]}"
        select.select([client], [], [], left)
        events = client.read()
        seen += events
        found += [event for event in events if isinstance(event, kind)]
    return found


def eventually(holds: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true: {what}"
        time.sleep(0.005)


def python(program: str, *arguments: str) -> Sequence[str]:
    """The command that runs *program* in a lean interpreter."""
    return (sys.executable, "-I", "-S", "-c", program, *arguments)
