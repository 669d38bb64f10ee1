"""Where a cutover stands, as a fold of its record: pure.

The record has an intent before every step, in either direction, and an outcome after it.  An intent without its outcome
is a step in which the cutover was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Mark(Enum):
    """What one entry of the record says."""

    BEGUN = "begun"
    """A plan begins from its start (``detail``: its digest)."""
    DOING = "doing"
    """Intent: a step forward."""
    DONE = "done"
    """The step is done, and its checks have passed."""
    FAILED = "failed"
    """The step, or a check of it, failed (``detail``: how)."""
    TURNED = "turned"
    """From here the way leads back (``detail``: why)."""
    UNDOING = "undoing"
    """Intent: a step is taken back."""
    UNDONE = "undone"
    """It is taken back, and its checks have passed."""
    STUCK = "stuck"
    """Even the way back failed (``detail``: how): only the operator can go on from here."""
    PAUSED = "paused"
    """The operator wants no more for now."""
    ARRIVED = "arrived"
    """All steps are done."""
    RETURNED = "returned"
    """All steps are taken back."""
    RAN = "ran"
    """A command or a check ended (for the reader; it moves nothing)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.  ``at``: wall time, epoch seconds."""

    mark: Mark
    at: float = 0.0
    step: str = ""
    detail: str = ""
    command: str = ""
    code: int | None = None
    """None: it did not end by itself in time, or could not be started."""
    output: str = ""
    seconds: float = 0.0


class Course(Enum):
    """Where it goes."""

    NOWHERE = "not begun"
    FORWARD = "going forward"
    BACK = "going back"
    ARRIVED = "done"
    RETURNED = "taken back"
    STUCK = "stopped"


@dataclass(frozen=True, slots=True)
class Position:
    """Where the cutover stands."""

    course: Course = Course.NOWHERE
    plan: str = ""
    """The digest of the plan."""
    done: tuple[str, ...] = ()
    """Ids of the steps that stand, in their order; on the way back the last of them is the next to be taken back."""
    inside: str = ""
    """The step that was begun and has no outcome, in the direction of ``course``."""
    why: str = ""
    """Why it turned, failed or stopped."""

    @property
    def midway(self) -> bool:
        """Whether the machine is on neither of the two sides."""
        return self.course in (Course.FORWARD, Course.BACK, Course.STUCK)


def fold(entries: Iterable[Entry]) -> Position:
    """The position after *entries*."""
    position = Position()
    for entry in entries:
        position = _after(position, entry)
    return position


def _after(p: Position, entry: Entry) -> Position:
    match entry.mark:
        case Mark.BEGUN:
            return Position(Course.FORWARD, entry.detail)
        case Mark.DOING:
            return replace(p, course=Course.FORWARD, inside=entry.step)
        case Mark.DONE:
            return replace(p, done=(*p.done, entry.step), inside="")
        case Mark.FAILED:
            return replace(p, why=entry.detail)
        case Mark.TURNED:
            # A step that was begun may have done a part of its work: it is taken back as if it were done.
            done = (*p.done, p.inside) if p.inside and p.inside not in p.done else p.done
            return replace(p, course=Course.BACK, done=done, inside="", why=entry.detail)
        case Mark.UNDOING:
            return replace(p, course=Course.BACK, inside=entry.step)
        case Mark.UNDONE:
            return replace(p, done=tuple(each for each in p.done if each != entry.step), inside="")
        case Mark.STUCK:
            return replace(p, course=Course.STUCK, why=entry.detail)
        case Mark.ARRIVED:
            return replace(p, course=Course.ARRIVED, inside="")
        case Mark.RETURNED:
            return replace(p, course=Course.RETURNED, inside="")
        case Mark.PAUSED | Mark.RAN:
            return p
