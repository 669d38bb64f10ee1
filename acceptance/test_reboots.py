"""Gate: reboots and power cuts.  Whatever the machine was in the middle of, nothing is lost, nothing comes twice.

A power cut ends every process of the project at once; a boot is a new boot id and an empty runtime directory, and nobody
says ``loops up``.  The moments are exact: the supervisor's own write into the journal is cut where the test says.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from loops.journal import verify
from loops.protocol.reboots import Reboot, parse_reboots
from loops.sessions.launch import ensure_holder
from loops.supervisor import events as ev
from loops.supervisor.ledger import peek
from loops.supervisor.run import supervisor_command
from loops.supervisor.state import AgentState
from scratch import PATIENCE, PlannedPhase, Scratch, checked, persistent, polled
from test_faults_of_surroundings import power_cut
from test_nineteen_phases import assert_nothing_lost_or_doubled

LONGEST = 600.0
"""Seconds for a whole plan with all its reboots, on a machine that is busy with other things."""

T = TypeVar("T")

CUTTER = """
import json, os, signal
_write = os.write
_order = os.environ.get("GATE_CUT", "")

def _cut(descriptor, data):
    if _order and bytes(data[:14]) == b'{"specversion"' and os.path.exists(_order):
        with open(_order) as file:
            order = json.load(file)
        first, _, second = order["mark"].encode().partition(b" ")
        mark = b'"type":"dev.loops.%b"' % first
        found = [line for line in bytes(data).splitlines() if mark in line and second in line]
        if found:
            os.unlink(_order)
            lines = bytes(data).splitlines(keepends=True)
            before = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
            place = next(n for n, line in enumerate(lines) if line.startswith(found[0]))
            keep = {
                "a record": before[place] + len(lines[place]) // 2,
                "the newline": before[place + 1] - 1,
                "the next record": before[place + 1],
                "nothing": len(data),
            }[order["lacks"]]
            _write(descriptor, data[:keep])
            os.fdatasync(descriptor)
            os.rename(order["told"] + ".new", order["told"])
            os.kill(os.getpid(), signal.SIGSTOP)
    return _write(descriptor, data)

