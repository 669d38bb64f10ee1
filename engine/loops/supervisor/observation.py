"""What the supervisor can see.  ``at`` is the steady time of the observation; `decide` knows no other clock."""

from __future__ import annotations

from dataclasses import dataclass

from loops.agents.port import Signal
from loops.config.model import Config
from loops.protocol.evidence import Commit, Documents


@dataclass(frozen=True, slots=True)
class Adopted:
    """One session that the holder had when this supervisor connected."""

    name: str
    incarnation: int
    pid: int
    alive: bool
    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """The supervisor has started (again) and knows what the holder holds.

    ``up``: the operator asked for the project.  ``boot_id``: empty where it cannot be told.  ``down_since``: the steady
    time of the last event that the journal had when this supervisor opened it; 0: it was there all the time, and has
    found another holder.  ``unsure``: notices that were being sent when an earlier one ended.
    """

    at: float
    pid: int
    epoch: int
    boot_id: str
    version: str
    sessions: tuple[Adopted, ...] = ()
    up: bool = False
    down_since: float = 0.0
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigRead:
    """agents.toml as it is now.  ``document``: its encoded form where it is at hand already (22 ms for a thousand agents)."""

    at: float
    config: Config
    document: object = None


@dataclass(frozen=True, slots=True)
class ConfigBroken:
    at: float
    digest: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spawned:
    at: float
    agent: str
    incarnation: int
    pid: int


@dataclass(frozen=True, slots=True)
class Confined:
    """An agent that should be isolated is about to start.  ``lack``: why it is not; then the rest says nothing."""

    at: float
    agent: str
    incarnation: int
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: str = ""
    lack: str = ""


@dataclass(frozen=True, slots=True)
class Blinded:
    """These patterns are kept out of the agent's clone now; none: it shows everything."""

    at: float
    agent: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpawnRefused:
    at: float
    agent: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A session's process ended.  Both ``code`` and ``signal`` None: nobody could say how."""

    at: float
    agent: str
    incarnation: int
    code: int | None
    signal: int | None


@dataclass(frozen=True, slots=True)
class Signalled:
    """The backend said something.  ``offset``: how far its signals file has been read now (-1: not from the file).

    Wall times inside the signals have been turned into steady seconds.
    """

    at: float
    agent: str
    incarnation: int
    signals: tuple[Signal, ...]
    offset: int = -1


@dataclass(frozen=True, slots=True)
class Looked:
    """The session's screen was rendered and read at ``at``."""

    at: float
    agent: str
    incarnation: int
    signals: tuple[Signal, ...]
    last_output: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A verified send has ended.  ``outcome``: delivered, unconfirmed, human, gone."""

    at: float
    agent: str
    nudge: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """New commits on the handoff branch, oldest first, with the phase's documents where a commit changed them.

    ``quiet``: history from before this engine looked; it is evidence, but nobody is nudged about it.
    ``inbox``: (file name, digest, sender's commit) of inbox files that these commits brought and left in place.
    """

    at: float
    head: str
    commits: tuple[tuple[Commit, Documents | None], ...]
    inbox: tuple[tuple[str, str, str], ...] = ()
    quiet: bool = False
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class CheckEnded:
    at: float
    phase: str
    commit: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """The operator's word.  ``verb``: up, down, estop, phase (``detail``: an id, a number from 1, or "next"),
    nudge (``detail``: the text), notify (a test), answered (a dialog), approve and deny (``approval``: its id;
    ``detail``: the reason), run (``detail``: words for the agent; ``fresh``: never what runs already, or a conversation
    from before), due (a timer of the service manager's: the task's time has come, at the wall time ``wall``)."""

    at: float
    verb: str
    names: tuple[str, ...] = ()
    detail: str = ""
    model: str = ""
    backend: str = ""
    approval: str = ""
    fresh: bool = False
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Timed:
    """The wall clock was looked at for a scheduled task.  ``wall``: what it said.  ``following``: the first time of
    ``schedule`` after that, 0: never.  ``ours``: it is we who run the task then, and not a timer of a service manager."""

    at: float
    agent: str
    schedule: str
    wall: float
    following: float
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Carried:
    """What another supervisor had reached with this project, before the first start under this one.

    ``index`` < 0: no phase.  ``conversations``: pairs of an agent and the id by which it can be resumed.  ``again``: it
    counts more than a state that the project has already, as long as that is down.
    """

    at: float
    source: str
    index: int
    complete: bool
    conversations: tuple[tuple[str, str], ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class NoticeTried:
    """A notice was sent, or not.  ``failed``: channels that did not take it, and why; ``unknown``: that may have."""

    at: float
    ids: tuple[str, ...]
    delivered: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Departs:
    """The supervisor ends in good order; its sessions go on.  ``why``: at whose word."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A timer of these agents is due ("" stands for the project itself)."""

    at: float
    agents: tuple[str, ...]


Observation = (
    Began
    | ConfigRead
    | ConfigBroken
    | Confined
    | Blinded
    | Spawned
    | SpawnRefused
    | Exited
    | Signalled
    | Looked
    | Sent
    | Pushed
    | CheckEnded
    | Told
    | Carried
    | NoticeTried
    | Departs
    | Timed
    | Tick
)
