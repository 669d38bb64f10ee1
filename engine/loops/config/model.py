"""The configuration as frozen facts: what agents.toml says once it has been checked and its defaults filled in.

Times are seconds.  Paths are absolute strings.  The JSON Schema ``schemas/agents.schema.json`` is the contract for the
file; these classes are what the rest of the engine sees of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Watch(Enum):
    """What the supervisor does for an agent by itself."""

    NONE = "none"
    HEAL = "heal"
    HEAL_STALL = "heal+stall"

    @property
    def heals(self) -> bool:
        """Whether a dead session is started again."""
        return self is not Watch.NONE

    @property
    def stalls(self) -> bool:
        """Whether an idle agent is nudged, then restarted."""
        return self is Watch.HEAL_STALL


class Kind(Enum):
    """How an agent lives: with the phases, for ever, once when asked, or as a plain command."""

    LOOP = "loop"
    PERSISTENT = "persistent"
    TASK = "task"
    SERVICE = "service"


class Delivery(Enum):
    """How the kickoff reaches an agent: as an argument, typed after the start, or inside the command itself."""

    ARG = "arg"
    PING = "ping"
    EXEC = "exec"


class Mode(Enum):
    """How an agent with a protocol of its own is driven."""

    HEADLESS = "headless"
    """By its protocol; the terminal shows a transcript."""
    TUI = "tui"
    """In its own terminal interface; hooks and server events tell its state."""


class Permissions(Enum):
    """What an agent may do without being asked."""

    READ = "read"
    ASK = "ask"
    EDITS = "edits"
    SKIP = "skip"


class Network(Enum):
    """What an isolated agent can reach."""

    OPEN = "open"
    NONE = "none"


class NoticeKind(Enum):
    """What the operator is told of by a notice."""

    REBOOT = "reboot"
    PHASE_DONE = "phase-done"
    FINISHED = "finished"
    CRASH_LOOP = "crash-loop"
    """An agent ends again and again, or cannot be started."""
    LIMIT = "limit"
    """A usage limit that lasts longer than ``limit_after``."""
    PROVIDER = "provider"
    """A provider that is away for longer than ``limit_after``."""
    BLOCKED = "blocked"
    """A login, credit, a model, ...: only somebody outside can put it right."""
    APPROVAL = "approval"
    """An agent waits for a person."""
    BUDGET = "budget"
    TAKEOVER = "takeover"
    """A supervisor took over from one that said no goodbye."""
    TASK_FAILED = "task-failed"
    TEST = "test"
    """`loops notify test`; it cannot be left out."""


class Granularity(Enum):
    """What one row of the token log stands for."""

    GATE = "gate"
    PHASE = "phase"


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first restart is immediate; the n-th after it waits up to ``first * factor**(n-1)`` seconds, or ``max``."""

    first: float = 1.0
    factor: float = 2.0
    max: float = 300.0
    jitter: float = 0.2
    healthy_after: float = 60.0
    park_after: int = 10
    """Failures in a row, each sooner than ``healthy_after``, after which the agent is parked (a visible crash loop)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; 0 = none.  ``wall`` is seconds."""

    tokens: int = 0
    usd: float = 0.0
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens.  ``cached``: input tokens that the provider's cache held."""

    input: float
    cached: float
    output: float


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The supervisor's times and limits."""

    signal_interval: float = 30.0
    """The net below the events: fetch, rescan, look again."""
    heavy_interval: float = 300.0
    """Of the earlier engine's format, and not used: exits are seen at once."""
    limit_probe_fallback: float = 300.0
    limit_reset_slack: float = 45.0
    stall_grace: float = 180.0
    hang_after: float = 1800.0
    """A turn without any output or event for this long hangs (a silent tool call may well take half an hour)."""
    stop_grace: float = 10.0
    """Between the polite end of a session and the kill."""
    restart_backoff: Backoff = field(default_factory=Backoff)
    budget: Budget = field(default_factory=Budget)
    approval_timeout: float = 3600.0
    log_tokens: bool = False
    token_granularity: Granularity = Granularity.GATE


@dataclass(frozen=True, slots=True)
class Notify:
    """Where notices go, and which.  With no channel nothing is sent.

    A file is an absolute path, or ``credential:NAME`` (`loops.secrets.credentials`).
    """

    urls: tuple[str, ...] = ()
    """Addresses in apprise's form; of those that hold a key no more than may be shown (`loops.config.addresses`)."""
    url_files: tuple[str, ...] = ()
    """Files that hold such addresses, one a line."""
    ntfy: str = ""
    """http(s) address of a topic."""
    ntfy_token_file: str = ""
    command: tuple[str, ...] = ()
    """Gets each notice as JSON on its standard input."""
    events: tuple[NoticeKind, ...] = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)
    limit_after: float = 7200.0
    per_hour: int = 12
    """Notices in any hour; what is more is put together into one."""

    @property
    def channels(self) -> bool:
        """Whether there is any way to send a notice."""
        return bool(self.urls or self.url_files or self.ntfy or self.command)


