"""A stop leaves no process of the tree, and touches no other (fault classes 7 and 14)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holder_room import PATIENCE, Room, events_of, eventually, open_room, python
from loops.sessions import tree
from loops.sessions.client import Exited, HolderClient, Spawned

BOMB = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def note():
    with open('pids', 'a') as file: file.write(f'{os.getpid()} ')
note()
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        if number % 2: os.setsid()
        if number % 3 == 0 and os.fork(): os._exit(0)
        note()
        time.sleep(300)
time.sleep(300)
"""
BREEDER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
end = time.monotonic() + 30
while time.monotonic() < end:  # each generation forks the next one and dies: nobody is there for long
    with open('beat', 'a') as file: file.write('.')
    time.sleep(0.001)
    if os.fork(): os._exit(0)
    os.setsid()
"""


@pytest.fixture
def room() -> Iterator[Room]:
    with open_room() as room:
        room.launch()
        yield room


@pytest.fixture
def client(room: Room) -> HolderClient:
    return room.connect()


def ending_of(room: Room, client: HolderClient, name: str, grace: float) -> tree.Ending:
    held = client.sessions()[name]
    leader = tree.Process(held.pid, held.start_time) if held.alive else None
    others = {other.pid for other in client.sessions().values()}
    return tree.Ending(leader, (room.holder,), room.marker(name), grace=grace, now=time.monotonic(), leaders=others)


def step_through(ending: tree.Ending) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ending.step(time.monotonic()):
        assert time.monotonic() < deadline, "the tree does not end"
        time.sleep(tree.STEP_PAUSE)


def marked(room: Room, name: str) -> list[int]:
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and tree.carries(int(pid), room.marker(name))]


def test_two_hundred_that_ignore_sigterm_and_flee_by_setsid_and_double_fork_are_ended(
    room: Room, client: HolderClient
) -> None:
    client.spawn(room.order("bomb", argv=python(BOMB, "200")))
    client.spawn(room.order("bystander", "sleep 300"))
    events_of(client, Spawned, 2)
    eventually(lambda: (room.root / "pids").exists() and len((room.root / "pids").read_text().split()) == 201)
    eventually(lambda: len(marked(room, "bomb")) == 201, "those that only forked have ended")
    ending = ending_of(room, client, "bomb", grace=0.1)
    step_through(ending)
    assert events_of(client, Exited)[0].signal == signal.SIGKILL
    assert not [pid for pid in marked(room, "bomb") if tree.identify(pid)]
    assert ending.killed >= 201
    assert tree.identify(client.sessions()["bystander"].pid)


def test_a_lineage_that_flees_by_forking_and_dying_is_ended(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("breeder", argv=python(BREEDER)))
    events_of(client, Exited)
    beat = room.root / "beat"
    generations = beat.stat().st_size
    eventually(lambda: beat.stat().st_size > generations + 5, "it lives on without its first process")
    step_through(ending_of(room, client, "breeder", grace=0))
    generations = beat.stat().st_size
    for _ in range(20):
        assert not [pid for pid in marked(room, "breeder") if tree.identify(pid)]
    assert beat.stat().st_size == generations


def test_a_daemonised_grandchild_is_ended_after_its_leader_is_gone(room: Room, client: HolderClient) -> None:
    client.spawn(
        room.order(
            "parent",
            "setsid sh -c 'echo $$ >daemon; sleep 300' >/dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.01; done",
        )
    )
    events_of(client, Exited)
    daemon = tree.identify(int((room.root / "daemon").read_text()))
    assert daemon is not None
    assert daemon in tree.orphans((room.holder,), room.marker("parent"))
    step_through(ending_of(room, client, "parent", grace=5.0))
    assert tree.identify(daemon.pid) != daemon


def test_who_ends_when_asked_is_not_killed(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("polite", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"))
    eventually(lambda: events_of(client, Spawned))
    eventually(lambda: b"up" in client.tail("polite"))
    ending = ending_of(room, client, "polite", grace=PATIENCE)
    step_through(ending)
    assert events_of(client, Exited)[0].code == 3
    assert client.tail("polite").endswith(b"bye\r\n")
    assert ending.killed == 0


def test_a_stopped_process_hears_sigterm_too(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("stopped", "trap 'exit 3' TERM; echo up; kill -STOP $$; while :; do sleep 0.01; done"))
    events_of(client, Spawned)
    held = client.sessions()["stopped"]
    eventually(lambda: Path(f"/proc/{held.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    step_through(ending_of(room, client, "stopped", grace=PATIENCE))
    assert events_of(client, Exited)[0].code == 3


def test_children_of_every_thread_are_descendants(room: Room, client: HolderClient) -> None:
    program = "import subprocess, threading, time\n"
    program += "threading.Thread(target=lambda: (subprocess.Popen(['sleep', '300']), time.sleep(300))).start()"
    client.spawn(room.order("threads", argv=python(program)))
    events_of(client, Spawned)
    eventually(lambda: tree.descendants(client.sessions()["threads"].pid))


def test_a_reused_pid_is_never_signalled() -> None:
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        now = tree.identify(stranger.pid)
        assert now is not None
        before = tree.Process(stranger.pid, now.start_time - 1)  # who had this pid earlier
        assert not tree.send(before, signal.SIGKILL)
        assert tree.Ending(before, (), "nobody", grace=0, now=0.0).step(1.0)
        assert stranger.poll() is None
        assert tree.send(now, signal.SIGKILL)
        assert stranger.wait() == -signal.SIGKILL
        assert not tree.send(now, signal.SIGKILL)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_is_not_alive() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert tree.identify(child) is None
    os.waitpid(child, 0)