os.write = _cut
"""


class Machine:
    """The machine on which a scratch project runs: boots, and loses its power."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.boots = 0
        self.unrecorded = 0
        """Boots that ended before they could be written down."""
        site = scratch.root / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(CUTTER)
        self._order, self._told = scratch.root / "cut.json", scratch.root / "cut.told"
        scratch.environment["PYTHONPATH"] = f"{site}{os.pathsep}{scratch.environment['PYTHONPATH']}"
        scratch.environment["GATE_CUT"] = str(self._order)

    @property
    def boot_id(self) -> str:
        return f"{self.boots:032x}"

    def first_boot(self) -> None:
        """The machine comes up, and the operator brings the project up."""
        self.boots += 1
        self.scratch.environment["LOOPS_BOOT_ID"] = self.boot_id
        self.scratch.loops("up")

    def boot(self) -> None:
        """It comes up again: what starts the supervisor is no operator."""
        self.boots += 1
        shutil.rmtree(self.scratch.runtime_root)
        os.mkdir(self.scratch.runtime_root, 0o700)
        for lock in (self.scratch.root / "remote.git").rglob("*.lock"):
            lock.unlink()  # the remote is another machine's, and went not down
        self.start()

    def start(self) -> None:
        """Start what the machine starts at its boot, in the boot as it is."""
        scratch = self.scratch
        scratch.environment["LOOPS_BOOT_ID"] = self.boot_id
        scratch.runtime.create()
        ensure_holder(
            scratch.runtime,
            supervisor=supervisor_command(str(scratch.config_path)),
            env=scratch.environment,
            log_path=str(scratch.log_dir / "holder.log"),
            timeout=PATIENCE,
        )

    def cut(self) -> None:
        """The power is gone."""
        power_cut(self.scratch)
        self.scratch.forget_journal()
        started = {e.boot_id for e in self.scratch.events(ev.SupervisorStarted)}
        self.unrecorded += self.boot_id not in started

    def cut_in_the_write_of(self, mark: str, lacks: str) -> None:
        """It goes in the middle of the supervisor's next write that has an event of type *mark* in it.

        A second word of *mark* must stand in that event.

        *lacks*: what of that write did not arrive: the other half of the record, its newline, the records behind it, or
        nothing (then it is written, and nothing of it is done).
        """
        self._told.unlink(missing_ok=True)
        Path(f"{self._told}.new").touch()
        draft = self._order.with_suffix(".new")
        draft.write_text(json.dumps({"mark": mark, "lacks": lacks, "told": str(self._told)}))
        os.replace(draft, self._order)
        self.scratch.wait_for(self._told.exists, f"a write of {mark}", LONGEST)
        self.cut()

    # ---- what there must be ----------------------------------------------------------------------------------------

    @property
    def file(self) -> Path:
        return self.scratch.root / "REBOOTS.md"

    @property
    def rows(self) -> tuple[Reboot, ...]:
        return parse_reboots(self.file.read_text()) if self.file.exists() else ()

    def assert_recorded(self, *orchestrators: str) -> None:
        """One row and one wake for each boot but the first and those that ended before they could be written down."""
        scratch = self.scratch
        numbers = list(range(1, self.boots - self.unrecorded))
        scratch.wait_for(lambda: len(scratch.events(ev.MachineRebooted)) >= len(numbers), "the last reboot")
        recorded = scratch.events(ev.MachineRebooted)
        assert [e.count for e in recorded] == numbers
        assert len({e.boot_id for e in recorded}) == len(recorded)
        scratch.wait_for(lambda: len(self.rows) >= len(numbers), "the rows of REBOOTS.md")
        assert [(row.number, row.boot_id, row.phase) for row in self.rows] == [
            (e.count, e.boot_id, e.phase) for e in recorded
        ]
        for name in orchestrators:
            woken = [e for e in scratch.events(ev.NudgeQueued) if e.agent == name and e.kind == "reboot"]
            assert [e.cause for e in woken] == [f"reboot {number}" for number in numbers]
            scratch.wait_for(lambda n=name: self._has_heard(n) == numbers, f"every wake of {name}")  # type: ignore[misc]

    def _has_heard(self, name: str) -> list[int]:
        heard = [m.text for m in self.scratch.received(name) if m.kind == "nudge" and "The machine rebooted" in m.text]
        return sorted(int(text.partition("; reboot ")[2].split()[0]) for text in heard)


@pytest.fixture
def machine(scratch: Scratch) -> Machine:
    return Machine(scratch)


def assert_the_plan_was_followed(scratch: Scratch, ids: list[str], *others: str) -> None:
    """Each phase once and in order, each claim and verdict told once, the report run to its end once."""
    assert [e.phase for e in scratch.events(ev.PhaseStarted)] == ids
    assert [e.phase for e in scratch.events(ev.PhaseDone)] == ids
    assert len(scratch.events(ev.SequenceCompleted)) == 1
    ends = [e for e in scratch.events(ev.SessionEnded) if e.agent == "report"]
    assert [e.code for e in ends if e.rule == "clean-task"] == [0]
    assert {e.rule for e in ends} <= {"clean-task", "lost"}
    assert_nothing_lost_or_doubled(scratch, *others)
    numbers = [e.number for e in scratch.events(ev.CheckStarted)]
    assert numbers == sorted(set(numbers))
    assert Counter(e.phase for e in scratch.events(ev.CheckCompleted) if e.ok) == Counter(ids)
    for name in ("builder", "adversary"):
        texts = [m.text for m in scratch.received(name) if m.kind == "kickoff" and m.text.startswith("Phase ")]
        fresh = [text.partition(":")[0].removeprefix("Phase ") for text in texts]
        assert list(dict.fromkeys(fresh)) == ids, "a phase was begun again"
    assert verify(scratch.journal_directory).sound


def is_over(scratch: Scratch) -> bool:
    return any(e.agent == "report" and e.rule == "clean-task" for e in scratch.events(ev.SessionEnded))


PLAN = ["1", "2", "3"]
MARKS = (
    "turn.started",
    "commit.seen",
    "nudge.sending",
    "nudge.delivered",
    "machine.rebooted",
    "check.started",
    "phase.done",
    "session.ending",
    'session.starting "kickoff":"kickoff"',
    "sequence.completed",
)
LACKS = ("a record", "the newline", "the next record", "nothing")