@dataclass(frozen=True, slots=True)
class Backend:
    """A command-line agent described by data (upstream format, section 1.4)."""

    name: str
    adapter: str = "command"
    """Which adapter of ``loops.agents`` drives it; the known names have their own, all others are ``command``."""
    bin: str = ""
    flags: tuple[str, ...] = ()
    resume_flags: tuple[str, ...] = ("--resume", "{id}")
    session_flags: tuple[str, ...] = ()
    """How a fresh conversation is given an id of our choice (``["--session-id", "{id}"]``); empty: it cannot be."""
    prompt_delivery: Delivery = Delivery.ARG
    process_name: str = ""
    submit_key: str = "Enter"
    stall_idle: float = 300.0
    active_re: str = ""
    limit_re: str = ""
    fatal_re: str = ""
    ready_re: str = ""
    dialog_re: str = ""
    remote_control: bool = False
    supports_resume: bool = False
    preamble: str = ""
    mode: Mode = Mode.HEADLESS
    home: Mapping[str, str] | None = None
    """Files for the private home, by their path there: a path, or ``credential:NAME``.  None: the backend's own login."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wake:
    """A nudge every ``interval`` seconds with the text of ``prompt_file``."""

    interval: float
    prompt_file: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, or one service (``kind`` SERVICE: then ``command`` is what runs)."""

    name: str
    session: str
    """The whole tmux session name: the prefix and the name, unless the file says otherwise."""
    kind: Kind
    dir: str
    role: str = ""
    backend: str = ""
    model: str = ""
    watch: Watch = Watch.NONE
    enabled: bool = True
    resume: bool = False
    prompt_file: str = ""
    wake: Wake | None = None
    schedule: str = ""
    """When a task is run by itself: a calendar expression (`loops.config.calendar`); empty: only when asked."""
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    mode: Mode | None = None
    """None: its backend's."""
    effort: str = ""
    permissions: Permissions = Permissions.SKIP
    isolate: bool | None = None
    """None: for kind LOOP where bubblewrap works and the backend is one with a protocol of its own."""
    blind: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: Network = Network.OPEN
    env_keep: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Variables whose values are credentials, by the names of these (`loops.secrets.credentials`)."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """How work passes between the agents.  ``builder`` and ``adversary`` are agents; there may be several reviewers."""

    repo: str
    branch: str = "main"
    remote: str = "origin"
    claim: str = "claim("
    review: str = "review("
    inbox: str = "machine-docs"
    builder: tuple[str, ...] = ("builder",)
    adversary: tuple[str, ...] = ("adversary",)


class Verdicts(Enum):
    """Whether an item needs a PASS."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    """Nobody reviews: that the item is claimed is enough, and the phase's checks judge."""


@dataclass(frozen=True, slots=True)
class Done:
    """When a phase may count as done."""

    marker: str = "## DONE"
    verdict_max_age: float = 86400.0
    verdicts: Verdicts = Verdicts.REQUIRED


@dataclass(frozen=True, slots=True)
class Item:
    """What needs a fresh PASS.  ``covers``: globs of the paths whose change makes a PASS stale (empty: all code)."""

    id: str
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of the plan."""

    id: str
    plan: str = ""
    """As the file writes it, for the kickoff names it to the agents; relative to the project, or to their clones."""
    status: str = ""
    """File name of the status document; ``STATUS-<id>.md`` unless the file says otherwise."""
    models: Mapping[str, str] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    checks: tuple[str, ...] = ()
    """Shell commands that the engine runs itself in a fresh clone of the claimed commit; all must exit 0."""
    check_timeout: float = 3600.0
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Loop:
    """The plan, and how the agents of kind LOOP move through it."""

    roles_dir: str = ""
    """Directory of the role files; empty: those that come with the engine."""
    kickoff_template: str = ""
    """Path of the template; empty: the one that comes with the engine."""
    handoff: Handoff | None = None
    on_complete: str = ""
    """Name of the task agent to run once after the last phase; empty: none."""
    done: Done = field(default_factory=Done)
    done_nudge: bool = True
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """One project, whole.  ``digest`` is the SHA-256 of the file's bytes (hex)."""

    path: str
    root: str
    digest: str
    session_prefix: str
    log_dir: str
    watchdog: Watchdog
    backends: Mapping[str, Backend]
    agents: Mapping[str, Agent]
    """Agents and services by name, in the order of the file."""
    loop: Loop
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By the name of the model."""
    notify: Notify = field(default_factory=Notify)
    notes: tuple[str, ...] = ()
    """Harmless things worth saying, such as a key that is accepted and ignored."""
