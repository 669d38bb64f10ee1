"""What the supervisor asks of the holder, and what it is told: facts only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpawnOrder:
    """Start one incarnation of a session.  ``env`` is its whole environment; ``log_path`` empty means no log.

    The log is rotated when it would grow beyond ``log_bytes``; ``log_keep`` files are kept in all.
    """

    name: str
    incarnation: int
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    rows: int = 50
    cols: int = 200
    log_path: str = ""
    log_bytes: int = 10_000_000
    log_keep: int = 3


@dataclass(frozen=True, slots=True)
class Held:
    """A session as the holder knows it.

    ``start_time`` is field 22 of /proc/PID/stat: with the pid it names one process for ever.  Of a dead session,
    ``code`` or ``signal`` says how it ended; both are None when nobody could tell.  ``last_output`` is in seconds of
    CLOCK_BOOTTIME, ``total`` in bytes since the incarnation began; both are as of the last message that told them.
    """

    name: str
    incarnation: int
    pid: int
    start_time: int
    alive: bool
    code: int | None
    signal: int | None
    core: bool
    total: int
    last_output: float
    written: tuple[str, ...]
    human: bool
    quiet: float
    rows: int
    cols: int
    log_path: str
    log_bytes: int
    log_keep: int


@dataclass(frozen=True, slots=True)
class Spawned:
    """It runs.  Told again when the same incarnation is ordered again."""

    name: str
    incarnation: int
    pid: int
    start_time: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """It does not run.  ``reason`` names path, rule and remedy; ``errno`` EBUSY: an earlier incarnation lives."""

    name: str
    incarnation: int
    errno: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """It ended, and all it printed is in ring and log.  Neither ``code`` nor ``signal``: nobody could tell."""

    name: str
    incarnation: int
    pid: int
    code: int | None
    signal: int | None
    core: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The terminal took all bytes of a write; ``repeated``: it had taken them before, and nothing was typed now."""

    name: str
    id: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class NotWritten:
    """Nothing was typed.  ``reason``: "human" (a person's line is open), "full", or "gone"."""

    name: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Activity:
    """The first output after a silence; ``at`` in seconds of CLOCK_BOOTTIME."""

    name: str
    total: int
    at: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """A watched session printed nothing for the time that was set."""

    name: str
    total: int
    at: float


@dataclass(frozen=True, slots=True)
class HumanLine:
    """A person began a line in the session's terminal, or ended it."""

    name: str
    open: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest output, as `HolderClient.ask_tail` asked for it."""

    name: str
    tag: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The holder would not renew itself, or quit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """A supervisor of a higher epoch took over: act no more."""

    epoch: int


@dataclass(frozen=True, slots=True)
class HolderEnds:
    """The holder was told to end, and ends every session: they are held no more, and `HolderGone` follows."""


@dataclass(frozen=True, slots=True)
class HolderGone:
    """The connection ended.  The sessions live: start a holder (`launch.ensure_holder`) and connect again."""


Event = (
    Spawned
    | SpawnFailed
    | Exited
    | Written
    | NotWritten
    | Activity
    | Quiet
    | HumanLine
    | Tail
    | Refused
    | Superseded
    | HolderEnds
    | HolderGone
)