@pytest.mark.heavy
@pytest.mark.parametrize("shift", range(0, len(LACKS), int(os.environ.get("LOOPS_REBOOT_STEP", "2"))))
def test_a_power_cut_in_the_middle_of_any_write_loses_and_doubles_nothing(machine: Machine, shift: int) -> None:
    scratch = machine.scratch
    scratch.create([checked(id) for id in PLAN], more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    for place, mark in enumerate(MARKS, shift):
        if mark == "machine.rebooted":
            machine.cut()
            machine.boot()
        machine.cut_in_the_write_of(mark, LACKS[place % len(LACKS)])
        machine.boot()

    scratch.wait_for(lambda: is_over(scratch), "all phases and the report", LONGEST)
    machine.assert_recorded("orchestrator")
    assert_the_plan_was_followed(scratch, PLAN, "orchestrator")
    causes = {e.why for e in scratch.events(ev.SessionEnded) if e.rule == "lost"}
    assert causes == {"the machine was rebooted"}


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2])
def test_power_cuts_at_any_moment_lose_and_double_nothing(machine: Machine, seed: int) -> None:
    """Wherever everybody stands: the moments are lengths of the journal, and a wait behind them."""
    scratch, chance = machine.scratch, random.Random(seed)
    scratch.create(
        [checked(id) for id in PLAN], more=persistent(scratch, "orchestrator"), script={"pace": 0.02}, interval=1.0
    )
    machine.first_boot()
    for _ in range(8):
        enough = len(scratch.journal()) + chance.randrange(3, 30)
        for length in polled(lambda: len(scratch.journal()), LONGEST):
            if length >= enough or is_over(scratch):
                break
        for _ in polled(lambda: None, chance.uniform(0.0, 0.3)):
            pass
        machine.cut()
        machine.boot()

    scratch.wait_for(lambda: is_over(scratch), "all phases and the report", LONGEST)
    machine.assert_recorded("orchestrator")
    assert_the_plan_was_followed(scratch, PLAN, "orchestrator")


# ---- one thing each ----------------------------------------------------------------------------------------------------


def wait_idle(scratch: Scratch, *names: str) -> None:
    """Wait until the first turn of each in its present session has ended."""
    for name in names:
        scratch.wait_for(lambda n=name: "waits until" in scratch.agent(n).get("doing", ""), f"{name} idle")  # type: ignore[misc]


@pytest.mark.parametrize("moment", ["queued", "half typed", "taken up"])
def test_an_inbox_message_reaches_its_owner_once_though_the_power_goes_while_it_is_brought(
    machine: Machine, moment: str
) -> None:
    scratch = machine.scratch
    script = {"swallow_enters": 50} if moment == "half typed" else {"pace": 1.0 if moment == "taken up" else 0}
    scratch.create([checked("1")], working=False, script=script, interval=1.0)
    machine.first_boot()
    wait_idle(scratch, "builder", "adversary")
    clone = scratch.clone("adversary")
    (clone / "machine-docs" / "BUILDER-INBOX.md").write_text("From Adversary: the port is wrong.\n")
    if moment == "queued":
        scratch.push(clone, "docs: a word to the Builder")
        machine.cut_in_the_write_of('nudge.queued "kind":"inbox"', "nothing")
    else:
        scratch.push(clone, "docs: a word to the Builder")
        queued = scratch.wait_event(ev.NudgeQueued, "the nudge", lambda e: e.kind == "inbox")
        if moment == "taken up":
            scratch.wait_event(ev.TurnStarted, "its turn", lambda e: e.nudge == queued.id)
        else:
            scratch.wait_for(lambda: b"commit and push" in scratch.log("builder"), "its text typed")
        machine.cut()
    (scratch.root / "script.json").write_text(json.dumps({"pace": 0, "wait": 600}))
    machine.boot()

    told = scratch.wait_event(ev.NudgeQueued, "the nudge", lambda e: e.kind == "inbox")
    scratch.wait_for(lambda: told.id in [m.id for m in scratch.received("builder")], "the message with the Builder")
    scratch.wait_event(ev.NudgeDelivered, "its delivery")
    wait_idle(scratch, "builder", "adversary")
    machine.assert_recorded()
    assert [e.id for e in scratch.events(ev.NudgeQueued) if e.kind == "inbox"] == [told.id]
    assert_nothing_lost_or_doubled(scratch)


