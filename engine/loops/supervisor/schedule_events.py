"""What the journal says of scheduled tasks.  ``due`` and ``following`` are wall times: epoch seconds, 0 = never again."""

from __future__ import annotations

from dataclasses import dataclass

from loops.supervisor.event import AboutAgent


@dataclass(frozen=True, slots=True)
class TaskScheduled(AboutAgent):
    """From now on the task is due next at ``due``, by ``schedule``."""

    type = "task.scheduled"
    at: float
    schedule: str
    due: float
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class TaskDue(AboutAgent):
    """The time ``due`` has come: one run is owed, whatever else was missed.  The next time is ``following``."""

    type = "task.due"
    at: float
    due: float
    following: float
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class TaskDeferred(AboutAgent):
    """The run that is owed waits for the end of a window, ``until`` (steady seconds) as it is known now."""

    type = "task.deferred"
    at: float
    until: float
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class TaskAsked(AboutAgent):
    """The run that is owed begins."""

    type = "task.asked"
    at: float
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class TaskPassedOver(AboutAgent):
    """The run that is owed is not done."""

    type = "task.passed"
    at: float
    why: str
    rule: str
