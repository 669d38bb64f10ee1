"""Gate: faults of the surroundings (fault classes 5, 13 to 19): clocks, reboots, reused pids, hostile text, lost watches, herds."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from loops.supervisor import events as ev
from scratch import GLANCE, Message, PlannedPhase, Scratch, alive, checked, persistent, polled, service
from test_faults_of_processes import COUNTER, assert_one_unbroken_life, copies, wait_ticks
from test_nineteen_phases import assert_nothing_lost_or_doubled

# ---- class 5: the clock jumps ------------------------------------------------------------------------------------------

DAY = 86_400
SHIFTED_CLOCK = """
import os, time
_real = time.time
def _shifted():
    try:
        with open(os.environ["GATE_CLOCK"]) as file:
            return _real() + float(file.read() or 0)
    except (OSError, KeyError):
        return _real()
time.time = _shifted
"""


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day forward", "a day back"])
def test_class_5_a_jump_of_the_clock_moves_no_timer_and_restarts_nothing(scratch: Scratch, jump: int) -> None:
    """The supervisor's wall clock is shifted while it runs; CLOCK_BOOTTIME, which its timers use, is the kernel's."""
    site = scratch.root / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    shift = scratch.root / "shift"
    shift.write_text("0")
    scratch.environment["PYTHONPATH"] = f"{site}{os.pathsep}{scratch.environment['PYTHONPATH']}"
    scratch.environment["GATE_CLOCK"] = str(shift)
    rules = [{"role": "limited", "mode": "limit", "times": 1, "seconds": 5.0, "after": 1}]
    scratch.create(script={"rules": rules, "wait": 600}, more=persistent(scratch, "waiting") + service("one", COUNTER))
    scratch.loops("up")
    scratch.wait_event(ev.TurnCompleted, "the turn of the one that is not limited")
    scratch.config_path.write_text(scratch.config_path.read_text() + persistent(scratch, "limited"))
    hold = scratch.wait_event(ev.HoldBegan, "the limit window")

    shift.write_text(str(jump))
    assert len(scratch.events(ev.HoldEnded)) == 0, "the window was over before the clock jumped"
    probe = scratch.wait_event(ev.NudgeQueued, "the probe after the window", lambda e: e.kind == "probe")
    assert probe.at >= hold.until, (hold, probe)
    scratch.wait_event(ev.HoldEnded, "the end of the window")
    supervisor = scratch.supervisor
    os.kill(supervisor, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.supervisor not in (0, supervisor), "another supervisor, with the clock as it is")
    wait_ticks(scratch, "one")

    times = [event.at for event in scratch.journal() if hasattr(event, "at")]
    assert times == sorted(times), "steady time ran backwards"
    assert scratch.events(ev.SessionEnded) == []
    others = [e for e in scratch.events(ev.NudgeQueued) if e.kind != "probe"]
    # After a day's suspend (a restart cannot tell the two apart) it is right to ask who waited for ten minutes.
    assert [e for e in others if jump < 0 or e.kind != "stall"] == []
    assert_one_unbroken_life(scratch, "one")


# ---- class 13: a reboot in the middle of something ---------------------------------------------------------------------

MOMENTS: dict[str, type[ev.Event]] = {
    "a handoff": ev.CommitSeen,
    "a nudge being typed": ev.NudgeSending,
    "a check run": ev.CheckStarted,
    "a phase change": ev.PhaseStarted,
    "the completion": ev.SequenceCompleted,
}


@pytest.mark.heavy
@pytest.mark.parametrize("moment", MOMENTS)
def test_class_13_after_a_reboot_in_the_middle_of_something_nothing_is_repeated(scratch: Scratch, moment: str) -> None:
    kind = MOMENTS[moment]
    number = 2 if kind is ev.PhaseStarted else 1
    scratch.create([checked("1"), checked("2")], interval=1.0)
    scratch.loops("up", LOOPS_BOOT_ID="0" * 32)
    scratch.wait_for(lambda: len(scratch.events(kind)) >= number, moment)
    power_cut(scratch)

    scratch.loops("up", LOOPS_BOOT_ID="1" * 32)
    scratch.wait_event(ev.SequenceCompleted, "all phases done")
    scratch.wait_event(ev.SessionEnded, "the report's end", lambda e: e.agent == "report" and e.code == 0)
    assert [e.phase for e in scratch.events(ev.PhaseStarted)] == ["1", "2"]
    assert [e.phase for e in scratch.events(ev.PhaseDone)] == ["1", "2"]
    assert len(scratch.events(ev.SequenceCompleted)) == 1
    assert_nothing_lost_or_doubled(scratch)
    causes = [e.why for e in scratch.events(ev.SessionEnded) if e.rule == "lost"]
    assert set(causes) <= {"the machine was rebooted"}
    for name in ("builder", "adversary"):
        assert _fresh_kickoffs(scratch.received(name)) == ["1", "2"]


def _fresh_kickoffs(messages: list[Message]) -> list[str]:
    """The phases of the kickoffs in order.

    A kickoff that was cut off before its turn is brought again, for nobody could know whether it was read.
    """
    texts = [m.text for m in messages if m.kind == "kickoff"]
    phases = [text.partition(":")[0].removeprefix("Phase ") for text in texts if text.startswith("Phase ")]
    return list(dict.fromkeys(phases))


def power_cut(scratch: Scratch) -> None:
    """Everything ends at once: what starts others is stopped first, so that nobody sees anybody die."""
    calm = 0
    for _ in range(50):
        lines = scratch.pids()
        victims = sorted(lines, key=lambda pid: "holder.py" not in lines[pid] and "loops.supervisor" not in lines[pid])
        calm = 0 if victims else calm + 1
        if calm > 3:
            return
        if not victims:  # one that is being executed just now shows neither words nor surroundings
            time.sleep(GLANCE)
            continue
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in victims:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        for anybody in polled(partial(_any_alive, victims), 5.0):
            if not anybody:
                break
    raise AssertionError(f"still alive: {scratch.pids()}")


def _any_alive(pids: Sequence[int]) -> bool:
    return any(map(alive, pids))


# ---- class 14: pids are reused -----------------------------------------------------------------------------------------

REUSE = Path(__file__).with_name("reused_pid.py")


def test_class_14_a_stranger_with_a_reused_pid_is_never_signalled(scratch: Scratch) -> None:
    """In a pid namespace of its own, where the next pid can be chosen."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid():
        unshare[1:1] = ["--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets us make no pid namespace")
    scratch.create(more=service("one", COUNTER))
    done = subprocess.run(
        [*unshare, sys.executable, str(REUSE), str(scratch.config_path)],
        env=scratch.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the stranger lives" in done.stdout


# ---- class 15: what cannot be started ----------------------------------------------------------------------------------


def test_class_15_what_cannot_be_started_says_why_backs_off_and_disturbs_nobody(scratch: Scratch) -> None:
    (scratch.root / "no-format").write_text("neither a program nor a script\n")
    (scratch.root / "no-format").chmod(0o755)
    (scratch.root / "no-permission").write_text("#!/bin/sh\n")
    scratch.create(
        more=service("good", COUNTER)
        + _plain_service("missing", "/nowhere/at-all")
        + _plain_service("format", str(scratch.root / "no-format"))
        + _plain_service("permission", str(scratch.root / "no-permission"))
        + persistent(scratch, "homeless").replace('dir = "."', 'dir = "not/there"'),
        park_after=3,
    )
    scratch.loops("up")
    reasons = {
        "missing": "No such file or directory",
        "format": "Exec format error",
        "permission": "Permission denied",
        "homeless": "not/there",
    }

    def parked() -> bool:
        return all(scratch.agent(name).get("state") == "CRASH LOOP" for name in reasons)

    scratch.wait_for(parked, "all that cannot start parked")
    for name, reason in reasons.items():
        failures = [e for e in scratch.events(ev.SessionFailed) if e.agent == name]
        assert len(failures) == 3, failures
        assert all(reason in e.reason for e in failures), failures
        assert f"{name} cannot be started" in scratch.complaints
    assert scratch.agent("good")["restarts"] == 0


def _plain_service(name: str, program: str) -> str:
    return f'\n[[service]]\nname = "{name}"\ncommand = ["{program}"]\nwatch = "heal"\n'


# ---- classes 16 and 17: hostile text -----------------------------------------------------------------------------------

HOSTILE = "\x1b]52;c;ZXZpbA==\x07 \x1b[201~ $(touch /tmp/x) `id` ünï漢字 e\u0301 \u202egnp\u200b"


def test_classes_16_and_17_hostile_text_reaches_the_agent_harmless_and_whole_and_never_the_operator(
    scratch: Scratch,
) -> None:
    scratch.create([PlannedPhase("1", "plan.md")], working=False)
    scratch.loops("up")
    scratch.wait_running("builder", "adversary")
    scratch.wait_event(ev.EvidenceTaken, "the first reading of the branch")
    clone = scratch.clone("builder")
    (clone / "machine-docs" / "STATUS-1.md").write_bytes(b"# STATUS \xff\xfe\x00 " + HOSTILE.encode() + b"\n")
    (clone / "machine-docs" / "-x $(id)\n=a:b.md").write_bytes(bytes(range(256)))
    scratch.push(clone, f"claim(1 M1): Gate M1 CLAIMED — {HOSTILE}")

    def nudges() -> list[str]:
        return [m.text for m in scratch.received("adversary") if m.kind == "nudge"]

    (text,) = scratch.wait_for(nudges, "the claim's nudge")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "$(touch /tmp/x) `id` ünï漢字" in text
    scratch.wait_event(ev.NudgeDelivered, "the nudge confirmed")
    assert nudges() == [text]
    scratch.loops("nudge", "builder", f"an operator's words {HOSTILE}")
    scratch.wait_for(lambda: [m for m in scratch.received("builder") if "operator's words" in m.text], "the message")
    for words in (("status",), ("explain",), ("logs", "adversary")):
        out = scratch.loops(*words).out
        bad = [c for c in out if not c.isprintable() and c != "\n"]
        assert not bad, f"`loops {words[0]}` printed {bad}"


# ---- class 18: watches are lost ----------------------------------------------------------------------------------------


def _loop_project(scratch: Scratch) -> None:
    scratch.create([PlannedPhase("1", "plan.md")], working=False, interval=1.0)
    scratch.loops("up")
    scratch.wait_running("builder", "adversary")
    scratch.wait_event(ev.EvidenceTaken, "the first reading of the branch")


def test_class_18_a_push_is_not_missed_in_a_burst_that_overflows_inotify(scratch: Scratch) -> None:
    _loop_project(scratch)
    supervisor = scratch.supervisor
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 1000):
            path = scratch.root / f"burst-{number}"  # beside agents.toml; two events each
            path.touch()
            path.unlink()
        scratch.push(scratch.clone("builder"), "claim(1 M1): Gate M1 CLAIMED — in the burst")
        scratch.config_path.write_text(scratch.config_path.read_text() + service("late", COUNTER))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    scratch.wait_event(ev.CommitSeen, "the claim", lambda e: e.kind == "claim")
    scratch.wait_running("late")
    assert scratch.supervisor == supervisor