def test_a_check_run_that_the_power_cut_off_is_made_again_and_counts_once(machine: Machine) -> None:
    scratch = machine.scratch
    gate = scratch.root / "gate"
    phase = checked("1")
    slow = PlannedPhase(phase.id, phase.plan, checks=(f"touch {gate}.runs; while [ ! -e {gate} ]; do sleep 0.1; done",))
    scratch.create([slow], interval=1.0)
    machine.first_boot()
    scratch.wait_for(Path(f"{gate}.runs").exists, "the checks")
    machine.cut()
    gate.touch()
    machine.boot()

    scratch.wait_for(lambda: is_over(scratch), "the phase and the report")
    assert "the checks of phase 1 ran at" in scratch.events(ev.MachineRebooted)[0].in_flight[0]
    assert [e.number for e in scratch.events(ev.CheckStarted)] == [1]
    assert [e.ok for e in scratch.events(ev.CheckCompleted)] == [True]
    assert_the_plan_was_followed(scratch, ["1"])
    machine.assert_recorded()


def test_the_report_that_the_power_cut_off_is_run_again_to_its_end(machine: Machine) -> None:
    scratch = machine.scratch
    rules = [{"role": "task", "mode": "hang", "times": 1, "after": 1}]
    scratch.create([checked("1")], script={"rules": rules}, interval=1.0)
    text = scratch.config_path.read_text()
    scratch.config_path.write_text(text.replace('name = "report"', 'name = "report"\nrole = "task"', 1))
    machine.first_boot()
    scratch.wait_event(ev.TurnStarted, "the report under way", lambda e: e.agent == "report", LONGEST)
    machine.cut()
    machine.boot()

    scratch.wait_for(lambda: is_over(scratch), "the report's end")
    assert "report was in a turn" in scratch.events(ev.MachineRebooted)[0].in_flight[0]
    assert [e.incarnation for e in scratch.events(ev.SessionStarting) if e.agent == "report"] == [1, 2]
    assert_the_plan_was_followed(scratch, ["1"])
    machine.assert_recorded()


