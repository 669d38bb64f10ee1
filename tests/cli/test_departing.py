"""Seeing processes off where nobody helps: a holder that stays for a session which is no agent's."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from cli_scratch import Scratch, gone, until
from loops.errors import SessionError
from loops.sessions.client import HolderClient, SpawnOrder
from loops.sessions.launch import MARKER, ensure_holder
from loops.supervisor import departing, emergency, processes


def start_check(scratch: Scratch) -> int:
    """A holder without a supervisor, and in it what a run of the checks would be; return that one's pid."""
    log = str(scratch.root / "holder.log")
    ensure_holder(scratch.runtime, supervisor=None, env=scratch.env, log_path=log)
    client = HolderClient(scratch.runtime.holder_socket, 1)
    client.connect()
    mark = f"{os.path.basename(scratch.runtime.root)}/check:1/1"
    # Its grandchild left the session and its parent: only the mark tells whose it is.
    command = ("sh", "-c", "setsid sh -c 'sleep 600 & ' ; exec sleep 600")
    client.spawn(SpawnOrder("check:1", 1, command, {**scratch.env, MARKER: mark}, "/"))
    until(lambda: client.read() and "check:1" in client.sessions())
    pid = client.sessions()["check:1"].pid
    client.close()
    until(lambda: sum(words == "sleep 600 " for words in scratch.processes().values()) == 2)
    return pid


def test_a_holder_that_stays_for_nobodys_sake_is_ended_with_what_it_holds(scratch: Scratch) -> None:
    pid = start_check(scratch)

    departing.finish(scratch.runtime, departing.processes_of(scratch.runtime, {}), 20.0)

    assert gone(pid)
    assert not scratch.processes()
    assert not scratch.sockets()


def test_what_does_not_end_in_time_is_named_with_its_pid(scratch: Scratch) -> None:
    pid = start_check(scratch)

    with pytest.raises(SessionError, match=rf"check \(pid {pid}\).*--all-now"):
        departing.finish(scratch.runtime, departing.processes_of(scratch.runtime, {"check": pid}), 0.1)

    emergency.stop(scratch.runtime, None, 20.0)
    assert not scratch.processes()


def test_a_process_that_one_look_does_not_show_is_killed_all_the_same(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"{os.path.basename(scratch.runtime.root)}/builder/1"
    in_its_exec = [True]
    look = emergency._marked
    monkeypatch.setattr(emergency, "_marked", lambda start: [] if in_its_exec and in_its_exec.pop() else look(start))

    with subprocess.Popen(["sleep", "600"], env={**scratch.env, MARKER: mark}) as child:
        try:
            assert emergency.kill_sessions(scratch.runtime, time.monotonic() + 60.0) == ("builder",)
            assert child.wait() == -signal.SIGKILL
        finally:
            child.kill()


def test_a_lock_file_names_its_owner_only_while_that_has_it_open(scratch: Scratch) -> None:
    start_check(scratch)
    lock = os.path.join(scratch.runtime.root, "holder.lock")

    holder = processes.holder(scratch.runtime)

    assert "holder.py" in scratch.processes()[holder]
    emergency.stop(scratch.runtime, None, 20.0)
    with open(lock, "w", encoding="ascii") as file:
        file.write("1\n")  # the pid is somebody else's now
    assert processes.holder(scratch.runtime) == 0
