"""What a project's life amounts to: frozen facts, gathered from its journal and from nothing else.

Times are the journal's steady seconds, which look like epoch seconds; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from loops.supervisor.spending import Spent, cost_text, together
from loops.supervisor.state import Usage


class Cause(Enum):
    """Why a session was started."""

    FIRST = "first start"
    HEAL = "heal"
    RETRY = "retry of a start that failed"
    PHASE = "new phase"
    ASKED = "asked for"
    STRAY = "found alive, and not known to the journal"


@dataclass(frozen=True, slots=True)
class Span:
    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Session:
    """One incarnation of an agent or service."""

    incarnation: int
    span: Span
    cause: Cause
    why: str
    rule: str
    phase: str
    model: str
    backend: str
    kickoff: str
    alive: bool = False
    failed: bool = False
    """It never came to be."""
    killed: bool = False
    """A signal that nobody of us sent ended it."""
    ending: str = ""
    """How and why it ended, in words."""


@dataclass(frozen=True, slots=True)
class Window:
    """A limit window (``kind`` "limit") or a provider that was away ("provider")."""

    kind: str
    span: Span
    probes: int
    why: str


@dataclass(frozen=True, slots=True)
class NudgeLife:
    """One nudge from its reason to its end."""

    id: str
    kind: str
    cause: str
    why: str
    rule: str
    queued: float
    delivered: tuple[float, ...] = ()
    returned: int = 0
    dropped: str = ""
    """Why it was dropped; empty: it was not."""


@dataclass(frozen=True, slots=True)
class Lane:
    """All that happened to one agent or service."""

    agent: str
    kind: str
    """loop, persistent, task or service; empty: not in the configuration."""
    sessions: tuple[Session, ...] = ()
    turns: tuple[Span, ...] = ()
    windows: tuple[Window, ...] = ()
    nudges: tuple[NudgeLife, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """By phase id ("" outside any phase)."""

    @property
    def restarts(self) -> int:
        return max(0, len(self.sessions) - 1)

    @property
    def heals(self) -> int:
        return sum(1 for session in self.sessions if session.cause is Cause.HEAL)

    @property
    def worked(self) -> float:
        """Seconds inside turns."""
        return sum(turn.length for turn in self.turns)

    @property
    def waited(self) -> float:
        """Seconds inside limit windows."""
        return sum(window.span.length for window in self.windows)

    @property
    def tokens(self) -> int:
        return sum(usage.input_tokens + usage.output_tokens for usage in self.usage.values())


class Mark(Enum):
    """What a point in a phase's life is."""

    CLAIM = "claim"
    PASS = "PASS"
    FAIL = "FAIL"
    UNCLEAR = "unclear verdict"
    MESSAGE = "message"
    REFUSED = "done refused"
    CHECKED = "checks succeeded"
    CHECK_FAILED = "checks failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Entry:
    """One point in a phase's life.  ``details``: the verdicts of a review, the reasons of a refusal."""

    at: float
    mark: Mark
    commit: str
    author: str
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseLife:
    """One stay in a phase."""

    id: str
    index: int
    span: Span
    done: bool
    items: tuple[str, ...]
    why: str
    entries: tuple[Entry, ...]

    left: bool = False
    """It was left without being done: the operator moved on."""

    def count(self, *marks: Mark) -> int:
        return sum(1 for entry in self.entries if entry.mark in marks)


@dataclass(frozen=True, slots=True)
class Watch:
    """One life of the supervisor.  ``took_over``: the one before it never said that it ended.

    ``reboot``: the number of the reboot that had ended that one; 0: none had.
    """

    at: float
    pid: int
    epoch: int
    version: str
    adopted: int
    took_over: bool
    reboot: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of the sequence.  ``task``: the on_complete agent, with how it ended."""

    at: float
    task: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Line:
    """One event in words."""

    at: float
    group: str
    """sessions, turns, limits, nudges, handoff, supervisor: what the page lets a reader hide."""
    subject: str
    text: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """A project's life.  ``verified``: whether the journal's chain was checked and is whole; None: nobody looked."""

    project: str
    span: Span
    lanes: tuple[Lane, ...]
    phases: tuple[PhaseLife, ...]
    planned: int
    """How many phases the last configuration has."""
    watches: tuple[Watch, ...]
    completions: tuple[Completion, ...]
    complete: bool
    lines: tuple[Line, ...]
    records: int
    problems: tuple[str, ...]
    spent: tuple[Spent, ...] = ()
    """What was used, by agent, phase, gate and model."""
    approvals: Mapping[str, int] = field(default_factory=dict)
    """How many approvals came to which outcome."""
    verified: bool | None = None
    verification: str = ""
    """What the verification said, in words."""

    @property
    def took(self) -> float:
        """Seconds from the first event to the completion of the sequence, else to the end of the report."""
        return self.completions[-1].at - self.span.start if self.complete and self.completions else self.span.length

    @property
    def done(self) -> int:
        return len({phase.id for phase in self.phases if phase.done})

    @property
    def heals(self) -> int:
        return sum(lane.heals for lane in self.lanes)

    @property
    def restarts(self) -> int:
        return sum(lane.restarts for lane in self.lanes)

    @property
    def waited(self) -> float:
        return sum(lane.waited for lane in self.lanes)

    @property
    def tokens(self) -> int:
        return sum(lane.tokens for lane in self.lanes)

    @property
    def cost(self) -> str:
        """USD in words; empty when nothing was used."""
        whole = together(self.spent, ())
        return f"{cost_text(whole[0].usd, whole[0].unpriced)} USD" if whole else ""

    @property
    def takeovers(self) -> int:
        return sum(1 for watch in self.watches if watch.took_over and not watch.reboot)

    @property
    def reboots(self) -> int:
        return sum(1 for watch in self.watches if watch.reboot)

    @property
    def queued(self) -> int:
        return sum(len(lane.nudges) for lane in self.lanes)

    @property
    def delivered(self) -> int:
        return sum(1 for lane in self.lanes for nudge in lane.nudges if nudge.delivered)

    @property
    def dropped(self) -> int:
        return sum(1 for lane in self.lanes for nudge in lane.nudges if nudge.dropped and not nudge.delivered)

    @property
    def doubled(self) -> int:
        """Nudges that came through more than once, plus those that say a second time what one said before."""
        return sum(len(doubles(lane)) for lane in self.lanes)

    def count(self, *marks: Mark) -> int:
        return sum(phase.count(*marks) for phase in self.phases)


EDGES = ("claim", "verdict", "message", "inbox", "reboot")
"""Kinds of nudges of which one push, or one reboot, may cause only one."""


def doubles(lane: Lane) -> list[NudgeLife]:
    """The nudges that this agent got twice."""
    found: list[NudgeLife] = []
    known: set[tuple[str, str]] = set()
    for nudge in lane.nudges:
        said = (nudge.kind, nudge.cause)
        # An open claim is said again on purpose when the operator moves the phase or the history was rewritten.
        again = nudge.kind in EDGES and nudge.rule != "open-claim" and said in known
        if len(nudge.delivered) > 1 or (nudge.delivered and again):
            found.append(nudge)
        if nudge.delivered:
            known.add(said)
    return found
