"""Nothing dies because something beside it died (fault classes 2 and 3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holder_room import Room, events_of, eventually, open_room
from loops.errors import SessionError
from loops.sessions import terminal, tree
from loops.sessions.client import Exited, HolderClient, HolderGone, Spawned, Superseded, Written
from loops.sessions.launch import ensure_holder, holder_command

COUNTER = "i=0; while [ ! -e stop ]; do echo $i; i=$((i+1)); sleep 0.002; done; exit 7"


@pytest.fixture
def room() -> Iterator[Room]:
    with open_room() as room:
        room.launch()
        yield room


def counted(log: bytes) -> bool:
    lines = log.split(b"\r\n")[:-1]
    return bool(lines) and lines == [b"%d" % number for number in range(len(lines))]


def test_a_killed_supervisor_loses_no_byte_and_its_successor_adopts_everything(room: Room) -> None:
    engine = str(Path(terminal.__file__).parents[2])
    program = textwrap.dedent(
        f"""
        import sys, time
        sys.path.insert(0, {engine!r})
        from loops.sessions.client import HolderClient, SpawnOrder
        client = HolderClient({room.runtime.holder_socket!r}, 1)
        client.connect()
        for n in range(5):
            client.spawn(SpawnOrder(f"s{{n}}", 1, ("/bin/sh", "-c", {COUNTER!r}), {{"PATH": "/bin:/usr/bin"}},
                                    {str(room.root)!r}, log_path={str(room.root)!r} + f"/logs/s{{n}}.log"))
        while True:
            client.read()
            time.sleep(0.001)
        """
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program])
    logs = [room.root / "logs" / f"s{number}.log" for number in range(5)]
    eventually(lambda: all(log.exists() and log.stat().st_size > 500 for log in logs))
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    client = room.connect(epoch=2)
    assert {held.name for held in client.sessions().values() if held.alive} == {f"s{number}" for number in range(5)}
    (room.root / "stop").touch()
    assert [exited.code for exited in events_of(client, Exited, 5)] == [7] * 5
    assert all(counted(log.read_bytes()) for log in logs)


def test_an_exit_while_there_was_no_supervisor_is_told_by_the_record(room: Room) -> None:
    client = room.connect()
    client.spawn(room.order("a", "read line; exit 9"))
    client.spawn(room.order("b", "read line; kill -9 $$"))
    events_of(client, Spawned, 2)
    pids = [held.pid for held in client.sessions().values()]
    client.write("a", 1, "1", b"\n", guard=False)
    client.write("b", 1, "2", b"\n", guard=False)
    client.close()
    eventually(lambda: not any(tree.identify(pid) for pid in pids))
    held = room.connect(epoch=2).sessions()
    assert (held["a"].alive, held["a"].code) == (False, 9)
    assert (held["b"].alive, held["b"].signal) == (False, 9)


def test_a_killed_holder_costs_no_session_and_the_next_one_goes_on(room: Room) -> None:
    client = room.connect()
    names = [f"s{number}" for number in range(70)]  # more than one message carries
    for name in names:
        client.spawn(room.order(name, "trap 'exit 5' TERM; echo up; read line; echo got $line; exit 6"))
    events_of(client, Spawned, len(names))
    client.watch("s0", 1000.0)
    client.write("s1", 1, "typed once", b"", guard=False)
    events_of(client, Written)
    eventually(lambda: all(b"up" in client.tail(name) for name in names))
    pids = {name: held.pid for name, held in client.sessions().items()}

    os.kill(room.holder, signal.SIGKILL)
    events_of(client, HolderGone)
    dies_unheld = pids["s2"]
    os.kill(dies_unheld, signal.SIGKILL)
    room.launch(itself=True)
    client.connect()

    assert events_of(client, Exited)[0].signal == signal.SIGKILL
    living = {name: held.pid for name, held in client.sessions().items() if held.alive}
    assert living == {name: pid for name, pid in pids.items() if name != "s2"}
    assert all(tree.identify(pid) for pid in living.values())
    client.write("s1", 1, "typed once", b"never typed again\n", guard=False)
    assert events_of(client, Written)[0].repeated
    for name in living:
        client.write(name, 1, "answer", name.encode() + b"\n", guard=False)
    exits = events_of(client, Exited, len(living))
    assert {(exited.name, exited.code) for exited in exits} == {(name, 6) for name in living}
    assert all(f"got {name}\r\n".encode() in room.logged(name) for name in living)


def test_the_exact_status_of_a_process_that_is_not_ours_is_known() -> None:
    if not hasattr(os, "pidfd_open"):
        pytest.skip("no pidfd")
    reading, writing = os.pipe()
    gate, opener = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.posix_spawn(
            "/bin/sh", ["sh", "-c", "read line; exit 23"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, gate, 0)]
        )
        os.write(writing, b"%d" % child)
        os.waitpid(child, 0)
        os._exit(0)
    child = int(os.read(reading, 32))
    pidfd = os.pidfd_open(child)
    started = terminal.start_time(child)
    os.write(opener, b"\n")  # it is to end only now, when it is known
    os.waitpid(middle, 0)
    ended = terminal.ended_elsewhere(pidfd, child, started)
    for descriptor in (pidfd, reading, writing, gate, opener):
        os.close(descriptor)
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert ended.code == (23 if release >= (6, 15) else None)


def test_a_holder_is_replaced_in_place_without_anybody_noticing(room: Room) -> None:
    client = room.connect()
    client.spawn(room.order("counter", COUNTER))
    client.spawn(room.order("dead", "exit 3"))
    events_of(client, Exited)
    eventually(lambda: len(client.tail("counter")) > 300)
    before = client.tail("counter")
    for _ in range(3):
        client.renew(holder_command())
        events_of(client, HolderGone)
        client.connect()
    assert room.launch() == tree.identify(room.holder).pid  # type: ignore[union-attr]
    assert client.tail("counter").startswith(before[:300])
    assert client.sessions()["dead"].code == 3
    (room.root / "stop").touch()
    assert events_of(client, Exited)[0].code == 7
    assert counted(room.logged("counter"))


def test_a_holder_that_cannot_be_replaced_stays(room: Room) -> None:
    from loops.sessions.client import Refused

    client = room.connect()
    client.spawn(room.order("counter", COUNTER))
    client.renew(["/no/such/python"])
    assert "/no/such/python" in events_of(client, Refused)[0].reason
    (room.root / "stop").touch()
    assert events_of(client, Exited)[0].code == 7


def test_a_higher_epoch_supersedes_and_a_lower_one_is_refused(room: Room) -> None:
    first = room.connect(epoch=5)
    second = room.connect(epoch=6)
    assert events_of(first, Superseded) == [Superseded(6)]
    for epoch in (5, 6):
        with pytest.raises(SessionError, match="a supervisor of epoch 6 was here"):
            HolderClient(room.runtime.holder_socket, epoch).connect()
    second.spawn(room.order("still", "exit 0"))
    assert events_of(second, Exited)


def test_fifty_starts_at_once_make_one_holder() -> None:
    with open_room() as room:
        room.runtime.create()
        commands = [[*holder_command(), room.runtime.holder_socket, "--detach"] for _ in range(20)]
        with open(room.holder_log, "ab") as log:
            starts = [subprocess.Popen(command, stderr=log) for command in commands]
        statuses = sorted(start.wait() for start in starts)
        assert statuses == [0] + [75] * 19
        assert tree.identify(room.launch())


def test_a_socket_that_a_dead_holder_left_is_replaced(room: Room) -> None:
    first = room.holder
    os.kill(first, signal.SIGKILL)
    eventually(lambda: tree.identify(first) is None)
    assert os.path.exists(room.runtime.holder_socket)
    assert room.launch() != first
    assert room.connect().sessions() == {}


def test_a_stopped_holder_is_reported_within_the_deadline(room: Room) -> None:
    os.kill(room.holder, signal.SIGSTOP)
    try:
        with pytest.raises(SessionError, match="does not answer"):
            HolderClient(room.runtime.holder_socket, 1).connect(timeout=0.1)
        with pytest.raises(SessionError, match="kill -CONT"):
            ensure_holder(room.runtime, supervisor=None, env={}, log_path=room.holder_log, timeout=0.1)
    finally:
        os.kill(room.holder, signal.SIGCONT)


def test_a_stopped_holder_does_not_stop_the_supervisor(room: Room) -> None:
    client = room.connect()
    client.spawn(room.order("a", "exit 0"))
    events_of(client, Exited)
    os.kill(room.holder, signal.SIGSTOP)
    try:
        for number in range(2000):  # far more than the socket takes
            client.write("a", 1, str(number), b"x" * 1000, guard=True)
        with pytest.raises(SessionError, match="does not answer"):
            client.tail("a", timeout=0.05)
    finally:
        os.kill(room.holder, signal.SIGCONT)
    assert client.tail("a", timeout=20.0) == b""


def test_strangers_words_cost_their_connection_and_nothing_else(room: Room) -> None:
    import socket

    client = room.connect()
    client.spawn(room.order("a", "read line; exit 0"))
    events_of(client, Spawned)
    words = [b"", b"no json", b"[]\n", b'{"op":"spawn"}\n', b'{"op":"hello"}\n', b'{"op":"hello","role":"king"}\n']
    words += [b'{"op":"hello","role":"viewer","name":"a","rows":"x","cols":1}\n', b"\xff" * 5000]
    for word in words:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(20.0)
            sock.connect(room.runtime.holder_socket)
            sock.send(word)
            assert sock.recv(100) == b""
    client.write("a", 1, "1", b"\n", guard=False)
    assert events_of(client, Exited)[0].code == 0


def test_a_supervisor_that_does_not_read_for_long_is_cut_off_and_told_the_state_when_it_returns(room: Room) -> None:
    client = room.connect()
    client.spawn(room.order("a", "sleep 300"))
    events_of(client, Spawned)
    viewer = room.view("a")
    for _ in range(12_000):  # each is two events
        viewer.say("data", b"x\r")
        viewer.say("data", b"x")
    events_of(client, HolderGone)
    client.connect()
    eventually(lambda: isinstance(client.read(), list) and client.sessions()["a"].human)


def test_the_holder_starts_the_supervisor_again_unless_it_was_asked_to_end() -> None:
    with open_room() as room:
        room.runtime.create()
        script = f"echo $$ >>{room.root}/pids; while [ ! -e {room.root}/end ]; do sleep 0.02; done"
        room.launch(supervisor=["/bin/sh", "-c", script])

        def pids() -> list[int]:
            file = room.root / "pids"
            return [int(pid) for pid in file.read_text().split()] if file.exists() else []

        for count in (1, 2, 3):
            eventually(lambda count=count: len(pids()) == count)  # type: ignore[misc]
            room.remember(pids()[-1])
            if count < 3:
                os.kill(pids()[-1], signal.SIGKILL)
        room.launch(supervisor=["/bin/sh", "-c", script])
        (room.root / "end").touch()
        eventually(lambda: tree.identify(pids()[-1]) is None)
        assert len(pids()) == 3
        (room.root / "end").unlink()
        room.launch(supervisor=["/bin/sh", "-c", script])
        eventually(lambda: len(pids()) == 4)
        room.remember(pids()[-1])


def test_a_supervisor_that_started_the_holder_itself_is_supervised_too() -> None:
    with open_room() as room:
        engine = str(Path(terminal.__file__).parents[2])
        again = ["/bin/sh", "-c", f"touch {room.root}/again"]
        program = textwrap.dedent(
            f"""
            import os, sys
            sys.path.insert(0, {engine!r})
            from loops.places import Runtime
            from loops.sessions.launch import ensure_holder
            ensure_holder(Runtime({str(room.root / "agents.toml")!r}), supervisor={again!r}, env=dict(os.environ),
                          log_path={room.holder_log!r}, itself=True)
            os.kill(os.getpid(), 9)
            """
        )
        subprocess.run([sys.executable, "-c", program], check=False)
        room.launch()
        eventually(lambda: (room.root / "again").exists())


def test_quit_is_refused_while_sessions_live() -> None:
    from loops.sessions.client import Refused

    with open_room() as room:
        room.launch()
        client = room.connect()
        client.spawn(room.order("a", "sleep 300"))
        events_of(client, Spawned)
        client.quit()
        assert "1 sessions live" in events_of(client, Refused)[0].reason
        client.quit(abandon=True)
        events_of(client, HolderGone)
        eventually(lambda: tree.identify(room.holder) is None)
        assert not os.path.exists(room.runtime.holder_socket)
        assert time.monotonic()
