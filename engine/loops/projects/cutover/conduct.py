"""Carries a plan out, forward or back, step by step, over three ports: hands that act, a record, and an operator who is asked.

The order in which things are written and done is the point of this module: an intent before each step, its outcome
after its checks, and, right before any command that starts a supervisor, a look that the other side's is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from loops.projects.cutover.plan import Check, Command, Plan, Side, Step
from loops.projects.cutover.position import Course, Entry, Mark, Position, fold

SHOWN = 8
"""Complaints of one command that are repeated; all of them are in the record."""
_COMPLAINTS = ("FAIL", "MISSING", "DIFFERENT", "NO PARITY")
"""As doctor, selftest and parity begin the lines that say what is wrong."""


class Answer(Enum):
    """What the operator says to a step."""

    YES = "y"
    NO = "n"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.  ``code`` None: it did not end in time, or could not be started."""

    code: int | None
    output: str
    seconds: float


class Hands(Protocol):
    """Acts on the machine."""

    def run(self, command: Command) -> Outcome:
        """Run *command* to its end."""

    def settle(self, say: Callable[[str], None]) -> None:
        """Wait for the end of the command that a conductor before us, which was killed, has left running."""

    def lives(self, side: Side) -> str:
        """What of that side's supervision lives, in words; empty: nothing does."""

    def now(self) -> float:
        """The wall time, epoch seconds."""


class Book(Protocol):
    """The durable record."""

    entries: list[Entry]

    def append(self, entry: Entry) -> None:
        """Write *entry* durably."""


class Operator(Protocol):
    """Who decides."""

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        """Ask before a step.  *again*: it was begun before and interrupted."""

    def say(self, line: str) -> None:
        """Tell."""


