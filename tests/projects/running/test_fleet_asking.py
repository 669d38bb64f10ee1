"""Many supervisors asked at once: who answers, who is not there, and who is stuck keeps nobody waiting."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from loops.projects.fleet.asking import Silence, ask_all


class Room:
    """Sockets of a test, in a short directory."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="la-", dir="/tmp")
        self.servers: list[socket.socket] = []

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def listen(self, name: str, backlog: int = 8) -> socket.socket:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(self.path(name))
        server.listen(backlog)
        self.servers.append(server)
        return server

    def answer(self, name: str, said: bytes) -> str:
        """Answer every caller with *said* in two pieces."""
        server = self.listen(name)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller:
                        caller.recv(1 << 16)
                        caller.sendall(said[:5])
                        caller.sendall(said[5:])

        threading.Thread(target=serve, daemon=True).start()
        return self.path(name)

    def close(self) -> None:
        for server in self.servers:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        shutil.rmtree(self.directory)


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.close()


def test_every_answer_is_given_by_its_path(room: Room) -> None:
    paths = [room.answer(f"s{number}", json.dumps({"ok": True, "number": number}).encode()) for number in range(20)]

    told = ask_all(paths, {"verb": "summary"}, 30.0)

    assert [told[path] for path in paths] == [{"ok": True, "number": number} for number in range(20)]


def test_nobody_is_told_from_somebody_who_does_not_answer(room: Room) -> None:
    good = room.answer("good", b'{"ok": true}')
    room.listen("stuck")
    dead = room.listen("dead")
    dead.close()

    told = ask_all([good, room.path("stuck"), room.path("dead"), room.path("none")], {"verb": "summary"}, 3.0)

    assert told == {
        good: {"ok": True},
        room.path("stuck"): Silence.STUCK,
        room.path("dead"): Silence.NOBODY,
        room.path("none"): Silence.NOBODY,
    }


def test_a_full_queue_is_stuck_and_not_nobody(room: Room) -> None:
    room.listen("full", backlog=0)
    waiting = []
    with suppress(BlockingIOError):
        while True:
            caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            waiting.append(caller)
            caller.connect(room.path("full"))

    told = ask_all([room.path("full")], {"verb": "summary"}, 0.2)

    for caller in waiting:
        caller.close()
    assert told == {room.path("full"): Silence.STUCK}


def test_a_full_queue_that_empties_is_asked_after_all(room: Room) -> None:
    server = room.listen("full", backlog=0)
    waiting = []
    with suppress(BlockingIOError):
        while True:
            caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            waiting.append(caller)
            caller.connect(room.path("full"))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = server.accept()
                with caller:
                    if caller.recv(1 << 16):
                        caller.sendall(b'{"ok": true}')

    for each in waiting:
        each.close()  # they have said nothing, and are passed over
    threading.Thread(target=serve, daemon=True).start()

    assert ask_all([room.path("full")], {"verb": "summary"}, 30.0) == {room.path("full"): {"ok": True}}


def test_an_answer_that_breaks_off_is_none(room: Room) -> None:
    path = room.answer("torn", b'{"ok": tr')

    assert ask_all([path], {"verb": "summary"}, 30.0) == {path: Silence.NOBODY}


def test_a_path_that_no_socket_can_have_is_nobodys() -> None:
    path = "/tmp/" + "x" * 200

    assert ask_all([path], {"verb": "summary"}, 1.0) == {path: Silence.NOBODY}
