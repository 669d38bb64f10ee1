"""Gate: the agents beside the loop: the orchestrator's long life, scheduled tasks, and runs that the operator asks for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loops.protocol.session_journal import parse
from loops.supervisor import events as ev
from scratch import LINGER, PATIENCE, Scratch, checked, persistent
from test_faults_of_surroundings import DAY, SHIFTED_CLOCK

# ---- the orchestrator --------------------------------------------------------------------------------------------------

INTERVAL = 1.5
"""Seconds between two wakes: a turn of the scripted orchestrator takes three commands of the engine."""


def orchestrated(scratch: Scratch, **script: object) -> Scratch:
    """A project of one phase with an orchestrator that is woken all the time."""
    (scratch.root / "supervise.md").write_text("This is your regular look at the project.\n")
    wake = f'wake = {{ interval = {INTERVAL}, prompt_file = "supervise.md" }}\n'
    return scratch.create([checked("1")], script=script, more=persistent(scratch, "orchestrator") + wake)


def wakes(scratch: Scratch) -> list[str]:
    """The ids of the wakes that the orchestrator took up, in order."""
    queued = {e.id for e in scratch.events(ev.NudgeQueued) if e.agent == "orchestrator" and e.kind == "wake"}
    return [e.id for e in scratch.events(ev.NudgeDelivered) if e.id in queued]


def await_wakes(scratch: Scratch, more: int = 2) -> None:
    before = len(wakes(scratch))
    scratch.wait_for(lambda: len(wakes(scratch)) >= before + more, f"{more} more wakes than {before}")


def test_the_orchestrator_is_woken_before_and_after_completion_resumed_by_its_id_and_keeps_its_journal(
    scratch: Scratch,
) -> None:
    orchestrated(scratch)
    scratch.loops("up")
    scratch.wait_event(ev.SequenceCompleted, "all phases done")
    await_wakes(scratch)  # who is tied to the loop is woken no more; the orchestrator is

    first = scratch.wait_event(ev.SessionStarting, "its start", lambda e: e.agent == "orchestrator")
    os.kill(scratch.wait_running("orchestrator")["orchestrator"], signal.SIGKILL)
    again = scratch.wait_event(
        ev.SessionStarting, "its next life", lambda e: e.agent == "orchestrator" and e.incarnation == 2
    )
    assert again.conversation == (first.fresh_id or first.conversation) != ""
    await_wakes(scratch)
    os.kill(scratch.supervisor, signal.SIGKILL)
    await_wakes(scratch)
    scratch.loops("down")

    received = [message.id for message in scratch.received("orchestrator") if message.kind == "nudge"]
    assert len(received) == len(set(received)), "a nudge came twice"
    assert_every_wake_is_noted_once(scratch)


def assert_every_wake_is_noted_once(scratch: Scratch) -> None:
    sessions = parse((scratch.root / "JOURNAL.md").read_text()).sessions
    assert all(session.complete and session.at is not None for session in sessions)
    noted = re.findall(r"answered: \[nudge (n\d+)\]", "\n".join(session.fields["Left off"] for session in sessions))
    assert len(noted) == len(set(noted)), f"noted twice: {noted}"
    assert set(wakes(scratch)[:-1]) <= set(noted), "a wake left no session in the journal"


def test_in_a_limit_window_the_orchestrator_is_not_woken_and_what_it_missed_is_not_made_up_for(
    scratch: Scratch,
) -> None:
    seconds = 4 * INTERVAL
    orchestrated(scratch, rules=[{"role": "orchestrator", "mode": "limit", "seconds": seconds, "after": 1}])
    scratch.loops("up", "orchestrator")
    began = scratch.wait_event(ev.HoldBegan, "the limit window", lambda e: e.agent == "orchestrator")
    over = scratch.wait_event(ev.HoldEnded, "the end of the window", lambda e: e.agent == "orchestrator")
    await_wakes(scratch)

    kinds = {e.id: e.kind for e in scratch.events(ev.NudgeQueued)}
    sent = [e for e in scratch.events(ev.NudgeSending) if e.agent == "orchestrator"]
    inside = [kinds[e.id] for e in sent if began.at < e.at < over.at]
    assert set(inside) <= {"probe"}, f"sent in the window: {inside}"
    at_once = [e for e in sent if kinds[e.id] == "wake" and over.at <= e.at < over.at + INTERVAL * 0.5]
    assert len(at_once) <= 1, "missed wakes were made up for"
    assert over.at - began.at > 2 * INTERVAL


# ---- scheduled tasks ---------------------------------------------------------------------------------------------------


def scheduled(scratch: Scratch, schedule: str, **script: object) -> Scratch:
    (scratch.root / "upgrade.md").write_text("Prepare the upgrades.\n")
    task = f'\n[[agent]]\nname = "upgrader"\nkind = "task"\nprompt_file = "upgrade.md"\nschedule = "{schedule}"\n'
    return scratch.create(more=persistent(scratch, "watcher") + task, script=script, interval=1.0)


def once_in(seconds: float) -> tuple[str, float]:
    """A schedule that is due a single time, some seconds from now, and that time."""
    when = int(time.time() + seconds)
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"), float(when)


def runs(scratch: Scratch) -> list[ev.SessionStarting]:
    return [e for e in scratch.events(ev.SessionStarting) if e.agent == "upgrader"]


def await_run(scratch: Scratch, number: int = 1) -> ev.SessionEnded:
    """The end of the task's run with this number."""
    return scratch.wait_event(
        ev.SessionEnded, f"run {number}", lambda e: e.agent == "upgrader" and e.incarnation == number
    )