@dataclass(slots=True)
class Conductor:
    """One cutover under way."""

    plan: Plan
    book: Book
    hands: Hands
    operator: Operator

    @property
    def position(self) -> Position:
        """Where it stands."""
        return fold(self.book.entries)

    def forward(self) -> Position:
        """Begin, or go on; a step that fails turns it around.  The plan is that of the record while it is midway."""
        self.hands.settle(self.operator.say)
        if not self.position.midway:
            self._write(Mark.BEGUN, detail=self.plan.digest)
        failed = self._lasting()
        if failed:
            self._write(Mark.FAILED, detail=failed)
            return self._turn(failed)
        for number, step in enumerate(self.plan.steps):
            position = self.position
            if step.id in position.done:
                continue
            again = position.inside == step.id
            answer = self.operator.ask(step, number, back=False, again=again)
            if answer is Answer.NO:
                self._write(Mark.PAUSED, step.id)
                return self.position
            if answer is Answer.BACK:
                return self._turn("the operator said so")
            failed = self._do(step, again=again)
            if failed:
                self.operator.say(f"FAILED  {step.title}: {failed}")
                self._write(Mark.FAILED, step.id, failed)
                return self._turn(f"step {step.id}: {failed}")
        self._write(Mark.ARRIVED)
        return self.position

    def back(self, *, ask: bool) -> Position:
        """Take back every step that stands, the last one first.  *ask*: the operator is asked before each."""
        self.hands.settle(self.operator.say)
        position = self.position
        partial = position.inside
        if position.course is not Course.BACK and position.course is not Course.STUCK:
            self._write(Mark.TURNED, detail=position.why or "the operator said so")
        elif position.course is Course.STUCK:
            self._write(Mark.TURNED, detail=f"again after: {position.why}")
        return self._backward(ask=ask, partial=partial)

    def _turn(self, why: str) -> Position:
        partial = self.position.inside
        self.operator.say(f"BACK    {why}")
        self._write(Mark.TURNED, detail=why)
        return self._backward(ask=False, partial=partial)

    def _backward(self, *, ask: bool, partial: str) -> Position:
        for step in self.plan.backward():
            position = self.position
            if step.id not in position.done:
                continue
            again = step.id in (partial, position.inside)
            if ask:
                answer = self.operator.ask(step, self.plan.steps.index(step), back=True, again=again)
                if answer is not Answer.YES and answer is not Answer.BACK:
                    self._write(Mark.PAUSED, step.id)
                    return self.position
            failed = self._undo(step, unsure=again)
            if failed:
                self.operator.say(f"STOPPED at {step.id}: {failed}")
                self._write(Mark.STUCK, step.id, f"step {step.id}, on the way back: {failed}")
                return self.position
        self._write(Mark.RETURNED)
        return self.position

    # ---- one step ------------------------------------------------------------------------------------------------------

    def _do(self, step: Step, *, again: bool) -> str:
        """Do a step; return what failed, empty when all is as it shall be."""
        if not again:  # a failed look before it leaves nothing to take back
            failed = self._verify(step, step.before)
            if failed:
                return failed
        self._write(Mark.DOING, step.id)
        if again and step.commands and not self._verify(step, step.after):
            self.operator.say(f"        {step.title}: was done before the interruption")
        else:
            failed = self._act(step, step.commands) or self._verify(step, step.after)
            if failed:
                return failed
        self._write(Mark.DONE, step.id)
        return ""

    def _undo(self, step: Step, *, unsure: bool) -> str:
        """Take a step back; return what failed.  *unsure*: it may have been done in part, or be taken back already."""
        self._write(Mark.UNDOING, step.id)
        way = step.back
        commands = way.commands
        starting = [each for each in commands if each.starts is not None]
        unsure = unsure or any(each.starts and self.hands.lives(each.starts) for each in starting)
        if starting and unsure and not self._verify(step, way.checks[-1:]):
            # What runs as it shall is not started a second time; all other commands may be given twice.
            self.operator.say(f"        {step.title}: it runs already")
            if not self._verify(step, way.checks[:-1]):  # the step failed before it did anything
                self._write(Mark.UNDONE, step.id)
                return ""
            commands = tuple(each for each in commands if each.starts is None)
        failed = self._act(step, commands) or self._verify(step, way.checks)
        if failed:
            return failed
        self._write(Mark.UNDONE, step.id)
        return ""

    def _act(self, step: Step, commands: Sequence[Command]) -> str:
        for command in commands:
            if command.starts is not None:
                other = self.hands.lives(command.starts.other)
                if other:
                    return f"nothing was started, for the {command.starts.other.value} side still lives: {other}"
            outcome = self._run(step, command)
            if outcome.code != 0 and not command.may_fail:
                return f"`{command}`: {_ended(outcome, command)}"
        return ""

    def _verify(self, step: Step, checks: Iterable[Check]) -> str:
        """Return what is not as it shall be, all of it: the operator wants to see every complaint at once."""
        failed = []
        for check in checks:
            outcome = self._run(step, check.command)
            missing = [each for each in check.shows if each not in outcome.output]
            if outcome.code != 0:
                failed.append(f"not so: {check.sees} ({_ended(outcome, check.command)})")
            elif missing:
                failed.append(f"not so: {check.sees} (`{check.command}` does not show {', '.join(missing)})")
            else:
                self.operator.say(f"  ok    {check.sees}")
        return "; ".join(failed)

    def _lasting(self) -> str:
        """What the steps that are done have left, and is no longer so.  Asked when it goes on."""
        done = self.position.done
        lasting = [
            (step, check) for step in self.plan.steps if step.id in done for check in step.after if check.lasting
        ]
        return "; ".join(filter(None, (self._verify(step, (check,)) for step, check in lasting)))

    def _run(self, step: Step, command: Command) -> Outcome:
        outcome = self.hands.run(command)
        self.book.append(
            Entry(Mark.RAN, self.hands.now(), step.id, "", str(command), outcome.code, outcome.output, outcome.seconds)
        )
        return outcome

    def _write(self, mark: Mark, step: str = "", detail: str = "") -> None:
        self.book.append(Entry(mark, self.hands.now(), step, detail))


def _ended(outcome: Outcome, command: Command) -> str:
    said = [line.strip() for line in outcome.output.splitlines() if line.strip()]
    told = [line for line in said if line.startswith(_COMPLAINTS)][:SHOWN] or said[-3:]
    words = f": {' / '.join(told)}" if told else ""
    if outcome.code is None:
        return f"it did not end within {command.timeout:g} s, or could not be started{words}"
    return f"exit {outcome.code}{words}"
