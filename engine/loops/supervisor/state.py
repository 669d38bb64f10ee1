"""The supervisor's state: frozen facts, a fold of the journal and of nothing else.

Times are steady seconds: they look like epoch seconds but never jump (`loops.supervisor.clock`).  0 means "not set".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from loops.config.model import Config, NoticeKind
from loops.protocol.evidence import PhaseEvidence

KNOWN_CONVERSATIONS = 100
KNOWN_EVENTS = 500
"""Events, the latest, of which is remembered that a notice told them."""
LOST_NOTICES = 20
"""Undelivered notices that are remembered in words; the others are counted."""


class Life(Enum):
    """Where an agent's session is."""

    OFF = "off"
    """Not running; started as soon as it is wanted."""
    ENDED = "ended"
    """Ended by itself and not healed (watch "none", a finished task): only the operator or a new phase starts it."""
    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"
    BACKOFF = "backoff"
    PARKED = "parked"


class Asked(Enum):
    """What the operator last said about one agent."""

    NOTHING = "nothing"
    UP = "up"
    DOWN = "down"


class Turn(Enum):
    """What the agent is doing as far as its backend can tell."""

    UNKNOWN = "unknown"
    WORKING = "working"
    IDLE = "idle"


class NudgeKind(Enum):
    KICKOFF = "kickoff"
    CLAIM = "claim"
    VERDICT = "verdict"
    MESSAGE = "message"
    INBOX = "inbox"
    REFUSAL = "refusal"
    STALL = "stall"
    PROBE = "probe"
    WAKE = "wake"
    REBOOT = "reboot"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Nudge:
    id: str
    kind: NudgeKind
    text: str
    cause: str
    queued_at: float
    sending: int = 0
    """The incarnation it is being typed into; 0: it waits."""
    retry_at: float = 0.0
    tries: int = 0
    """How often it was typed and no turn began."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A limit window (``kind`` "limit"), a provider that is away ("provider"), or a block (`remedies.REMEDIES`)."""

    kind: str
    until: float
    probes: int
    text: str
    since: float = 0.0
    """When it began or was last renewed: only a turn that begins later can prove that it is over."""
    open: bool = False
    """The turn that met it goes on trying by itself: so that turn can prove it too."""
    began: float = 0.0
    """When it was first met, before all renewals and probes."""
    told: bool = False
    """It lasts so long that the journal says so, and perhaps a notice."""


@dataclass(frozen=True, slots=True)
class Approval:
    """The agent may not go on before somebody answers, or ``expires``."""

    id: str
    text: str
    since: float
    expires: float
    answer: str = ""
    """granted or denied, as soon as somebody said so; the agent's own word ends it."""
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    at: float
    code: int | None
    signal: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: input including cache, output including reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    """As far as it is known."""
    cached_tokens: int = 0
    unpriced: int = 0
    """Of all the tokens: those whose cost nobody knows."""

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> float | None:
        """USD; None: nobody knows it of any part (never 0 for that)."""
        return None if self.unpriced > 0 and not self.usd else self.usd

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
            self.cached_tokens + other.cached_tokens,
            self.unpriced + other.unpriced,
        )


