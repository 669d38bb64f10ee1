"""up, down, stop and watchdog on real processes."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from cli_scratch import PATIENCE, Scratch, gone, until


def test_up_starts_what_is_enabled_and_says_so(scratch: Scratch) -> None:
    said = scratch.loops("up")

    assert said.out.splitlines() == [
        "starting watchdog",
        f"starting {scratch.prefix}builder (stub)",
        f"starting {scratch.prefix}ticker",
    ]
    assert set(scratch.pids()) == {"builder", "ticker"}


def test_up_again_leaves_what_runs_alone(scratch: Scratch) -> None:
    scratch.loops("up")
    before = scratch.pids()

    assert scratch.loops("up").out == "already running\n"
    assert scratch.pids() == before


def test_up_starts_a_named_agent_although_it_is_disabled(scratch: Scratch) -> None:
    assert f"starting {scratch.prefix}assistant (stub)" in scratch.loops("up", "assistant").out
    assert scratch.agent("assistant")["state"] == "RUNNING (disabled)"


def test_an_override_holds_for_one_start_of_an_agent_that_was_not_running(scratch: Scratch) -> None:
    scratch.loops("up", "--model", "large")
    assert scratch.agent("builder")["model"] == "large"

    scratch.loops("up", "builder", env={"AGENT_MODEL_builder": "larger"})
    os.kill(scratch.pids()["builder"], signal.SIGKILL)
    scratch.wait(lambda status: status["agents"][0]["restarts"] == 1 and status["agents"][0]["pid"])

    assert scratch.agent("builder")["model"] == "tiny"


def test_an_override_in_the_environment_starts_no_disabled_agent(scratch: Scratch) -> None:
    scratch.loops("up", env={"AGENT_MODEL_assistant": "large", "AGENT_MODEL_builder": "large"})

    assert set(scratch.pids()) == {"builder", "ticker"}
    assert scratch.agent("builder")["model"] == "large"


def test_up_takes_an_agent_that_was_written_a_moment_ago(scratch: Scratch) -> None:
    scratch.loops("up")
    scratch.write(scratch.config_path.read_text() + '\n[[agent]]\nname = "late"\nkind = "persistent"\n')

    assert scratch.loops("up", "late").code == 0
    assert "late" in scratch.pids()


def test_up_says_why_the_supervisor_does_not_come_and_leaves_nothing(scratch: Scratch) -> None:
    journal = scratch.root / ".loops/state/journal"
    scratch.loops("up")
    scratch.loops("down")
    segment = min(journal.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"supervisor.started", b"supervisor.STARTED"))
    for snapshot in journal.glob("snapshot*"):
        snapshot.unlink()

    said = scratch.loops("up")

    assert said.code == 6
    assert str(segment) in said.err
    assert not scratch.processes()


def test_down_returns_when_every_process_of_the_project_is_gone(scratch: Scratch) -> None:
    for _ in range(3):
        scratch.loops("up")
        until(lambda: len(scratch.processes()) >= 4)  # one in the middle of its exec shows nothing of itself

        said = scratch.loops("down")

        assert said.out.splitlines() == ["stopping builder", "stopping ticker"]
        assert not scratch.processes()
        assert not scratch.sockets()


def test_down_of_one_agent_leaves_the_others(scratch: Scratch) -> None:
    scratch.loops("up")
    ticker = scratch.pids()["ticker"]

    assert scratch.loops("down", "builder", "--json").facts["ended"] == ["builder"]
    assert scratch.pids() == {"ticker": ticker}


def test_down_of_a_project_that_is_down_is_no_failure(scratch: Scratch) -> None:
    said = scratch.loops("down")

    assert (said.code, said.out) == (0, "the project is down already\n")


def test_down_ends_what_a_dead_supervisor_left_in_good_order(scratch: Scratch) -> None:
    scratch.loops("up")
    sessions = scratch.pids()
    holder = next(pid for pid, words in scratch.processes().items() if "holder.py" in words)
    os.kill(holder, signal.SIGSTOP)  # or it would start the next supervisor before we look
    os.kill(scratch.status()["pid"], signal.SIGKILL)
    os.kill(holder, signal.SIGCONT)

    assert scratch.loops("down").code == 0
    assert all(map(gone, sessions.values()))
    assert not scratch.processes()


def test_down_leaves_a_persons_own_tmux_session_and_says_so(scratch: Scratch) -> None:
    scratch.loops("up")
    until(lambda: os.path.exists(scratch.runtime.tmux_socket))
    tmux = ["tmux", "-S", scratch.runtime.tmux_socket]

    until(lambda: b"builder" in subprocess.run([*tmux, "ls"], capture_output=True).stdout)
    subprocess.run([*tmux, "new-session", "-d", "-s", "mine", "sleep 600"], check=True, env=scratch.env)

    said = scratch.loops("down")

    assert "'mine'" in said.out
    assert b"mine" in subprocess.run([*tmux, "ls"], capture_output=True).stdout
    subprocess.run([*tmux, "kill-server"], check=True)
    until(lambda: not scratch.processes())


def test_the_emergency_stop_goes_through_a_living_supervisor(scratch: Scratch) -> None:
    scratch.loops("up")

    said = scratch.loops("stop", "--all-now")

    assert said.out.splitlines() == ["killed builder", "killed ticker"]
    assert not scratch.processes()
    assert any("EMERGENCY STOP" in note for note in scratch.status()["notes"])


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stuck", "killed"])
def test_the_emergency_stop_needs_no_supervisor(scratch: Scratch, number: signal.Signals) -> None:
    scratch.loops("up")
    sessions = scratch.pids()
    os.kill(scratch.status()["pid"], number)

    said = scratch.loops("stop", "--all-now", "--json")

    assert said.code == 0, said
    assert set(said.facts["killed"]) == {"builder", "ticker"}
    assert all(map(gone, sessions.values()))
    assert not scratch.processes()
    assert any("EMERGENCY STOP" in note for note in scratch.status()["notes"])


def test_the_emergency_stop_needs_neither_holder_nor_agents_toml(scratch: Scratch) -> None:
    scratch.loops("up")
    for pid, words in scratch.processes().items():
        if "holder.py" in words or "loops.supervisor" in words:
            os.kill(pid, signal.SIGSTOP)
    scratch.config_path.write_text("broken = [")

    said = scratch.loops("stop", "--all-now", "--json")

    assert set(said.facts["killed"]) == {"builder", "ticker"}
    assert not said.facts["journaled"]
    assert not scratch.processes()
    assert not scratch.sockets()


def test_up_ends_an_emergency_stop(scratch: Scratch) -> None:
    scratch.loops("up")
    scratch.loops("stop", "--all-now")

    scratch.loops("up")

    assert set(scratch.pids()) == {"builder", "ticker"}
    assert scratch.status()["notes"] == []


def test_stop_wants_its_second_word(scratch: Scratch) -> None:
    said = scratch.loops("stop")

    assert said.code == 2
    assert "--all-now" in said.err


@pytest.mark.parametrize("stuck", [False, True])
def test_a_takeover_replaces_the_supervisor_and_no_agent_notices(scratch: Scratch, stuck: bool) -> None:
    scratch.loops("up")
    sessions, first = scratch.pids(), scratch.status()["pid"]
    if stuck:
        os.kill(first, signal.SIGSTOP)

    watchdog = scratch.start("watchdog", "--takeover")
    try:
        until(lambda: gone(first))
        status = scratch.wait(lambda status: status["pid"])
        assert status["pid"] == watchdog.pid
        assert scratch.pids() == sessions
        assert scratch.loops("down").code == 0
        assert watchdog.wait(PATIENCE) == 0
    finally:
        watchdog.kill()
        watchdog.wait()
