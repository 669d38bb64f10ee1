"""What real agents run in: nothing of the user's, no network but their own 127.0.0.1, and nothing is left at its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from demands import demand
from real_project import RealProject
from room import Provider, Room
from scratch import alive


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    demand()
    made = Room({"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)})
    yield made
    made.close()


def test_nothing_of_the_users_environment_is_in_a_room(room, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a real one")
    seen = room.run(["env"]).stdout.splitlines()
    assert sorted(line.partition("=")[0] for line in seen) == ["HOME", "PATH", "PYTHONPATH"]


def test_only_its_own_127_0_0_1_can_be_reached(room):
    look = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert room.run([sys.executable, "-c", look]).stdout == "['lo']\n"
    with socket.create_server(("127.0.0.1", 0)) as outside:
        knock = f"import socket; socket.create_connection(('127.0.0.1', {outside.getsockname()[1]}))"
        assert "ConnectionRefusedError" in room.run([sys.executable, "-c", knock]).stderr


def test_commands_give_their_output_and_their_code(room):
    done = room.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    with pytest.raises(AssertionError, match="No such file"):
        room.run(["/nowhere/program"])


def test_a_command_that_does_not_end_is_ended(room):
    with pytest.raises(subprocess.TimeoutExpired):
        room.run(["sleep", "600"], timeout=0.2)
    assert not any("sleep" in line for line in room.pids().values())


def test_whatever_has_gone_its_own_way_is_seen_and_ended_with_the_room(room):
    room.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & exit 0"])
    until(lambda: any("sleep" in line for line in room.pids().values()))
    (pid,) = room.pids()
    room.close()
    until(lambda: not alive(pid))


def test_a_room_whose_owner_was_killed_empties_itself(tmp_path):
    demand()
    left = tmp_path / "left"
    left.mkdir()
    owner = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from room import Room
room = Room({{"PATH": os.environ["PATH"]}}, [{str(left)!r}])
room.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & exit 0"])
while not (pid := next(iter(room.pids()), 0)):
    pass
print(pid, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert alive(pid)
    process.kill()
    process.communicate()
    until(lambda: not alive(pid) and not left.exists())


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


def test_the_provider_of_a_room_is_told_from_outside_what_to_play(room, tmp_path):
    provider = Provider(room, tmp_path / "log")
    provider.control("a", "e500")
    with pytest.raises(AssertionError, match="no scenario"):
        provider.control("a", "nothing")
    assert provider.requests() == []
    os.kill(provider.pids[0], signal.SIGTERM)
    provider.end()
    assert room.pids() == {}


def test_a_project_has_neither_the_users_home_nor_a_key():
    demand()
    project = RealProject()
    try:
        names = set(project.environment)
        assert names & {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HTTP_PROXY", "XDG_CONFIG_HOME"} == set()
        assert Path(project.environment["HOME"]).parent == project.root
        assert project.room.run(["env"]).stdout.count("HOME=") == 1
    finally:
        project.teardown()
    assert not project.root.exists()
