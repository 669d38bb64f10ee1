"""A project for the tests of what people see of it: a holder with this test as its supervisor."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holder_room import PATIENCE, Room, events_of, eventually, open_room
from loops.sessions import attach
from loops.sessions.client import Exited, NotWritten, Spawned, Written
from loops.sessions.send import Accepted, Refused, Write

RELAY = [sys.executable, "-I", "-S", attach.__file__]


class Project:
    """One holder, with this test as its supervisor."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.root = room.root
        self.socket = room.runtime.holder_socket
        self._epoch = 0
        self.start()

    def start(self) -> None:
        """Start a holder and become its supervisor."""
        self._room.launch()
        self._epoch += 1
        self._client = self._room.connect(self._epoch)

    def spawn(self, name: str, argv: Sequence[str], incarnation: int = 1) -> int:
        """Start a session and return its pid."""
        self._client.spawn(self._room.order(name, incarnation=incarnation, argv=tuple(argv)))
        (spawned,) = events_of(self._client, Spawned)
        return spawned.pid

    def type(self, name: str, write: Write) -> Accepted | Refused:
        """Have the holder do what a sending wants, and return its answer."""
        self._client.write(name, 1, write.write_id, write.data, guard=write.guard)
        while True:
            select.select([self._client], [], [], PATIENCE)
            for event in self._client.read():
                if isinstance(event, Written):
                    return Accepted(event.id)
                if isinstance(event, NotWritten):
                    return Refused(event.id, event.reason)

    def wait_for_draft(self, name: str) -> None:
        """Wait until the holder says that a person began a line."""
        eventually(lambda: self._client.read() is not None and self._client.sessions()[name].human)

    def logged(self, name: str) -> bytes:
        """What the session printed so far."""
        return self._room.logged(name) if Path(self._room.log(name)).exists() else b""

    def wait_for_exit(self) -> None:
        """Wait until a session ended."""
        events_of(self._client, Exited)

    def kill(self) -> None:
        """End the holder, and with it every session."""
        end(self._room.holder)


@contextmanager
def project() -> Iterator[Project]:
    """A project that is gone when the block ends."""
    with open_room() as room:
        yield Project(room)


def end(pid: int) -> None:
    """Kill one process of our own."""
    os.kill(pid, signal.SIGKILL)
