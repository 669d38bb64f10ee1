"""What the supervisor writes into the journal: one frozen class an event, and nothing else changes its state.

Every event that is a decision carries ``why`` (what was observed, in words) and ``rule`` (a name in
`loops.supervisor.rules`), so that ``loops explain`` needs no second source.  Times are steady seconds (see
`loops.supervisor.clock`); field values are plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from loops.supervisor.carried_events import StateCarried as StateCarried
from loops.supervisor.event import AboutAgent as AboutAgent
from loops.supervisor.event import AboutPhase as AboutPhase
from loops.supervisor.event import Event as Event
from loops.supervisor.notice_events import *  # noqa: F403  (their names are this module's too)
from loops.supervisor.schedule_events import *  # noqa: F403
from loops.supervisor.turn_events import *  # noqa: F403

# ---- the supervisor itself -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SupervisorStarted(Event):
    type = "supervisor.started"
    at: float
    pid: int
    epoch: int
    boot_id: str
    version: str
    adopted: int = 0


@dataclass(frozen=True, slots=True)
class MachineRebooted(Event):
    """The machine went down under the project, and is back.  ``count``: how often that has happened so far."""

    type = "machine.rebooted"
    at: float
    """When the supervisor was there again."""
    count: int
    boot_id: str
    previous: str
    """The boot id before."""
    down_since: float
    """The last that is known of the time before."""
    phase: str
    in_flight: tuple[str, ...]
    """What was under way, in words."""
    document: Any
    """The same as facts (`loops.supervisor.in_flight.facts`)."""


@dataclass(frozen=True, slots=True)
class SupervisorEnded(Event):
    type = "supervisor.ended"
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class ConfigLoaded(Event):
    """``document`` is the whole configuration (`loops.config.encode`), so that a replay needs no other file."""

    type = "config.loaded"
    at: float
    digest: str
    document: Any


@dataclass(frozen=True, slots=True)
class ConfigRefused(Event):
    type = "config.refused"
    at: float
    digest: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorAsked(Event):
    """``verb``: up, down, run, estop.  ``names`` empty means all.  The overrides hold for the next start only, as do the
    ``words`` for a task, and ``fresh``: without a conversation from before."""

    type = "operator.asked"
    at: float
    verb: str
    names: tuple[str, ...] = ()
    model: str = ""
    backend: str = ""
    words: str = ""
    fresh: bool = False


# ---- sessions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarting(AboutAgent):
    """The intent: written before the holder is asked."""

    type = "session.starting"
    at: float
    incarnation: int
    conversation: str
    fresh_id: str
    phase: str
    model: str
    backend: str
    kickoff: str
    """Which text it gets: kickoff, prompt, resume, or none."""
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class AgentConfined(AboutAgent):
    """What the agent can see from this start on, besides the system, its program and the engine; paths are absolute.

    ``lack``: why it is not isolated, and sees what its user sees; then the rest is empty.
    """

    type = "session.confined"
    at: float
    incarnation: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    network: str
    lack: str = ""


@dataclass(frozen=True, slots=True)
class AgentBlinded(AboutAgent):
    """From now on these patterns are kept out of the agent's clone; none: it shows everything."""

    type = "session.blinded"
    at: float
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionStarted(AboutAgent):
    type = "session.started"
    at: float
    incarnation: int
    pid: int


@dataclass(frozen=True, slots=True)
class SessionFailed(AboutAgent):
    """It could not be started at all."""

    type = "session.failed"
    at: float
    incarnation: int
    reason: str
    delay: float
    parked: bool


@dataclass(frozen=True, slots=True)
class SessionEnding(AboutAgent):
    """The intent to end a session; ``again``: start it once more when it has ended."""

    type = "session.ending"
    at: float
    incarnation: int
    again: bool
    fresh: bool
    grace: float
    why: str
    rule: str
    delay: float = 0.0
    """Seconds from now before which it is not started again."""
    failures: int = 0
    """Failures in a row, this one included when it is one."""