def assert_each_time_was_run_once(scratch: Scratch) -> None:
    times = [e.due for e in scratch.events(ev.TaskDue)]
    assert times == sorted(set(times)), "a due time was taken up twice"
    begun = scratch.events(ev.TaskAsked)
    assert len(begun) + len(scratch.events(ev.TaskPassedOver)) == len(times)
    assert len(runs(scratch)) == len(begun)
    kickoffs = [m.incarnation for m in scratch.received("upgrader") if m.kind == "kickoff"]
    assert len(kickoffs) == len(set(kickoffs)), "a run was doubled"
    finished = {
        e.incarnation for e in scratch.events(ev.SessionEnded) if e.agent == "upgrader" and e.rule == "clean-task"
    }
    assert finished <= set(kickoffs), "a run got lost"


def test_a_scheduled_task_is_run_each_time_and_its_end_stays_to_be_looked_at(scratch: Scratch) -> None:
    scheduled(scratch, "*:*:0/2")
    scratch.loops("up")
    ended = await_run(scratch, 3)
    assert ended.code == 0
    report = scratch.root / "REPORT.md"
    scratch.wait_for(lambda: "Prepare the upgrades." in report.read_text(), "the report, between two writings")
    scratch.wait_for(lambda: "next " in scratch.agent("upgrader").get("doing", ""), "the rest between two runs")
    assert "upgrader was due" in scratch.loops("explain", "upgrader").out
    scratch.loops("down", "upgrader")
    count = len(runs(scratch))
    time.sleep(3)  # nothing tells of a run that does not come
    assert len(runs(scratch)) == count, "what the operator stopped was run"
    assert_each_time_was_run_once(scratch)


@pytest.mark.parametrize("lead", [0.6, 0.0], ids=["before the due time", "at the due time"])
def test_a_supervisor_that_is_killed_around_the_due_time_runs_the_task_exactly_once(
    scratch: Scratch, lead: float
) -> None:
    scheduled(scratch, "yearly")
    scratch.loops("up")
    scratch.wait_running("watcher")
    schedule, due = once_in(9)
    scratch.config_path.write_text(scratch.config_path.read_text().replace("yearly", schedule))
    scratch.wait_event(ev.TaskScheduled, "the due time", lambda e: e.due == due)
    time.sleep(max(0.0, due - time.time() - lead))
    killed = 0
    while not killed or time.time() < due + 1.0:
        pid = scratch.supervisor
        if pid:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.15)
    assert await_run(scratch).code == 0
    scratch.wait_for(lambda: scratch.supervisor, "a supervisor")
    assert killed
    assert [e.due for e in scratch.events(ev.TaskDue)] == [due]
    assert len(runs(scratch)) == 1
    assert_each_time_was_run_once(scratch)


def test_a_time_that_came_while_the_project_was_down_is_made_up_for_once(scratch: Scratch) -> None:
    scheduled(scratch, "*:*:0/1")
    scratch.loops("up", "watcher")
    scratch.wait_event(ev.TaskScheduled, "the first due time")
    scratch.loops("down")
    before = len(scratch.events(ev.TaskDue))
    time.sleep(3)
    scratch.loops("up")
    scratch.wait_for(lambda: len(scratch.events(ev.TaskDue)) > before, "the missed time")
    dues = [e.due for e in scratch.events(ev.TaskDue)][before:][:2]
    assert len(dues) < 2 or dues[1] - dues[0] >= 3, "every missed time was made up for"
    await_run(scratch)
    assert_each_time_was_run_once(scratch)