def test_a_limit_window_outlasts_reboots_and_every_wake_comes_once_when_it_is_over(machine: Machine) -> None:
    scratch = machine.scratch
    rules = [{"role": "orchestrator", "mode": "limit", "times": 1, "seconds": 8.0, "after": 1}]
    scratch.create(script={"rules": rules}, more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    hold = scratch.wait_event(ev.HoldBegan, "the window")
    for _ in range(2):
        machine.cut()
        machine.boot()
        scratch.wait_for(lambda: len(machine.rows) == machine.boots - 1, "the row")

    machine.assert_recorded("orchestrator")
    typed = [e.at for e in scratch.events(ev.NudgeSending)]
    assert min(typed) >= hold.until, "a nudge inside the window"
    text = next(m.text for m in scratch.received("orchestrator") if m.kind == "nudge")
    assert "orchestrator was left alone (limit) until" in text


def test_a_supervisor_or_a_holder_that_comes_back_in_the_same_boot_is_no_reboot(machine: Machine) -> None:
    scratch = machine.scratch
    scratch.create(more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    wait_idle(scratch, "orchestrator")
    scratch.loops("down")
    scratch.loops("up")
    wait_idle(scratch, "orchestrator")
    machine.cut()  # all of them at once, but the machine did not go down
    machine.start()
    scratch.wait_event(ev.SessionEnded, "the lost session", lambda e: e.rule == "lost")
    wait_idle(scratch, "orchestrator")
    assert scratch.events(ev.MachineRebooted) == []
    assert not machine.file.exists()
    assert not [m for m in scratch.received("orchestrator") if "rebooted" in m.text]
    assert "no reboot since" in scratch.loops("boot").out


def test_a_row_that_did_not_reach_the_disk_is_written_at_the_next_boot(machine: Machine) -> None:
    scratch = machine.scratch
    scratch.create(more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    scratch.wait_running("orchestrator")
    for left in (None, -1, -40, -200, 5, 0):  # of the file's characters
        machine.cut()
        whole = machine.file.read_text() if machine.file.exists() else ""
        if left is not None:
            machine.file.write_text(whole[:left])
        machine.boot()
        scratch.wait_for(lambda: len(machine.rows) == machine.boots - 1, "all rows")
        assert machine.file.read_text().startswith(whole)
    machine.assert_recorded("orchestrator")


def test_a_record_that_cannot_be_written_is_said_and_tried_again_and_a_persons_words_stay(machine: Machine) -> None:
    scratch = machine.scratch
    scratch.create(more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    scratch.wait_running("orchestrator")
    machine.cut()
    machine.file.mkdir()
    machine.boot()
    scratch.wait_for(lambda: "REBOOTS.md cannot be written" in scratch.complaints, "the complaint")
    scratch.wait_for(lambda: machine._has_heard("orchestrator") == [1], "the wake, all the same")
    machine.file.rmdir()
    scratch.wait_for(lambda: len(machine.rows) == 1, "the row")
    own = machine.file.read_text().replace(" nothing", " the cat") + "It was the cat.\n"
    machine.file.write_text(own)
    machine.cut()
    machine.boot()

    machine.assert_recorded("orchestrator")
    assert machine.file.read_text().startswith(own)
    assert scratch.complaints.count("REBOOTS.md cannot be written") == 1


def test_loops_boot_shows_the_record_with_and_without_a_supervisor(machine: Machine) -> None:
    scratch = machine.scratch
    scratch.create(more=persistent(scratch, "orchestrator"), interval=1.0)
    assert "the project has not been up yet" in scratch.loops("boot", LOOPS_BOOT_ID="a" * 32).out
    machine.first_boot()
    wait_idle(scratch, "orchestrator")
    machine.cut()
    said = scratch.loops("boot", LOOPS_BOOT_ID="f" * 32).out
    assert "no reboot since the project first came up" in said
    assert f"this boot ({'f' * 32}) is not recorded yet" in said
    machine.boot()
    scratch.wait_for(lambda: machine.rows, "the row")
    wait_idle(scratch, "orchestrator")
    facts = json.loads(scratch.loops("boot", "--json").out)
    assert facts["boot"] == {"id": machine.boot_id, "known": machine.boot_id, "recorded": True}
    assert facts["file"] == str(machine.file)
    [reboot] = facts["reboots"]
    assert (reboot["count"], reboot["phase"], reboot["came_back"]) == (1, "", {"orchestrator": "resumed"})
    assert reboot["down_for"] == reboot["at"] - reboot["down_since"] >= 0
    machine.cut()
    lines = scratch.loops("boot").out.splitlines()
    assert lines[0].split() == ["#", "BACK", "DOWN", "SINCE", "DOWN", "FOR", "PHASE", "CAME", "BACK", "IN", "FLIGHT"]
    assert "orchestrator resumed" in lines[1]
    assert lines[2] == f"this boot ({machine.boot_id}) is recorded"
    hidden = scratch.loops("explain").out
    assert "the machine was rebooted (down since" in hidden


def test_every_agent_goes_on_in_its_conversation_and_is_told_why(machine: Machine) -> None:
    scratch = machine.scratch
    scratch.create([checked("1")], working=False, more=persistent(scratch, "orchestrator"), interval=1.0)
    machine.first_boot()
    wait_idle(scratch, "builder", "adversary", "orchestrator")
    before = {name: agent.conversation for name, agent in state_of(scratch).items()}
    machine.cut()
    machine.boot()
    wait_idle(scratch, "builder", "adversary", "orchestrator")
    for name in ("builder", "adversary", "orchestrator"):
        again = scratch.wait_event(
            ev.SessionStarting, "the resume", lambda e, n=name: (e.agent, e.incarnation) == (n, 2)
        )  # type: ignore[misc]
        assert (again.conversation, again.kickoff) == (before[name], "resume")
        told = [m.text for m in scratch.received(name) if m.kind == "kickoff"][-1]
        assert told.startswith("The machine rebooted: your session was restarted and this conversation goes on.")
        assert ("Phase 1: you are the scribe" in told) == (name != "orchestrator")
    machine.assert_recorded("orchestrator")


def state_of(scratch: Scratch) -> Mapping[str, AgentState]:
    """The agents as the journal tells them."""
    return peek(scratch.journal_directory).agents
