"""What an operator asked to be looked at, checked: all that is wrong with it is told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from loops.errors import UsageError
from loops.projects.untouched import processes, repositories, terminals
from loops.projects.untouched.model import Scope


def scope(
    paths: Sequence[str] = (),
    *,
    sockets: Sequence[str] = (),
    all_sockets: bool = False,
    patterns: Sequence[str] = (),
    cgroups: Sequence[str] = (),
    units: Sequence[str] = (),
    repos: Sequence[str] = (),
    ports: bool = False,
    to: str = "",
) -> Scope:
    """Return it with absolute paths.  *to*: where the baseline shall be.  UsageError: each mistake, a line each."""
    roots = _roots(paths)
    found = Scope(
        roots=roots,
        sockets=tuple(dict.fromkeys(map(os.path.abspath, sockets))),
        socket_directories=terminals.places() if all_sockets else (),
        patterns=tuple(patterns),
        cgroups=tuple(map(processes.cgroup, cgroups)),
        units=tuple(units),
        repositories=tuple(dict.fromkeys(map(os.path.realpath, repos))),
        ports=ports,
    )
    wrong = [*_wrong_paths(paths, roots, to), *_wrong_words(found, cgroups)]
    if found == Scope():
        wrong.append(
            "there is nothing to look at: name a PATH, or one of --tmux, --process, --cgroup, --unit, --repo, --ports"
        )
    if wrong:
        raise UsageError("\n".join(wrong))
    return found


def _roots(paths: Sequence[str]) -> tuple[str, ...]:
    """Each once, a symlink with what it leads to, and without those that are below another."""
    named = dict.fromkeys(os.path.abspath(path) for path in paths)
    # A link that is named is meant as what it leads to; it is looked at too, for it can be led elsewhere.
    wanted = dict.fromkeys([*named, *map(os.path.realpath, named)])
    trees = [path for path in wanted if os.path.isdir(path) and not os.path.islink(path)]
    return tuple(sorted(path for path in wanted if not any(_below(path, tree) for tree in trees)))


def _below(path: str, tree: str) -> bool:
    return path != tree and path.startswith(tree.rstrip("/") + "/") and os.path.realpath(path) == path


def _wrong_paths(paths: Sequence[str], roots: Sequence[str], to: str) -> Iterator[str]:
    yield from (f"{path}: there is no such file or directory" for path in paths if not os.path.exists(path))
    if not to:
        return
    place = os.path.realpath(os.path.dirname(os.path.abspath(to)))
    for root in roots:
        if place == root or _below(place, root):
            yield f"{to}: is inside {root}, so that writing it would touch what must stay untouched: name another place"
    if os.path.lexists(to):
        yield f"{to}: is there already, and a baseline is never replaced: name another file"
    elif not os.path.isdir(place):
        yield f"{place}: there is no such directory for the baseline: make it, or name another place"


def _wrong_words(found: Scope, cgroups: Sequence[str]) -> Iterator[str]:
    for pattern in found.patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"--process {pattern}: is no regular expression: {error}"
    for given, path in zip(cgroups, found.cgroups, strict=True):
        if not path.startswith("/") or (given.startswith(processes.ROOT) and not os.path.isdir(given)):
            yield f"--cgroup {given}: there is no such cgroup; `cat /proc/PID/cgroup` names that of a process"
    yield from (f"--unit {name}: is no name of a unit" for name in found.units if not name or name.startswith("-"))
    for path in found.repositories:
        seen = repositories.look(path)
        if seen.unseen:
            yield f"--repo {path}: {seen.unseen}"
