"""An isolated agent ends when it should, has time to end well, and outlives what is beside it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from loops.isolation.able import ability
from loops.supervisor import events as ev
from scratch import Scratch, alive

pytestmark = pytest.mark.skipif(not ability(), reason=ability().reason)

AGENT = """
import os, signal, subprocess, sys, time

def told(*_):
    open("told", "w").close()
    sys.exit(0)

signal.signal(signal.SIGTERM, told)
subprocess.Popen(["sleep", "613.25"], start_new_session=True, env={})
open("ready.part", "w").write(str(os.getpid()))
os.rename("ready.part", "ready")
while True:
    time.sleep(1)
"""
TABLE = """
[backend.probe]
bin = {python}
flags = ["-I", "-S", "{root}/agent.py"]

[[agent]]
name = "one"
kind = "persistent"
backend = "probe"
dir = "work"
prompt_file = "one.md"
isolate = true
reads = ["agent.py"]
"""


def started(scratch: Scratch) -> Path:
    work = scratch.root / "work"
    work.mkdir()
    (scratch.root / "agent.py").write_text(AGENT)
    (scratch.root / "one.md").write_text("Begin.\n")
    scratch.create(more=TABLE.format(python=repr(sys.executable), root=scratch.root))
    # Who is told to end does so at once; how long the machine lets it wait for its turn is not what is asked here.
    scratch.config_path.write_text(scratch.config_path.read_text().replace("stop_grace = 1\n", "stop_grace = 30\n"))
    scratch.loops("up")
    scratch.wait_for((work / "ready").exists, "the agent is ready")
    return work


def inside(scratch: Scratch) -> set[int]:
    """The processes of the sandbox: even one that has left its session and emptied its environment."""
    found = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            directory = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if directory.startswith(str(scratch.root / "work")) and (b"613.25" in words or b"-I" in words):
            found.add(int(pid))
    return found


def test_it_is_told_to_end_and_has_its_time(scratch: Scratch) -> None:
    work = started(scratch)
    assert len(inside(scratch)) >= 2
    scratch.loops("down", "one")
    assert (work / "told").exists()
    assert inside(scratch) == set()


def test_nothing_is_left_when_its_session_is_killed(scratch: Scratch) -> None:
    work = started(scratch)
    before = inside(scratch)
    (work / "ready").unlink()
    os.kill(scratch.wait_running("one")["one"], signal.SIGKILL)
    scratch.wait_for(lambda: not any(map(alive, before)), "all of it has ended")
    scratch.wait_for((work / "ready").exists, "it is healed")
    assert not (work / "told").exists()


def test_it_outlives_the_holder_and_the_supervisor(scratch: Scratch) -> None:
    started(scratch)
    before, pid, holder = inside(scratch), scratch.wait_running("one")["one"], scratch.holder
    os.kill(holder, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.holder not in (0, holder), "a new holder has it")
    assert scratch.wait_running("one")["one"] == pid
    supervisor = scratch.supervisor
    os.kill(supervisor, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.supervisor not in (0, supervisor), "a new supervisor")
    assert scratch.wait_running("one")["one"] == pid
    assert before <= inside(scratch)
    assert len(scratch.events(ev.SessionStarting)) == 1
    scratch.loops("down")
    assert inside(scratch) == set()
