"""What the journal says of an agent's conversation: turns, limits, questions, what was used and what may be used."""

from __future__ import annotations

from dataclasses import dataclass

from loops.supervisor.event import AboutAgent, AboutPhase

# ---- conversations ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConversationKnown(AboutAgent):
    type = "session.conversation"
    at: float
    conversation: str


@dataclass(frozen=True, slots=True)
class ConversationChanged(AboutAgent):
    """The backend was to resume ``asked`` and goes by ``conversation``, which is used from now on."""

    type = "session.conversation_changed"
    at: float
    asked: str
    conversation: str


@dataclass(frozen=True, slots=True)
class ConversationRefused(AboutAgent):
    """The backend named a conversation that the journal knows as another agent's."""

    type = "session.conversation_refused"
    at: float
    conversation: str
    owner: str
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class ConversationDropped(AboutAgent):
    """The next start is a fresh one."""

    type = "session.conversation_dropped"
    at: float
    conversation: str
    why: str
    rule: str


# ---- turns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted(AboutAgent):
    type = "turn.started"
    at: float
    nudge: str = ""


@dataclass(frozen=True, slots=True)
class TurnCompleted(AboutAgent):
    """``waiting_until``: steady seconds, 0 when the agent named none."""

    type = "turn.completed"
    at: float
    waiting_until: float = 0.0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TurnGoesOn(AboutAgent):
    """A long turn was looked at: it printed something at ``last_output``."""

    type = "turn.observed"
    at: float
    last_output: float


@dataclass(frozen=True, slots=True)
class StallSuspected(AboutAgent):
    type = "stall.suspected"
    at: float
    why: str
    rule: str


@dataclass(frozen=True, slots=True)
class SignalsRead(AboutAgent):
    """How far the agent's signals file has been taken over (bytes)."""

    type = "signals.read"
    offset: int


# ---- holds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HoldBegan(AboutAgent):
    """A limit window, a provider that is away, or a block: nothing is healed, nudged or woken until ``until``."""

    type = "limit.reached"
    at: float
    kind: str
    """limit, provider, or a `loops.supervisor.remedies.REMEDIES` kind."""
    until: float
    probes: int
    text: str
    why: str
    rule: str
    open: bool = False
    """The agent tries again by itself in the turn that met it: that turn's success ends the hold."""


@dataclass(frozen=True, slots=True)
class HoldTold(AboutAgent):
    """A block, or a hold that lasts longer than ``notify.limit_after``: told once.  ``since``: when it was first met."""

    type = "limit.told"
    at: float
    kind: str
    since: float
    rule: str


@dataclass(frozen=True, slots=True)
class HoldEnded(AboutAgent):
    """``proven``: a turn went through, or somebody said so; else only its window has passed."""

    type = "limit.cleared"
    at: float
    why: str
    rule: str
    proven: bool = True


# ---- questions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuestionAsked(AboutAgent):
    """``id`` empty: an unknown dialog; else an approval that `loops approve` can answer until ``expires``."""

    type = "approval.requested"
    at: float
    id: str
    text: str
    expires: float = 0.0


@dataclass(frozen=True, slots=True)
class ApprovalAnswered(AboutAgent):
    """The intent to answer: written before the agent is told."""

    type = "approval.answered"
    at: float
    id: str
    allow: bool
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QuestionEnded(AboutAgent):
    """``outcome``: granted, denied or expired; answered (a dialog was closed); ended (nobody waits for it any more)."""

    type = "approval.ended"
    at: float
    id: str
    outcome: str
    by: str = ""
    reason: str = ""


# ---- what was used, and what may be used ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UsageUpdated(AboutAgent):
    """One request, or the rest of a turn.  ``usd`` None: neither the backend nor the price table says what it cost."""

    type = "usage.updated"
    at: float
    phase: str
    input_tokens: int
    output_tokens: int
    usd: float | None
    cached_tokens: int = 0
    model: str = ""
    basis: str = "backend"
    """Who says the cost: backend, prices or nobody ("")."""
    rest: bool = False
    """Not a request: what the requests of this turn, which were told before, left out."""
    covers: int = 0
    """Of their tokens, those that were told at an unknown cost: ``usd`` is theirs too."""


@dataclass(frozen=True, slots=True)
class TokensMeasured(AboutPhase):
    """A gate or a phase came to its end: one row of the token log.

    ``agents``: by name what it used since the last row about it (a gate), or in the whole phase (`loops.supervisor.tokens`).
    """

    type = "tokens.measured"
    at: float
    row: int
    gate: str
    kind: str
    """claim, verdict or phase."""
    seconds: float
    agents: dict[str, dict[str, float | int | str | None]]
    logged: bool = False
    """Whether it is a row of the token log too (`watchdog.log_tokens`, `token_granularity`)."""


@dataclass(frozen=True, slots=True)
class BudgetExceeded(AboutAgent):
    """``scope``: agent, phase or project; ``measure``: tokens, usd or wall; ``limit``: as it was."""

    type = "budget.exceeded"
    at: float
    why: str
    rule: str
    scope: str = "agent"
    measure: str = ""
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class BudgetRenewed(AboutAgent):
    """The agent may go on.  ``afresh``: what ``scope`` has used so far counts no more."""

    type = "budget.renewed"
    at: float
    scope: str
    afresh: bool
    why: str
    rule: str