@dataclass(frozen=True, slots=True)
class Spend:
    """What budgets measure.  ``wall``: seconds."""

    tokens: int = 0
    usd: float = 0.0
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Over:
    """The budget that stopped an agent, and its limit then: a higher one lets the agent go on."""

    scope: str
    measure: str
    limit: float
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentState:
    """All that is known of one agent or service."""

    name: str
    life: Life = Life.OFF
    asked: Asked = Asked.NOTHING
    since: float = 0.0
    """When ``life`` last changed."""
    running_since: float = 0.0
    """When this incarnation's session began to run."""
    incarnation: int = 0
    pid: int = 0
    phase: str = ""
    model: str = ""
    backend: str = ""
    conversation: str = ""
    unproven: Hold | None = None
    """The hold whose window passed while the agent did not run, until a turn shows whether it is over."""
    last_hold: str = ""
    """Text of the limit that was over last, until the next turn begins: its banner may still be on the screen."""
    resuming: bool = False
    """The living session was started to resume ``conversation`` and has not yet begun a turn."""
    fresh_next: bool = False
    again: bool = False
    """An ending session is started again when it has ended."""
    failures: int = 0
    restart_at: float = 0.0
    last_exit: Exit | None = None
    restarts: int = 0
    turn: Turn = Turn.UNKNOWN
    turn_since: float = 0.0
    waiting_until: float = 0.0
    stalled_at: float = 0.0
    """When the stall nudge of this silence was queued; 0: none yet."""
    stall_rounds: int = 0
    """Restarts for a stall since the last real work: each doubles the patience, so that a stuck agent costs ever less."""
    last_output: float = 0.0
    """Last known output or event of a long turn (output is only looked up when the turn seems to hang)."""
    once_model: str = ""
    once_backend: str = ""
    """One-shot overrides: used by the next start, then forgotten."""
    hold: Hold | None = None
    question: str = ""
    """The text of an unknown dialog."""
    approvals: tuple[Approval, ...] = ()
    denied_by_hand: bool = False
    """A person has denied something in the present turn."""
    nudges: tuple[Nudge, ...] = ()
    wake_at: float = 0.0
    signals_offset: int = 0
    task_wanted: bool = False
    """A task agent that was asked for and has not ended yet."""
    words: str = ""
    """What the operator asked of the task beyond its prompt, for the run that goes on or begins."""
    shown: bool = False
    """The task ended by itself, and its last screen is kept to be looked at."""
    schedule: str = ""
    """The schedule that ``due`` comes from; it may differ from that of a file that has just changed."""
    due: float = 0.0
    """When a task is due next.  This and the two below are wall times (epoch seconds); 0: never."""
    due_last: float = 0.0
    owed: float = 0.0
    """The due time whose run has not begun yet."""
    owed_until: float = 0.0
    """Until when (steady seconds) that run waits for a window; 0: for none."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """By phase id ("" outside any phase)."""
    last_request: Usage = Usage()
    """Its last request: what the next one of an open turn may well use.  Its money where only whole turns are priced: the
    last turn's."""
    uncosted: Usage = Usage()
    """The requests of the open turn whose cost the backend has not told, ``usd`` being that of the price table."""
    since_row: Usage = Usage()
    """Used since the last row of the token log that is about this agent."""
    row_at: float = 0.0
    ran: float = 0.0
    """Seconds for which its earlier sessions ran."""
    base: Spend = Spend()
    """What had been used when its budget was last renewed."""
    over: Over | None = None
    hangs: int = 0
    """Turns in a row that hung without any word of the model."""
    resume_failed: bool = False
    """A resume failed, and no turn has begun since."""
    conversations: tuple[str, ...] = ()
    """The ids that were ever this agent's, the latest last (no more than `KNOWN_CONVERSATIONS`)."""
    not_isolated: str = ""
    """Why the living session is not isolated although it should be."""
    blind: tuple[str, ...] = ()
    """Patterns that are kept out of its clone now."""
    why: str = ""
    """The last reason for a change of ``life``."""
    reboot: int = 0
    """The number of the reboot that took its session, until a turn begins in another one."""

    @property
    def alive(self) -> bool:
        return self.life in (Life.STARTING, Life.RUNNING, Life.ENDING)

    @property
    def runs(self) -> bool:
        """Whether its running time counts now."""
        return self.life in (Life.RUNNING, Life.ENDING)

    @property
    def asks(self) -> bool:
        """Whether it waits for a person: a dialog, or an approval without an answer."""
        return bool(self.question) or any(not approval.answer for approval in self.approvals)


@dataclass(frozen=True, slots=True)
class Check:
    """The engine's own run of a phase's checks at ``commit``; ``ok`` None while it runs."""

    phase: str
    commit: str
    number: int
    ok: bool | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where the sequence of phases stands."""

    index: int = -1
    phase: str = ""
    since: float = 0.0
    head: str = ""
    """The last commit of the handoff branch that was taken in."""
    evidence: PhaseEvidence = field(default_factory=lambda: PhaseEvidence(""))
    check: Check | None = None
    checks_run: int = 0
    refused: tuple[str, ...] = ()
    """The commit and the reasons of the last refusal, until that commit is superseded: so it is said once."""
    done: tuple[str, ...] = ()
    complete: bool = False
    base: Spend = Spend()
    """What the phase had used when its budget was last renewed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that the operator is to be told, and has not been yet."""

    id: str
    kind: NoticeKind
    text: str
    at: float
    sending: bool = False
    tries: int = 0
    retry_at: float = 0.0
    settled: tuple[str, ...] = ()
    """The channels that get it no more: they have it, or nobody knows."""
    reason: str = ""
    """Why the last try failed."""


@dataclass(frozen=True, slots=True)
class Notices:
    """What the operator is to be told, was told, and could not be told."""

    count: int = 0
    """How many were ever due: the source of their ids."""
    waiting: tuple[Notice, ...] = ()
    recent: tuple[float, ...] = ()
    """When notices were sent within the last hour, tests not counted."""
    told: tuple[str, ...] = ()
    """The latest events that were made a notice of (`fold_notices.named`): none is told twice."""
    lost: tuple[Notice, ...] = ()
    """Those that were given up since one got through last."""
    lost_count: int = 0


@dataclass(frozen=True, slots=True)
class State:
    config: Config | None = None
    refused_config: str = ""
    """Digest of the last refused edit, so that it is reported once."""
    agents: Mapping[str, AgentState] = field(default_factory=dict)
    loop: LoopState = field(default_factory=LoopState)
    up: bool = False
    stopped: bool = False
    """Emergency stop: nothing is started until the operator says up."""
    nudges: int = 0
    """How many nudges were ever queued: the source of their ids."""
    spent: Usage = Usage()
    """Of all agents together, for the project's budget."""
    base: Spend = Spend()
    """What the project had used when its budget was last renewed."""
    running: int = 0
    """How many agents (not services) run now."""
    running_since: float = 0.0
    ran: float = 0.0
    """Seconds for which any agent ran, until ``running_since``."""
    rows: int = 0
    """How many gates and phases were ever measured."""
    logged: int = 0
    """The last of them that is a row of the token log."""
    notices: Notices = Notices()
    epoch: int = 0
    watching: bool = False
    """A supervisor began and has not said goodbye: it runs, or it was killed."""
    boot_id: str = ""
    """The last that is known: it stays when a supervisor cannot tell."""
    reboots: int = 0
    """How often the machine went down under the project."""
    steady: float = 0.0
    """The time of the last event; the steady clock never goes below it, even across a reboot."""
