"""One difference between two looks: what, where, before, after, and who could have caused it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Thing(Enum):
    """What was looked at."""

    FILE = "file"
    TMUX = "tmux"
    """A server of tmux."""
    SESSION = "session"
    PROCESS = "process"
    UNIT = "unit"
    GIT = "git"
    PORT = "port"
    MACHINE = "machine"


class Change(Enum):
    """What became of it."""

    ADDED = "added"
    REMOVED = "removed"
    APPENDED = "appended"
    """The old content is still there in front of the new."""
    CONTENT = "content"
    REPLACED = "replaced"
    """The same content in another inode: deleted and made again, or renamed over."""
    TYPE = "type"
    MODE = "mode"
    OWNER = "owner"
    TARGET = "target"
    XATTRS = "xattrs"
    TIME = "time"
    LINKS = "links"
    """A hard link to it was made or removed: who writes through the other name writes here."""
    INODE = "inode"
    """Nothing is different but the time at which its inode was changed last."""
    HIDDEN = "hidden"
    """It could be seen before."""
    RESTARTED = "restarted"
    """The same by name, with another process."""
    CHILD = "child"
    """It came or went below a process that lived through both looks."""
    WINDOWS = "windows"
    STATE = "state"
    MOVED = "moved"
    """A ref or HEAD."""
    INDEX = "index"
    WORKTREE = "worktree"
    STASH = "stash"
    WORKTREES = "worktrees"
    CONFIG = "config"
    REBOOTED = "rebooted"


class Cause(Enum):
    """Who could have caused a difference."""

    OURS = "ours"
    """It carries loops' own marks."""
    UNKNOWN = "unknown"
    LIVE = "live"
    """A rule knows it as the live system's own doing."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One difference."""

    thing: Thing
    place: str
    change: Change
    before: str
    after: str
    cause: Cause = Cause.UNKNOWN
    why: str = ""
    """The reason of that cause."""
    rule: str = ""
    """The id of the rule that explains it."""
    hints: tuple[str, ...] = ()
    """What helps to find out who it was."""
    beside: bool = False
    """It is ours and new, and is on nothing that belongs to the live system."""

    @property
    def alarming(self) -> bool:
        """Whether the live system must be called touched."""
        return self.cause is Cause.UNKNOWN or (self.cause is Cause.OURS and not self.beside)
