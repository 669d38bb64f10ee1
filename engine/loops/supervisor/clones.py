"""Where the remote-tracking ref of each clone lies, and which directories tell of its changes.

Nothing here runs git: a ref is one small file, or a line of ``packed-refs``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from loops.config.model import Handoff
from loops.supervisor.inotify import Inotify

_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Clones:
    """The clones of one project.  What does not exist yet is waited for in the nearest directory that does."""

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._ref = ""
        self._paths: tuple[str, ...] = ()
        self._watched: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def watch(self, clones: Iterable[str], handoff: Handoff) -> None:
        """Watch the branch's remote-tracking ref in each of *clones*."""
        self._ref = f"refs/remotes/{handoff.remote}/{handoff.branch}"
        self._paths = tuple(dict.fromkeys(clones))
        self._watched.clear()
        for clone in self._paths:
            self._watch(clone)

    def _watch(self, clone: str) -> None:
        git_dir = git_directory(clone)
        # A push makes the directories of a ref too, and one that is not there yet cannot be watched.
        wanted = {clone} if git_dir is None else {git_dir, os.path.dirname(os.path.join(git_dir, self._ref))}
        for directory in wanted:
            while not self._inotify.watch(directory) and directory != os.path.dirname(directory):
                directory = os.path.dirname(directory)
            self._watched.setdefault(directory, set()).add(clone)

    def changed(self, directory: str) -> tuple[str, ...]:
        """The clones to look at now that something changed in *directory*; what appeared meanwhile is watched."""
        clones = tuple(self._watched.get(directory, ()))
        for clone in clones:
            self._watch(clone)
        return clones

    def ref(self, clone: str) -> str:
        """The commit that the branch had on the remote when the clone last spoke to it; "" when it never did."""
        git_dir = git_directory(clone)
        return read_ref(git_dir, self._ref) if git_dir is not None else ""


def git_directory(clone: str) -> str | None:
    """The directory in which the clone's refs live (a worktree and a submodule point elsewhere); None: it is no clone."""
    path = os.path.join(clone, ".git")
    if os.path.isdir(path):
        return path
    head, _, target = _first_line(path).partition(": ")
    if head != "gitdir":
        return None
    git_dir = os.path.realpath(os.path.join(clone, target))  # which may lead over links
    shared = _first_line(os.path.join(git_dir, "commondir"))
    return os.path.realpath(os.path.join(git_dir, shared))


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.readline(4096)).rstrip("\n")
    except OSError:
        return ""


def read_ref(git_dir: str, ref: str) -> str:
    """The commit that *ref* names, loose or packed; "" when there is none, or no commit stands there."""
    try:
        with open(os.path.join(git_dir, ref), "rb") as file:
            return _commit(file.read(128).strip())
    except OSError:
        pass
    name = os.fsencode(ref)
    try:
        with open(os.path.join(git_dir, "packed-refs"), "rb") as file:
            for line in file:
                value, _, found = line.rstrip(b"\n").partition(b" ")
                if found == name:
                    return _commit(value)
    except OSError:
        pass
    return ""


def _commit(value: bytes) -> str:
    return value.decode() if _COMMIT.fullmatch(value) else ""