def test_a_run_that_goes_on_is_not_doubled_and_that_is_said(scratch: Scratch) -> None:
    scheduled(scratch, "*:*:0/1", rules=[{"role": "task", "mode": "hang", "after": 1}])
    scratch.loops("up")
    scratch.wait_for(lambda: len(scratch.events(ev.TaskPassedOver)) >= 2, "two times that were passed over")
    assert len(runs(scratch)) == 1
    assert "task upgrader was due, but its last run still goes on" in scratch.complaints


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day forward", "a day back"])
def test_a_clock_that_is_set_makes_a_daily_task_run_no_more_than_once(scratch: Scratch, jump: int) -> None:
    site, shift = scratch.root / "site", scratch.root / "shift"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    shift.write_text("0")
    scratch.environment["PYTHONPATH"] = f"{site}{os.pathsep}{scratch.environment['PYTHONPATH']}"
    scratch.environment["GATE_CLOCK"] = str(shift)
    noon_or_midnight = "00:00:00" if 6 <= datetime.now(UTC).hour < 18 else "12:00:00"
    scheduled(scratch, f"{noon_or_midnight} UTC")
    scratch.loops("up")
    first = scratch.wait_event(ev.TaskScheduled, "the due time")

    shift.write_text(str(jump))
    if jump > 0:
        await_run(scratch)
        assert [e.due for e in scratch.events(ev.TaskDue)] == [first.due]
    else:
        scratch.wait_event(ev.TaskScheduled, "an earlier due time", lambda e: e.due < first.due)
        assert runs(scratch) == []
    assert_each_time_was_run_once(scratch)


def test_where_systemd_keeps_the_schedules_only_its_timers_run_a_task(scratch: Scratch) -> None:
    scheduled(scratch, "*:*:0/1")
    scratch.loops("up", LOOPS_SCHEDULES="systemd")
    scratch.wait_for(lambda: len(scratch.events(ev.TaskScheduled)) >= 3, "three times that came")
    assert runs(scratch) == []
    assert "starting " in scratch.loops("run", "upgrader", "--scheduled").out
    await_run(scratch)
    assert len(runs(scratch)) == 1


# ---- runs that the operator asks for -----------------------------------------------------------------------------------


def views(scratch: Scratch) -> dict[str, str]:
    """What each tmux view shows."""
    tmux = ["tmux", "-S", scratch.runtime.tmux_socket]
    names = subprocess.run(
        [*tmux, "list-sessions", "-F", "#{session_name}"],
        capture_output=True,
        text=True,
        env=scratch.environment,
        check=False,
        timeout=PATIENCE,
    ).stdout.split()
    return {
        name.removeprefix(scratch.prefix): subprocess.run(
            [*tmux, "capture-pane", "-p", "-t", f"={name}:"],
            capture_output=True,
            text=True,
            env=scratch.environment,
            check=False,
            timeout=PATIENCE,
        ).stdout
        for name in names
    }


def test_a_run_is_begun_once_used_while_it_goes_on_and_stays_to_be_looked_at(scratch: Scratch) -> None:
    scheduled(scratch, "weekly", pace=6.0)  # long enough for the next command to meet it
    scratch.loops("run", "upgrader", "only the lock file")
    scratch.wait_running("upgrader")
    assert "that run is used" in scratch.loops("run", "upgrader").out
    assert await_run(scratch).code == 0
    assert "only the lock file" in (scratch.root / "REPORT.md").read_text()
    assert len(runs(scratch)) == 1
    assert scratch.agent("watcher")["state"] == "stopped", "the whole project came up for one run"

    scratch.wait_for(lambda: "Wrote " in views(scratch).get("upgrader", ""), "the last screen in its view")
    before = scratch.supervisor
    os.kill(before, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.supervisor not in (0, before), "another supervisor")
    scratch.wait_for(lambda: "Wrote " in views(scratch).get("upgrader", ""), "the last screen, still")
    assert "Wrote " in scratch.loops("logs", "upgrader").out

    (scratch.root / "script.json").write_text("{}")
    assert "upgrader is done" in scratch.loops("run", "upgrader", "--wait").out
    assert [e.incarnation for e in runs(scratch)] == [1, 2]
    assert "only the lock file" not in (scratch.root / "REPORT.md").read_text()
    scratch.loops("down")
    scratch.wait_for(lambda: not scratch.pids(), "no process left after down", LINGER)


def test_words_for_a_task_that_ends_before_it_reads_them_are_not_lost(scratch: Scratch) -> None:
    scheduled(scratch, "weekly", pace=2.0)
    scratch.loops("run", "upgrader")
    scratch.wait_running("upgrader")
    scratch.loops("run", "upgrader", "and the images")
    await_run(scratch, 2)
    assert "and the images" in (scratch.root / "REPORT.md").read_text()
    assert len(runs(scratch)) == 2


def test_the_task_after_completion_can_be_looked_at_and_run_again(scratch: Scratch) -> None:
    scratch.create([checked("1")])
    scratch.loops("up")
    scratch.wait_event(ev.SessionEnded, "the report's end", lambda e: e.agent == "report" and e.code == 0)
    scratch.wait_for(lambda: "Wrote " in views(scratch).get("report", ""), "the report's last screen")
    Path(scratch.root / "REPORT.md").unlink()
    assert "report is done" in scratch.loops("run", "report", "--wait").out
    assert (scratch.root / "REPORT.md").exists()