def test_class_18_a_clone_that_is_replaced_is_watched_again(scratch: Scratch) -> None:
    _loop_project(scratch)
    clone = scratch.clone("builder")
    shutil.rmtree(clone)
    scratch.make_clone("builder")
    scratch.push(clone, "claim(1 M1): Gate M1 CLAIMED — from a new clone")
    seen = scratch.wait_event(ev.CommitSeen, "the claim", lambda e: e.kind == "claim")
    assert seen.author == "builder"
    scratch.push(clone, "claim(1 M1): Gate M1 CLAIMED — again")
    scratch.wait_for(lambda: len(scratch.events(ev.CommitSeen)) == 2, "the second claim")


def test_class_18_a_push_from_elsewhere_is_fetched(scratch: Scratch) -> None:
    _loop_project(scratch)
    scratch.push(scratch.root / "seed", "claim(1 M1): Gate M1 CLAIMED — from a clone that nobody watches")
    scratch.wait_event(ev.CommitSeen, "the claim", lambda e: e.kind == "claim")


# ---- class 19: a thundering herd ---------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_class_19_a_herd_that_dies_at_once_is_back_and_nobody_is_there_twice(scratch: Scratch) -> None:
    names = [f"s{number}" for number in range(100)]
    scratch.create(
        more="".join(service(name, f": {name} herd; exec sleep 9{number:03d}") for number, name in enumerate(names))
    )
    scratch.loops("up")
    pids = scratch.wait_running(*names)
    chance = random.Random(100)
    for pid in chance.sample(sorted(pids.values()), len(pids)):
        os.kill(pid, signal.SIGKILL)
    scratch.wait_for(
        lambda: all(new != pids[name] for name, new in scratch.wait_running(*names).items()), "all hundred back"
    )
    wanted = [f"sleep 9{number:03d}" for number in range(100)]

    def sleepers() -> list[str]:
        """All hundred, once their shells have executed them."""
        return sorted(line for line in scratch.pids().values() if line.startswith("sleep 9"))

    scratch.wait_for(lambda: sleepers() == wanted, "each there once")
    assert {row["name"]: row["restarts"] for row in scratch.rows if row["name"] in pids} == dict.fromkeys(names, 1)
    # It forks for the views: a child shows its words until it is another program.
    scratch.wait_for(lambda: len(copies(scratch, "loops.supervisor")) == 1, "one supervisor")
    assert len(scratch.events(ev.SupervisorStarted)) == 1
