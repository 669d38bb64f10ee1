"""Asks the machine who could have caused what nobody explains: who has it open, works there, owns it, or is in a reflog."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loops.errors import LoopsError
from loops.projects.untouched import compare_running, procfs, repositories
from loops.projects.untouched.difference import fine_clock
from loops.projects.untouched.model import Baseline, Entry
from loops.projects.untouched.touch import Cause, Change, Thing, Touch
from loops.secrets.redaction import redact

MOST = 500
"""Touches that are looked into; who finds more has no use for hints."""
_FEW = 3
"""Processes, or lines of a reflog, that are named for one touch."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A process that was seen at a path.  ``mark``: by which it is ours."""

    pid: int
    command: str
    doing: str
    mark: str
    writes: bool = False

    def __str__(self) -> str:
        """As people read it."""
        return f"pid {self.pid} {self.doing}: {self.command}"


def witnessed(touches: Sequence[Touch], before: Baseline, after: Baseline) -> tuple[Touch, ...]:
    """Return *touches* with hints for those that nobody explains; what a process of ours has open is ours."""
    asked = [each for each in touches if each.cause is Cause.UNKNOWN][:MOST]
    if not asked:
        return tuple(touches)
    open_at, at_work = _sights({each.place for each in asked if each.thing is Thing.FILE})
    evidence = _Evidence(
        {each.path: each for each in after.entries},
        before.made,
        open_at,
        at_work,
        _Moves(before.made),
        any("watchdog" in name for name in compare_running.lived(before, after)),
    )
    known = set(map(id, asked))
    return tuple(_told(each, evidence) if id(each) in known else each for each in touches)


class _Moves:
    """The reflogs of each repository, read once."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._known: dict[str, list[tuple[str, str]]] = {}

    def of(self, path: str) -> list[tuple[str, str]]:
        if path not in self._known:
            try:
                self._known[path] = list(repositories.moves(path, self._since))
            except LoopsError:
                self._known[path] = []
        return self._known[path]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What was found out at once for all touches."""

    entries: Mapping[str, Entry]
    since: float
    open_at: Mapping[str, Sequence[Sight]]
    at_work: Mapping[str, Sequence[Sight]]
    moves: _Moves
    watched: bool
    """A watchdog of the live system lived through both looks."""


def _told(touch: Touch, evidence: _Evidence) -> Touch:
    hints: list[str] = []
    if touch.thing is Thing.FILE:
        sights = evidence.open_at.get(touch.place, ())
        ours = next((each for each in sights if each.mark and each.writes), None)
        if ours is not None:
            why = f"pid {ours.pid} has it open for writing, and is ours: {ours.mark}"
            return replace(touch, cause=Cause.OURS, why=why, hints=(*touch.hints, str(ours)))
        hints += map(str, sights[:_FEW])
        entry = evidence.entries.get(touch.place)
        if entry is not None:
            hints += _writer(touch, entry, evidence.since)
        # Who works right there is nearer than who works above.
        hints += [str(each) for each in evidence.at_work.get(os.path.dirname(touch.place), ())][:_FEW]
    elif touch.thing is Thing.GIT:
        path, _, what = touch.place.partition(": ")
        lines = [told for ref, told in evidence.moves.of(path) if _concerns(ref, what)]
        hints += [f"reflog: {redact(line)}" for line in dict.fromkeys(lines)][:_FEW]
    elif touch.thing is Thing.SESSION and touch.change is Change.REMOVED and evidence.watched:
        hints.append("its watchdog lives and may be about to restart it: check again in a while")
    return replace(touch, hints=(*touch.hints, *hints))


def _concerns(ref: str, what: str) -> bool:
    """Whether a line in the reflog of *ref* says something of *what*; of the index or worktree every one may."""
    return not what.startswith("refs/") or what in (ref, f"refs/{ref}", f"refs/heads/{ref}", f"refs/remotes/{ref}")


def _writer(touch: Touch, entry: Entry, since: float) -> Iterator[str]:
    when = (
        entry.ctime_ns if touch.change in (Change.MODE, Change.OWNER, Change.LINKS, Change.XATTRS) else entry.mtime_ns
    )
    between = "since the baseline" if when >= int(since * 1e9) else "before the baseline, if that can be believed"
    if touch.change not in (Change.INODE, Change.TIME):
        yield f"changed at {fine_clock(when)}, {between}; owner {_name(entry.uid)}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _sights(paths: set[str]) -> tuple[dict[str, list[Sight]], dict[str, list[Sight]]]:
    """Who has each of *paths* open, and who has its working directory where they lie.  One walk for all."""
    open_at: dict[str, list[Sight]] = {}
    at_work: dict[str, list[Sight]] = {}
    if not paths:
        return open_at, at_work
    directories = {os.path.dirname(path) for path in paths} | paths
    own = procfs.ourselves()
    for pid in procfs.pids():
        if pid in own:
            continue
        cwd = procfs.link(pid, "cwd")
        if cwd in directories:
            at_work.setdefault(cwd, []).append(_sight(pid, "works there"))
        for descriptor, target in procfs.opened(pid):
            if target in paths:
                writes = procfs.writes(pid, descriptor)
                doing = "has it open for writing" if writes else "has it open"
                open_at.setdefault(target, []).append(_sight(pid, doing, writes=writes))
    return open_at, at_work


def _sight(pid: int, doing: str, *, writes: bool = False) -> Sight:
    argv = procfs.words(pid)
    return Sight(pid, procfs.shown(argv), doing, procfs.mark(pid, argv), writes)
