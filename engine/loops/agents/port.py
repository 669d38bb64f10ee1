"""The port between the engine and an agent's command line.

An *adapter* knows one family of agent programs.  It is pure: it turns an `Order` into a `Launch`, a text into
keystrokes, and what was seen (a line of a structured stream, a hook's line, a screen) into `Signal` facts.  It starts
nothing and reads nothing itself, so a structured protocol (JSON lines both ways, SSE) needs no other port: its runner
writes the lines, and `read_line` understands them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loops.config.model import Permissions

# ---- what the engine asks for --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """Start one agent.  ``conversation``: the id to resume; empty means a fresh conversation."""

    agent: str
    session: str
    role: str
    model: str
    directory: str
    kickoff: str
    conversation: str = ""
    resume: bool = False
    fresh_id: str = ""
    """An unused UUID 4 for a fresh conversation, where the agent lets us choose: adapters are pure and draw none."""
    task: bool = False
    """Run once and exit (kind ``task``), rather than wait for the next message."""
    incarnation: int = 1
    state_dir: str = ""
    """The project's ``state`` directory: recordings and private homes are below it."""
    runtime_dir: str = ""
    """The project's directory for sockets (short)."""
    signals: str = ""
    """The file of this incarnation's signals."""
    effort: str = ""
    permissions: Permissions = Permissions.SKIP
    approval_timeout: float = 3600.0
    hang_after: float = 1800.0
    """Seconds after which a turn without any sign hangs (``watchdog.hang_after``)."""
    wrap: tuple[str, ...] = ()
    """Words before the agent's program: its sandbox."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run.  ``typed`` is a kickoff that must be typed once the agent is ready (delivery "ping")."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    typed: str = ""
    conversation: str = ""
    """The conversation's id when the adapter could assign it before the start."""
    files: tuple[tuple[str, bytes], ...] = ()
    """Files that must stand before the start: absolute path and content, mode 0600."""


@dataclass(frozen=True, slots=True)
class Typing:
    """How to put one message into an agent's terminal: ``paste``, a pause of ``pause`` seconds, then ``submit``."""

    paste: bytes
    submit: bytes
    pause: float = 0.15
    confirm: float = 5.0
    """Seconds within which the turn must start; then the submit key is pressed again, never the text."""
    presses: int = 3


# ---- what the engine learns ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The agent shows an empty prompt."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A prompt was taken up.  ``nudge`` names it when the agent can tell."""

    nudge: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The agent stopped.  ``waiting_until``: epoch seconds until which it said it would wait."""

    waiting_until: float | None = None
    failed: bool = False
    """It came to no good end (its own signal says how): it proves nothing about the provider."""


@dataclass(frozen=True, slots=True)
class Working:
    """The screen, or an event, shows that a turn or a tool is running."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing on the screen shows work.  ``waiting_until`` as in `TurnEnded`."""

    waiting_until: float | None = None


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A usage limit.  ``resets_at``: epoch seconds, None when it could not be told."""

    text: str
    resets_at: float | None = None
    structured: bool = False
    retries: bool = False
    """The agent tries again by itself at the reset: its turn is still open."""


@dataclass(frozen=True, slots=True)
class LimitCleared:
    """The agent works again although a limit was in force."""


@dataclass(frozen=True, slots=True)
class ProviderUnavailable:
    """The provider does not answer; the agent retries or has given up."""

    text: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A turn failed for a reason that only somebody outside can change.

    ``kind``: auth, billing, model_not_found, denied (every action was refused), config or other.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """This conversation cannot go on (a poisoned history, say): only a fresh one helps."""

    text: str
    resume: bool = False
    """It could not even be resumed: the backend does not have it."""


@dataclass(frozen=True, slots=True)
class DialogShown:
    """A question that the engine does not know: shown to the operator, never answered by guess."""

    text: str


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The agent may not go on before somebody answers."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ApprovalEnded:
    """``outcome``: granted, denied or expired."""

    id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ConversationNamed:
    """The id under which this conversation can be resumed."""

    id: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of one request: input including cache, output including reasoning."""

    input_tokens: int
    output_tokens: int
    usd: float | None = None
    """None: the backend reports no cost."""
    cached_tokens: int = 0
    """Of the input: read from the provider's cache."""
    model: str = ""
    turn: bool = False
    """Told at the end of a turn: what its requests left out, if they were told.  ``usd`` is the whole turn's."""


Signal = (
    Ready
    | TurnStarted
    | TurnEnded
    | Working
    | Idle
    | LimitReached
    | LimitCleared
    | ProviderUnavailable
    | Blocked
    | Fatal
    | DialogShown
    | ApprovalAsked
    | ApprovalEnded
    | ConversationNamed
    | UsageReported
)


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal shows: its rendered lines, top to bottom, without escapes and trailing blanks."""

    lines: tuple[str, ...]
    ours: tuple[str, ...] = ()
    """Texts that the engine typed into it lately: what they say is no evidence (upstream incident 4)."""


class Adapter(Protocol):
    """One family of agent programs; see the module's text."""

    structured: bool
    """Whether the agent reports its own turns (hooks, events): then the screen is never asked whether it is idle."""
    screens: bool
    """Whether its screen can show what nothing else tells: all there is to know, or, where it is structured, a dialog
    before its first event."""

    def launch(self, order: Order) -> Launch:
        """Return what to run for *order*."""

    def typing(self, text: str) -> Typing:
        """Return how *text* is typed into the terminal and submitted."""

    def read_line(self, line: bytes) -> Sequence[Signal]:
        """Read one line of the agent's own events (its signals file).  Unknown lines give nothing."""

    def read_screen(self, screen: Screen, now: float) -> Sequence[Signal]:
        """Read a screen at *now* (epoch seconds): the evidence of the lowest trust."""
