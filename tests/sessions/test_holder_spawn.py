"""Sessions begin and end (fault classes 1, 8, 15, 16)."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from holder_room import Room, events_of, eventually, open_room, python
from loops.sessions.client import Exited, HolderClient, Spawned, SpawnFailed


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with open_room() as room:
        room.launch()
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> HolderClient:
    return room.connect()


@pytest.mark.parametrize(
    ("script", "code", "number"),
    [
        ("exit 0", 0, None),
        ("exit 1", 1, None),
        ("exit 139", 139, None),
        ("kill -KILL $$", None, signal.SIGKILL),
        ("kill -SEGV $$", None, signal.SIGSEGV),
        ("kill -TERM $$", None, signal.SIGTERM),
    ],
)
def test_the_exit_status_is_exact(
    room: Room, client: HolderClient, script: str, code: int | None, number: int | None
) -> None:
    name = f"status {script}"
    client.spawn(room.order(name, script))
    exited = events_of(client, Exited)[0]
    assert (exited.name, exited.incarnation, exited.code, exited.signal) == (name, 1, code, number)
    held = client.sessions()[name]
    assert (held.alive, held.code, held.signal) == (False, code, number)


def test_everything_printed_before_the_exit_is_kept_before_the_exit_is_told(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("chatty", "seq 1 20000"))
    events_of(client, Exited)
    assert room.logged("chatty") == b"".join(b"%d\r\n" % number for number in range(1, 20001))
    assert client.tail("chatty").endswith(b"19999\r\n20000\r\n")


def test_an_exit_is_told_while_a_grandchild_holds_the_terminal_open(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("parent", "trap '' HUP; sleep 300 & echo $! >grandchild; exit 4"))
    assert events_of(client, Exited)[0].code == 4
    room.remember(int((room.root / "grandchild").read_text()))


def test_the_session_is_the_leader_of_a_session_with_its_own_terminal(room: Room, client: HolderClient) -> None:
    report = (
        "import os, json, signal, resource, sys;"
        "open('facts', 'w').write(json.dumps({"
        "'leader': os.getsid(0) == os.getpid(), 'terminal': os.ttyname(0) == os.ttyname(1) == os.ttyname(2),"
        "'foreground': os.tcgetpgrp(0) == os.getpid(), 'size': list(os.get_terminal_size(0)),"
        "'open': sorted(int(n) for n in os.listdir('/proc/self/fd') if int(n) > 2),"
        "'ignored': [n for n in range(1, 32) if signal.getsignal(n) == signal.SIG_IGN and n not in (13, 25)],"
        "'blocked': list(signal.pthread_sigmask(signal.SIG_BLOCK, [])), 'cwd': os.getcwd(),"
        "'limit': resource.getrlimit(resource.RLIMIT_NOFILE)[0], 'env': dict(os.environ)}))"
    )
    env = {"LANG": "C.UTF-8", "WORD": "naïve \udcff $(x)"}
    client.spawn(room.order("leader", argv=python(report), env=env, rows=31, cols=117))
    events_of(client, Exited)
    facts = json.loads((room.root / "facts").read_text())
    listing = facts.pop("open")
    assert len(listing) <= 2, f"descriptors leaked: {listing}"  # the report's file, and the listing itself
    assert facts.pop("env").items() >= env.items()
    assert facts == {
        "leader": True,
        "terminal": True,
        "foreground": True,
        "size": [117, 31],
        "ignored": [],
        "blocked": [],
        "cwd": str(room.root),
        "limit": facts["limit"],
    }


def test_a_program_is_found_in_the_path_of_its_own_environment(room: Room, client: HolderClient) -> None:
    place = room.root / "bin"
    place.mkdir()
    (place / "only-here").write_text("#!/bin/sh\nexit 42\n")
    (place / "only-here").chmod(0o755)
    client.spawn(room.order("found", argv=("only-here",), env={"PATH": f"/nowhere:{place}"}))
    assert events_of(client, Exited)[0].code == 42


def test_what_cannot_be_started_says_which_path_and_why(room: Room, client: HolderClient) -> None:
    (room.root / "plain").write_text("no program")
    (room.root / "garbage").write_bytes(b"\x00\x01\x02")
    (room.root / "orphan").write_text("#!/no/such/interpreter\n")
    (room.root / "garbage").chmod(0o755)
    (room.root / "orphan").chmod(0o755)
    cases = [
        ({"argv": ("./nothing",)}, errno.ENOENT, "./nothing: No such file"),
        ({"argv": ("nothing",), "env": {"PATH": "/bin"}}, errno.ENOENT, "nothing: no such program in PATH=/bin"),
        ({"argv": ("./plain",)}, errno.EACCES, "chmod +x"),
        ({"argv": ("./garbage",)}, errno.ENOEXEC, "#! line"),
        ({"argv": ("./orphan",)}, errno.ENOENT, "the interpreter of its #! line"),
        ({"argv": ("",)}, errno.ENOENT, "no such program"),
        ({"cwd": "/no/such/place"}, errno.ENOENT, "/no/such/place: No such file or directory: the session's directory"),
        ({"cwd": str(room.root / "plain")}, errno.ENOTDIR, "plain: Not a directory"),
        ({"argv": ("/bin/true", "x" * 200_000)}, errno.E2BIG, "larger than the kernel takes"),
    ]
    for number, (changes, code, words) in enumerate(cases):
        client.spawn(room.order(f"broken{number}", **changes))
        failed = events_of(client, SpawnFailed)[0]
        assert (failed.name, failed.errno) == (f"broken{number}", code), failed.reason
        assert words in failed.reason
    assert not [name for name in client.sessions() if name.startswith("broken")]


def test_a_long_kickoff_and_a_large_environment_arrive_whole(room: Room, client: HolderClient) -> None:
    kickoff = "ß" * 60_000
    env = {"PATH": os.environ["PATH"], **{f"V{number}": "v" * 1000 for number in range(200)}}
    client.spawn(room.order("long", argv=("/bin/sh", "-c", 'printf %s "$1" >kickoff', "sh", kickoff), env=env))
    assert events_of(client, Exited)[0].code == 0
    assert (room.root / "kickoff").read_text() == kickoff


@pytest.mark.parametrize("name", ["-x", "a:b", "=", "new\nline", "$(id)", "ü\u0301", "a b", "\udcff"])
def test_any_name_is_a_name(room: Room, client: HolderClient, name: str) -> None:
    client.spawn(room.order(name, "echo here", log_path=""))
    assert events_of(client, Exited)[0].name == name
    assert client.tail(name) == b"here\r\n"


def test_an_incarnation_is_started_once_and_never_beside_another(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("one", "sleep 300"))
    first = events_of(client, Spawned)[0]
    client.spawn(room.order("one", "sleep 300"))
    assert events_of(client, Spawned)[0] == first
    client.spawn(room.order("one", "sleep 300", incarnation=2))
    refused = events_of(client, SpawnFailed)[0]
    assert refused.errno == errno.EBUSY
    assert f"runs as pid {first.pid}" in refused.reason

    os.kill(first.pid, signal.SIGKILL)
    events_of(client, Exited)
    client.spawn(room.order("one", "sleep 300", incarnation=2))
    assert events_of(client, Spawned)[0].incarnation == 2
    client.spawn(room.order("one", "sleep 300", incarnation=1))
    assert events_of(client, SpawnFailed)[0].errno == errno.EBUSY


def test_orphans_are_inherited_and_reaped(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("maker", "(sh -c 'echo $$ >orphan.pid; sleep 0.2' &) ; sleep 300"))
    eventually(lambda: (room.root / "orphan.pid").exists() and (room.root / "orphan.pid").read_text().strip())
    pid = int((room.root / "orphan.pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the orphan is reaped")


def test_a_dead_session_is_forgotten_when_asked(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("brief", "exit 0"))
    events_of(client, Exited)
    client.forget("brief")
    assert "brief" not in client.sessions()
    client.close()
    assert "brief" not in {held.name for held in room.connect(epoch=2).sessions().values()}


def test_without_descriptors_a_spawn_fails_with_a_reason_and_the_others_go_on() -> None:
    import resource

    with open_room() as room:
        room.launch()
        client = room.connect()
        client.spawn(room.order("before", "read line; echo got $line; sleep 300"))
        events_of(client, Spawned)
        resource.prlimit(room.holder, resource.RLIMIT_NOFILE, (12, 12))
        client.spawn(room.order("starved", "exit 0"))
        failed = events_of(client, SpawnFailed)[0]
        assert failed.errno == errno.EMFILE
        assert "ulimit -Hn" in failed.reason
        client.write("before", 1, "w", b"hello\n", guard=False)
        eventually(lambda: b"got hello" in client.tail("before"))