@dataclass(frozen=True, slots=True)
class SessionEnded(AboutAgent):
    """``delay`` < 0: it is not started again by itself."""

    type = "session.ended"
    at: float
    incarnation: int
    code: int | None
    signal: int | None
    lived: float
    delay: float
    failures: int
    parked: bool
    why: str
    rule: str
    over_since: float = 0.0
    """When it really ended, where it is told later (it was lost with the machine); 0: at ``at``."""


@dataclass(frozen=True, slots=True)
class SessionCancelled(AboutAgent):
    """A restart that was waiting for its time is no longer wanted."""

    type = "session.cancelled"
    at: float
    why: str
    rule: str


# ---- nudges --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NudgeQueued(AboutAgent):
    type = "nudge.queued"
    at: float
    id: str
    kind: str
    text: str
    cause: str
    """What it is about: a commit, a file, a time; with ``kind`` it makes a nudge unique."""
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class NudgeSending(AboutAgent):
    type = "nudge.sending"
    at: float
    id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class NudgeDelivered(AboutAgent):
    type = "nudge.delivered"
    at: float
    id: str


@dataclass(frozen=True, slots=True)
class NudgeReturned(AboutAgent):
    """It did not get through; it stays in the queue and is tried again no sooner than ``retry_at``."""

    type = "nudge.returned"
    at: float
    id: str
    reason: str
    retry_at: float
    tries: int = 0
    """How often it was typed and no turn began."""


@dataclass(frozen=True, slots=True)
class NudgeDropped(AboutAgent):
    type = "nudge.dropped"
    at: float
    id: str
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class WakeScheduled(AboutAgent):
    type = "wake.scheduled"
    at: float
    due: float


# ---- handoff, phases -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitSeen(AboutPhase):
    type = "commit.seen"
    at: float
    sha: str
    author: str
    subject_line: str
    kind: str
    labels: tuple[str, ...] = ()
    """The gates or items that it names."""


@dataclass(frozen=True, slots=True)
class EvidenceTaken(AboutPhase):
    """What the pushed commits up to ``head`` prove for the phase (`loops.protocol.evidence.encode`)."""

    type = "evidence.taken"
    at: float
    head: str
    document: Any


@dataclass(frozen=True, slots=True)
class HistoryRewritten(Event):
    type = "history.rewritten"
    at: float
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class CheckStarted(AboutPhase):
    type = "check.started"
    at: float
    commit: str
    number: int


@dataclass(frozen=True, slots=True)
class CheckCompleted(AboutPhase):
    type = "check.completed"
    at: float
    commit: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class DoneRefused(AboutPhase):
    type = "done.refused"
    at: float
    commit: str
    rules: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseStarted(AboutPhase):
    type = "phase.started"
    at: float
    index: int
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class PhaseDone(AboutPhase):
    type = "phase.done"
    at: float
    commit: str
    items: tuple[str, ...]
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class SequenceCompleted(Event):
    """The last phase is done.  ``task``: the on_complete agent, which runs once; empty: none."""

    type = "sequence.completed"
    at: float
    phases: int
    task: str


# ---- encoding ------------------------------------------------------------------------------------------------------


def _leaves(base: type[Event]) -> dict[str, type[Event]]:
    found: dict[str, type[Event]] = {}
    for each in base.__subclasses__():
        if each.type:
            found[each.type] = each
        found.update(_leaves(each))
    return found


TYPES: dict[str, type[Event]] = _leaves(Event)
_FIELDS: dict[str, tuple[str, ...]] = {name: tuple(f.name for f in fields(kind)) for name, kind in TYPES.items()}


def encode(event: Event) -> dict[str, Any]:
    """Return the event's ``data`` object."""
    return {name: getattr(event, name) for name in _FIELDS[event.type]}


def decode(type_name: str, data: dict[str, Any]) -> Event | None:
    """Return the event, or None for a type this version does not know (a later engine wrote it)."""
    kind = TYPES.get(type_name)
    if kind is None:
        return None
    known = {name: data[name] for name in _FIELDS[type_name] if name in data}
    for name, value in known.items():
        if type(value) is list:
            known[name] = tuple(value)
    return kind(**known)
