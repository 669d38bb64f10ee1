"""What the supervisor does.  Every action is written into the journal as an intent before it is carried out."""

from __future__ import annotations

from dataclasses import dataclass

from loops.supervisor.events import MachineRebooted
from loops.supervisor.state import Notice as DueNotice
from loops.supervisor.state import Nudge
from loops.supervisor.turn_events import TokensMeasured


@dataclass(frozen=True, slots=True)
class Start:
    """Ask the holder for a session; idempotent by (agent, incarnation)."""

    agent: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class End:
    """End the session's whole tree: politely, then by force after ``grace`` seconds."""

    agent: str
    incarnation: int
    grace: float


@dataclass(frozen=True, slots=True)
class Send:
    """Type a nudge and verify that its turn starts; idempotent by the nudge's id and the incarnation."""

    agent: str
    incarnation: int
    nudge: Nudge


@dataclass(frozen=True, slots=True)
class Answer:
    """Write the answer to an approval where the agent's runner finds it; idempotent by the approval's id."""

    agent: str
    incarnation: int
    approval: str
    allow: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """Render the session's screen and read it."""

    agent: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RunChecks:
    """Run the phase's own checks in a fresh clone of ``commit``; idempotent by number."""

    phase: str
    commit: str
    number: int


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read the whole handoff branch again (a phase began: its documents have other names)."""


@dataclass(frozen=True, slots=True)
class LogTokens:
    """Bring the token log up to row ``upto``; idempotent, for every row has its number.

    ``row``: that row, when the one before it in the log is ``after``; None: whatever is missing is read from the journal.
    """

    upto: int
    after: int = 0
    row: TokensMeasured | None = None


@dataclass(frozen=True, slots=True)
class LogReboots:
    """Bring REBOOTS.md up to reboot number ``upto``; idempotent, for every row has its number.

    ``row``: that reboot, where it is at hand; whatever else is missing is read from the journal.
    """

    upto: int
    row: MachineRebooted | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the supervisor's log: something that the operator should hear of."""

    text: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Send these as one notice.  Never asked for twice.  ``lost``: how many before it did not get through."""

    notices: tuple[DueNotice, ...]
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """Everything has ended as asked: the supervisor ends too."""


Action = Start | End | Send | Answer | Look | RunChecks | ReadHistory | LogTokens | LogReboots | Notice | Notify | Leave
