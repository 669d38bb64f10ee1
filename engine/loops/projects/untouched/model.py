"""One look at a live system, as frozen facts: files, terminals, processes, units, repositories and ports.

Digests are SHA-256 in hex; times of files are nanoseconds since the epoch; a process's ``start`` is in clock ticks after
boot (with its pid it names the process for ever).  What could not be seen is said so, and is never taken for absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from loops.projects.untouched.rules import Rule
from loops.projects.untouched.touch import Thing

VERSION = 1
"""Of the form of a baseline."""


class Kind(Enum):
    """What a path is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Head:
    """The first ``size`` bytes of a file: how a log is known that only grew."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One path.  Only a regular file is ever opened, and only it has a ``digest``."""

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    """Of the last change of the inode itself: nobody can set it back."""
    device: int
    inode: int
    links: int
    digest: str = ""
    target: str = ""
    """Of a symlink."""
    xattrs: str = ""
    """Digest of the extended attributes (access lists too); empty: none."""
    unread: str = ""
    """Why its content, or what is in it, could not be read."""
    head: Head | None = None
    """Of a later look: as much of it as there was in the earlier one."""


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane of tmux.  ``mark``: by what its process is known as loops' own; empty: it is not."""

    id: str
    pid: int
    start: int
    """0: it lives no more, or cannot be seen."""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of tmux.  ``created``: epoch seconds."""

    id: str
    name: str
    created: int
    windows: int
    panes: tuple[Pane, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A socket of tmux.  ``pid`` 0: nobody answers at it, or it cannot be asked (``unseen`` says why)."""

    socket: str
    pid: int
    start: int
    sessions: tuple[Session, ...] = ()
    mark: str = ""
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """One process.  ``cwd``, ``exe`` and ``cgroup`` are empty where they may not be read."""

    pid: int
    start: int
    uid: int
    command: str
    """Without secrets."""
    cwd: str
    exe: str
    cgroup: str
    parents: tuple[int, ...] = ()
    """The pids above it, the nearest first, without the first process of all."""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of systemd.  ``invocation`` is another at each start of it."""

    name: str
    load: str
    active: str
    sub: str
    invocation: str
    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref of git, and what it points to."""

    name: str
    object: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A path of a worktree that differs from what is committed, as ``git status --porcelain=v2`` tells it.

    ``state`` ends with the digest of what the path holds now: a changed file can be changed again.
    """

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository or one of its worktrees.  ``head``: the branch's full name, or a commit."""

    path: str
    head: str
    refs: tuple[Ref, ...] = ()
    stashes: tuple[str, ...] = ()
    worktrees: tuple[str, ...] = ()
    config: str = ""
    """Digest of its configuration."""
    index: str = ""
    """Digest of what is staged, whatever git keeps beside it for speed."""
    status: tuple[Changed, ...] = ()
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for others.  ``pids``: who has it open, as far as that may be seen."""

    protocol: str
    """tcp, tcp6, udp, udp6 or unix."""
    address: str
    inode: int
    uid: int
    pids: tuple[int, ...] = ()
    command: str = ""
    """Of the first of them."""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be looked at."""

    thing: Thing
    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.  Paths are absolute."""

    roots: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    socket_directories: tuple[str, ...] = ()
    """Every socket of tmux in them."""
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched in command lines."""
    cgroups: tuple[str, ...] = ()
    """As /proc/PID/cgroup names them; what is below belongs to them."""
    units: tuple[str, ...] = ()
    """Names or globs."""
    repositories: tuple[str, ...] = ()
    ports: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """One look.  ``made``: epoch seconds; ``boot``: the kernel's boot id; ``uid``: who looked."""

    made: float
    host: str
    boot: str
    uid: int
    scope: Scope
    entries: tuple[Entry, ...] = ()
    """By path."""
    servers: tuple[Server, ...] = ()
    processes: tuple[Process, ...] = ()
    units: tuple[Unit, ...] = ()
    repositories: tuple[Repository, ...] = ()
    listeners: tuple[Listener, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    rules: tuple[Rule, ...] = ()
    """What the operator knows of this live system's own ways."""
