"""Looks at the processes of a live system: those of its cgroups, and those whose command line fits a pattern."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from loops.projects.untouched import procfs
from loops.projects.untouched.model import Process, Scope

ROOT = "/sys/fs/cgroup"


def look(scope: Scope) -> tuple[Process, ...]:
    """Return them by start and pid, without this command itself."""
    wanted = [re.compile(pattern) for pattern in scope.patterns]
    if not wanted and not scope.cgroups:
        return ()
    own = procfs.ourselves()
    found = []
    for pid in procfs.pids():
        if pid in own:
            continue
        argv = procfs.words(pid)
        groups = procfs.cgroups(pid)
        group = next((path for path in groups if _within(path, scope.cgroups)), "")
        if not group and not (argv and any(pattern.search(" ".join(argv)) for pattern in wanted)):
            continue
        start = procfs.start(pid)
        if not start:
            continue
        found.append(_process(pid, start, argv, group or (groups[0] if groups else "")))
    return tuple(sorted(found, key=lambda each: (each.start, each.pid)))


def _process(pid: int, start: int, argv: list[str], group: str) -> Process:
    return Process(
        pid,
        start,
        procfs.owner(pid),
        procfs.shown(argv),
        procfs.link(pid, "cwd"),
        procfs.link(pid, "exe"),
        group,
        procfs.parents(pid),
        procfs.mark(pid, argv),
    )


def in_scope(process: Process, scope: Scope) -> bool:
    """Whether it is in one of the cgroups that belong to the live system."""
    return _within(process.cgroup, scope.cgroups)


def _within(path: str, groups: Iterable[str]) -> bool:
    return any(path == group or path.startswith(group.rstrip("/") + "/") for group in groups)


def cgroup(named: str) -> str:
    """The cgroup's own path, as /proc/PID/cgroup names it, from that or from its directory."""
    path = os.path.normpath(named)
    if path != ROOT and not path.startswith(ROOT + "/"):
        return path
    inner = path[len(ROOT) :] or "/"
    first, _, rest = inner.lstrip("/").partition("/")
    # The older hierarchies have a directory each above their cgroups.
    older = first and not os.path.exists(f"{ROOT}/cgroup.controllers")
    return f"/{rest}" if older else inner
