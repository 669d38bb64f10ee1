"""run on real processes: what runs is used, what does not is begun, and its end is told and kept."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from cli_scratch import AGENTS_TOML, PATIENCE, Done, Scratch, gone, until

TASKS = """
[backend.quick]
bin = "echo 'told: {kickoff}'; echo finished"
prompt_delivery = "exec"

[backend.bad]
bin = "echo broken; exit 3"
prompt_delivery = "exec"

[[agent]]
name = "report"
kind = "task"
backend = "quick"

[[agent]]
name = "breaks"
kind = "task"
backend = "bad"

[[agent]]
name = "upgrader"
kind = "task"
schedule = "weekly"
"""


def said(done: Done, code: int) -> Done:
    assert done.code == code, done
    return done


def views(scratch: Scratch) -> list[str]:
    """The tmux sessions of the project."""
    command = ["tmux", "-S", scratch.runtime.tmux_socket, "list-sessions", "-F", "#{session_name}"]
    ran = subprocess.run(command, env=scratch.env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return ran.stdout.split()


def read_until(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """What *process* prints until it has printed *words*."""
    assert process.stdout is not None
    found = b""
    deadline = time.monotonic() + PATIENCE
    while words not in found:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, found
        found += os.read(process.stdout.fileno(), 65536)
    return found


@pytest.fixture
def tasks(scratch: Scratch) -> Scratch:
    scratch.write(AGENTS_TOML + TASKS)
    return scratch


def test_a_task_runs_in_a_project_that_is_down_and_nothing_else_does(tasks: Scratch) -> None:
    done = tasks.loops("run", "report", "--wait")

    assert done.out.splitlines() == [
        "starting watchdog",
        f"starting {tasks.prefix}report (quick)",
        "report is done; `loops logs report` has what it said",
    ]
    assert tasks.pids() == {}


def test_a_finished_run_can_be_looked_at_until_down(tasks: Scratch) -> None:
    tasks.loops("run", "report", "what about D4?", "--wait")

    assert "finished" in tasks.loops("logs", "report").out
    assert "what about D4?" in tasks.loops("logs", "report").out
    shown = tasks.start("attach", "report", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert b"finished" in read_until(shown, b"finished")
    shown.terminate()
    shown.communicate()
    until(lambda: f"{tasks.prefix}report" in views(tasks))
    tasks.loops("down")
    assert views(tasks) == []


def test_the_exit_code_is_the_outcome_of_the_task(tasks: Scratch) -> None:
    done = said(tasks.loops("run", "breaks", "--wait"), 1)

    assert "breaks failed: the task ended: exit 3" in done.out
    assert said(tasks.loops("run", "breaks", "--wait", "--json"), 1).out.count('"code": 3') == 1


def test_a_run_that_goes_on_is_used(tasks: Scratch) -> None:
    tasks.loops("run", "upgrader")
    before = tasks.pids()

    assert "upgrader runs already (number 1): that run is used" in tasks.loops("run", "upgrader").out
    assert "n1 waits for upgrader" in tasks.loops("run", "upgrader", "also the images").out
    assert tasks.pids() == before


def test_a_fresh_run_takes_the_place_of_the_one_that_goes_on(tasks: Scratch) -> None:
    tasks.loops("run", "upgrader")
    before = tasks.pids()["upgrader"]

    tasks.loops("run", "upgrader", "--fresh")

    tasks.wait(
        lambda status: any(row["pid"] not in (0, before) for row in status["agents"] if row["name"] == "upgrader")
    )
    assert gone(before)


def test_a_task_that_is_ended_by_the_operator_did_not_come_to_its_end(tasks: Scratch) -> None:
    tasks.loops("up")
    waiting = tasks.start("run", "upgrader", "--wait", stdout=subprocess.PIPE)
    until(lambda: tasks.pids().get("upgrader"))
    tasks.loops("down", "upgrader")

    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert b"upgrader did not come to its end: stopped by the operator" in out


def test_waiting_goes_on_when_the_supervisor_is_killed(tasks: Scratch) -> None:
    waiting = tasks.start("run", "upgrader", "--wait", stdout=subprocess.PIPE)
    until(lambda: tasks.pids().get("upgrader"))
    before = tasks.status()["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: tasks.status()["pid"] not in (0, before))
    os.kill(tasks.pids()["upgrader"], signal.SIGTERM)

    assert b"upgrader failed" in waiting.communicate(timeout=60)[0]


def test_the_assistant_is_started_by_its_first_question_and_used_for_the_second(tasks: Scratch) -> None:
    assert f"starting {tasks.prefix}assistant" in tasks.loops("run", "assistant", "where are we?").out
    assert "assistant runs already" in tasks.loops("run", "assistant", "and now?").out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("run", "nobody"), 2, "no agent or service is called 'nobody'"),
        (("run", "ticker"), 6, "ticker is a service and no single run: `loops up ticker` starts it"),
        (("run", "assistant", "--wait"), 2, "does not end by itself: leave --wait out"),
        (("run", "report", "--scheduled", "--wait"), 2, "--scheduled is a timer's word"),
        (("run", "assistant", "--scheduled"), 6, "only a task has a schedule"),
    ],
)
def test_wrong_words_say_what_is_right(tasks: Scratch, words: tuple[str, ...], code: int, told: str) -> None:
    tasks.loops("up")
    assert told in said(tasks.loops(*words), code).err


def test_a_timer_s_word_runs_a_task_only_in_a_project_that_is_up(tasks: Scratch) -> None:
    assert "is down, so nothing is run" in said(tasks.loops("run", "upgrader", "--scheduled"), 6).err
    tasks.loops("up")
    assert f"starting {tasks.prefix}upgrader" in tasks.loops("run", "upgrader", "--scheduled").out
    assert "still runs (number 1)" in tasks.loops("run", "upgrader", "--scheduled").out
    tasks.loops("down", "upgrader")
    assert "not run by its schedule: the operator stopped it" in tasks.loops("run", "upgrader", "--scheduled").out


def test_the_status_names_the_next_due_time(tasks: Scratch) -> None:
    tasks.loops("up")

    row: Callable[[], str] = lambda: tasks.agent("upgrader")["doing"]  # noqa: E731
    until(lambda: "next Mon " in row())
    assert tasks.agent("upgrader")["due"] > 0
