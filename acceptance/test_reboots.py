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
from pathlib import Path
from typing import TypeVar

import pytest
from loops.journal import verify
from loops.protocol.reboots import Reboot, parse_reboots
from loops.sessions.launch import ensure_holder
from loops.supervisor import events as ev
from loops.supervisor.run import supervisor_command
from scratch import Scratch, checked, persistent, polled
from test_faults_of_surroundings import power_cut
from test_nineteen_phases import assert_nothing_lost_or_doubled

LONGEST = 90.0
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
            timeout=30.0,
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
        recorded = scratch.events(ev.MachineRebooted)
        numbers = list(range(1, self.boots - self.unrecorded))
        assert [e.count for e in recorded] == numbers
        assert len({e.boot_id for e in recorded}) == len(recorded)
        scratch.wait_for(lambda: len(self.rows) >= len(numbers), "the rows of REBOOTS.md", 10)
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
