"""The supervisor's half of the connection."""

from __future__ import annotations

import gc
import os
import select
import signal
from collections.abc import Iterator

import pytest
from holder_room import Room, events_of, eventually, open_room
from loops.errors import SessionError
from loops.sessions.client import Exited, HolderClient, Spawned, Tail, Written

MANY = 200


@pytest.fixture
def room() -> Iterator[Room]:
    with open_room() as room:
        room.launch()
        yield room


@pytest.fixture
def client(room: Room) -> HolderClient:
    return room.connect()


def test_two_hundred_sessions_are_adopted_with_working_descriptors(room: Room, client: HolderClient) -> None:
    for number in range(MANY):
        client.spawn(room.order(f"s{number}", argv=("/bin/sleep", "300")))
    events_of(client, Spawned, MANY)
    for number in range(MANY):
        client.write(f"s{number}", 1, "id" * 30, b"", guard=False)
    events_of(client, Written, MANY)
    known = dict(client.sessions())
    client.close()

    successor = room.connect(epoch=2)
    adopted = successor.sessions()
    facts = {(held.name, held.pid, held.start_time, held.written, held.alive) for held in adopted.values()}
    assert facts == {(held.name, held.pid, held.start_time, held.written, True) for held in known.values()}
    for name in adopted:  # each pidfd belongs to the session of its name
        signal.pidfd_send_signal(successor.pidfd(name), signal.SIGUSR1 if name == "s7" else 0)
    exited = events_of(successor, Exited)[0]
    assert (exited.name, exited.signal) == ("s7", signal.SIGUSR1)


def test_descriptors_are_let_go_with_their_sessions(room: Room, client: HolderClient) -> None:
    def open_here() -> int:
        return len(os.listdir("/proc/self/fd"))

    def open_there() -> int:
        return len(os.listdir(f"/proc/{room.holder}/fd"))

    gc.collect()  # what earlier tests of this process left is not to be counted as ours
    before = open_here(), open_there()
    for incarnation in range(1, 30):
        client.spawn(room.order("a", "exit 0", incarnation=incarnation, log_path=""))
        events_of(client, Exited)
    eventually(lambda: (open_here(), open_there()) == before, f"no descriptor more than {before}")
    with pytest.raises(KeyError):
        client.pidfd("a")


def test_events_met_while_waiting_for_a_tail_are_kept_and_announced(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("a", "echo text; while [ ! -e go ]; do sleep 0.01; done; exit 3"))
    events_of(client, Spawned)
    pid = client.sessions()["a"].pid
    (room.root / "go").touch()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the holder reaped it, and told so")
    assert client.tail("a") == b"text\r\n"
    assert select.select([client], [], [], 0)[0]
    assert [event.code for event in client.read() if isinstance(event, Exited)] == [3]
    assert not select.select([client], [], [], 0)[0]
    assert client.read() == []


def test_a_tail_can_be_asked_for_without_waiting(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("a", "echo text"))
    events_of(client, Exited)
    tag = client.ask_tail("a")
    assert events_of(client, Tail) == [Tail("a", tag, 6, b"text\r\n")]
    assert client.sessions()["a"].total == 6


def test_a_tail_of_nothing_is_an_error_that_names_it(client: HolderClient) -> None:
    with pytest.raises(SessionError, match="nobody: there is no such session"):
        client.tail("nobody")


def test_no_holder_is_an_error_that_names_its_socket(tmp_path: object) -> None:
    with pytest.raises(SessionError, match=r"none\.sock: the holder does not answer"):
        HolderClient(f"{tmp_path}/none.sock", 1).connect(timeout=0.1)


def test_orders_without_a_connection_are_refused(room: Room) -> None:
    client = HolderClient(room.runtime.holder_socket, 1)
    with pytest.raises(SessionError, match="connect again"):
        client.spawn(room.order("a"))
    client.close()


def test_a_write_beyond_the_bound_is_refused_here(client: HolderClient) -> None:
    with pytest.raises(ValueError, match="at most 60000"):
        client.write("a", 1, "id", b"x" * 60_001, guard=False)
