"""The control socket: one line in, one answer out, whatever callers do."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from loops.errors import SessionError
from loops.supervisor import control
from loops.supervisor.reactor import Reactor


class Room:
    """A control socket whose clock the test sets."""

    def __init__(self, root: Path) -> None:
        self.path = str(root / "control.sock")
        self.now = 100.0
        self.asked: list[bytes] = []
        self.answer = b"yes\n"
        self.reactor = Reactor(lambda: self.now)
        self.control = self.listen()

    def listen(self) -> control.Control:
        return control.Control(self.reactor, self.path, self._answer, lambda: self.now)

    def _answer(self, line: bytes) -> bytes:
        self.asked.append(line)
        return self.answer

    def call(self, said: bytes = b"") -> socket.socket:
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        caller.settimeout(10.0)
        caller.connect(self.path)
        if said:
            caller.sendall(said)
        return caller

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.reactor.at("end the wait", self.now, lambda: None)
            self.reactor.turn()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.turn()


@pytest.fixture
def room() -> Iterator[Room]:
    root = Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp"))
    room = Room(root)
    yield room
    with suppress(OSError):
        room.control.close()
    shutil.rmtree(root, ignore_errors=True)


def all_of(caller: socket.socket) -> bytes:
    """What comes until the end; who is sent away with its words unread hears that as a reset."""
    got = b""
    with caller, suppress(ConnectionResetError):
        while chunk := caller.recv(65536):
            got += chunk
    return got


def test_a_line_is_answered_and_the_connection_closed(room: Room) -> None:
    caller = room.call(b"status plain\n")
    room.turn()
    assert all_of(caller) == b"yes\n"
    assert room.asked == [b"status plain"]


def test_a_line_may_come_in_pieces(room: Room) -> None:
    caller = room.call(b"sta")
    room.turn()
    caller.sendall(b"tus\nand more that nobody reads")
    room.turn()
    assert caller.recv(10) == b"yes\n"
    assert room.asked == [b"status"]


@pytest.mark.parametrize("said", [b"", b"half a line"])
def test_who_hangs_up_early_is_forgotten(room: Room, said: bytes) -> None:
    room.call(said).close()
    room.turn(2)
    assert room.asked == []
    caller = room.call(b"x\n")
    room.turn()
    assert all_of(caller) == b"yes\n"


def test_who_says_nothing_or_dawdles_is_sent_away(room: Room) -> None:
    slow, dumb = room.call(b"s"), room.call()
    room.turn()
    room.pass_time(control.PATIENCE - 1)
    slow.sendall(b"t")
    room.pass_time(2)
    assert all_of(slow) == all_of(dumb) == b""


def test_who_talks_without_end_is_cut_off(room: Room) -> None:
    caller = room.call()
    caller.setblocking(False)
    sent = 0
    while sent < 2 * control.MOST:
        with suppress(BlockingIOError):
            try:
                sent += caller.send(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                break
        room.turn()
    assert sent <= control.MOST + 1_000_000  # what the kernel's buffer took
    assert room.asked == []


def test_a_long_answer_waits_for_a_slow_reader_without_a_busy_loop(room: Room) -> None:
    room.answer = b"z" * 3_000_000
    caller = room.call(b"x\n" + b"unread" * 1000)
    room.turn()
    with caller:
        got = 0
        while chunk := caller.recv(1 << 20) if got < len(room.answer) else b"":
            got += len(chunk)
            room.turn()
    assert got == len(room.answer)
    assert room.asked == [b"x"]


def test_who_does_not_take_the_answer_is_sent_away(room: Room) -> None:
    room.answer = b"z" * 3_000_000
    caller = room.call(b"x\n")
    room.turn()
    room.pass_time(control.PATIENCE + 1)
    assert len(all_of(caller)) < len(room.answer)


def test_more_callers_than_places_are_served_in_turn(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MOST_CALLERS", 5)
    idle = [room.call() for _ in range(5)]
    room.turn()
    late = room.call(b"late\n")
    room.turn(3)
    assert room.asked == []
    idle[0].close()
    room.turn(3)
    assert all_of(late) == b"yes\n"
    for caller in idle:
        caller.close()


def test_a_process_without_free_descriptors_takes_callers_again_later(room: Room) -> None:
    first, second = room.call(b"x\n"), room.call(b"y\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free number is what accept(2) would need.
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        room.turn(3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert room.asked == []
    room.pass_time(control.PAUSE + 0.1)
    room.turn()
    assert all_of(first) == all_of(second) == b"yes\n"


def test_it_listens_over_the_socket_of_one_that_was_killed(room: Room) -> None:
    os.rename(room.path, f"{room.path}.kept")
    Path(room.path).write_bytes(b"")
    Path(f"{room.path}.new").write_bytes(b"")
    second = room.listen()
    caller = room.call(b"x\n")
    room.turn()
    assert all_of(caller) == b"yes\n"
    assert os.stat(room.path).st_mode & 0o777 == 0o600
    second.close()
    assert not os.path.exists(room.path)


def test_closing_leaves_the_socket_of_a_successor_alone(room: Room) -> None:
    second = room.listen()
    room.control.close()
    caller = room.call(b"x\n")
    room.turn()
    assert all_of(caller) == b"yes\n"
    second.close()


def test_a_removed_socket_is_made_again(room: Room) -> None:
    os.unlink(room.path)
    room.control.keep_place()
    room.control.keep_place()
    caller = room.call(b"x\n")
    room.turn()
    assert all_of(caller) == b"yes\n"


def test_a_path_that_is_too_long_is_told_with_the_remedy(room: Room) -> None:
    with pytest.raises(SessionError, match="LOOPS_RUNTIME_DIR"):
        control.Control(room.reactor, f"/tmp/{'x' * 120}/s", room._answer, lambda: 0.0)


# ---- the caller's side ---------------------------------------------------------------------------------------------


def answering(path: str, answer: Callable[[socket.socket], None]) -> threading.Thread:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen(1)

    def serve() -> None:
        with sock, sock.accept()[0] as caller:
            caller.recv(65536)
            answer(caller)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_asking_gives_the_answer_or_none_when_nobody_is_there(room: Room, tmp_path: Path) -> None:
    thread = answering(f"{room.path}.1", lambda caller: caller.sendall(json.dumps({"ok": True}).encode()))
    assert control.ask(f"{room.path}.1", {"verb": "status"}) == {"ok": True}
    thread.join()
    assert control.ask(f"{room.path}.1", {"verb": "status"}) is None  # a socket that nobody listens on
    assert control.ask(str(tmp_path / "none"), {"verb": "status"}) is None


@pytest.mark.parametrize("said", [b"", b'{"ok": tr'])
def test_a_supervisor_that_dies_in_the_middle_of_its_answer_counts_as_gone(room: Room, said: bytes) -> None:
    thread = answering(f"{room.path}.1", lambda caller: caller.sendall(said))
    assert control.ask(f"{room.path}.1", {"verb": "status"}) is None
    thread.join()


def test_a_supervisor_that_trickles_does_not_keep_the_caller_for_ever(room: Room) -> None:
    stop = threading.Event()

    def trickle(caller: socket.socket) -> None:
        with suppress(OSError):
            while not stop.wait(0.05):
                caller.sendall(b" ")

    thread = answering(f"{room.path}.1", trickle)
    with pytest.raises(TimeoutError):
        control.ask(f"{room.path}.1", {"verb": "status"}, timeout=0.3)
    stop.set()
    thread.join()
