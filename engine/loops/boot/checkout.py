"""The checkout of a project's own repository: brought to the revision that is wanted, and nobody's work in it is thrown away.

Changed files are an error, and commits made there stay under ``refs/loops/kept``.  A checkout that a power cut or a kill
breaks off is made good at the next start: git alone would take the files that it had written for somebody's changes.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from loops.boot.git import FETCH_WITHIN, GIT_WITHIN, git, git_or_none
from loops.errors import LoopsError
from loops.places import CONFIG_NAME

PREPARED = "refs/loops/prepared"
"""What was checked out here last."""
BEFORE, UNDER_WAY = "refs/loops/before", "refs/loops/under-way"
"""From what, and to what, a checkout is being made; the second stands exactly as long as it may be half done."""
KEPT = "refs/loops/kept"
REMOTE = "refs/loops/source"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checkout:
    """What shall stand in ``root``; ``source`` and ``revision`` as in `loops.boot.prepare.Wanted`.

    ``settings``: agents.toml is written from elsewhere, hence no change of anybody's.
    """

    root: str
    source: str
    revision: str
    settings: bool


def check_out(wanted: Checkout, say: Say) -> None:
    """Bring it to what is *wanted*.

    Raises:
        LoopsError: the source cannot be had, or the checkout has changes that would be written over.
    """
    root = wanted.root
    if not os.path.isdir(os.path.join(root, ".git")):
        git(root, "init", "--quiet", "--initial-branch=main")
    _drop_stale_lock(os.path.join(root, ".git", "index.lock"))
    if broken_off := _commit(root, UNDER_WAY):
        _make_good(root, broken_off)
        say(f"{root}: a checkout of {broken_off[:12]} had been broken off, and is made good")
    target = _find(wanted, say)
    if not target or target == _commit(root, PREPARED):
        return
    head = _commit(root, "HEAD")
    if head and head != _commit(root, PREPARED):  # somebody committed here: it stays reachable
        git(root, "update-ref", f"{KEPT}/{head}", head)
    if wanted.settings:
        _give_way(root, target)
    _begin(root, head, target)
    try:
        # What .gitignore names is somebody's work too: without the option git writes over it.
        why = "its own changes are in the way; commit them elsewhere, or undo them"
        git(root, "checkout", "--quiet", "--detach", "--no-overwrite-ignore", target, why=why)
    except LoopsError as error:
        if "Aborting" in str(error):  # git refused, which it does before it writes the first file
            git(root, "update-ref", "-d", UNDER_WAY)
        raise
    _end(root, target)
    say(f"{root} is at {target[:12]} of {wanted.source}")


def _begin(root: str, head: str, target: str) -> None:
    git(root, "update-ref", *([BEFORE, head] if head else ["-d", BEFORE]))
    git(root, "update-ref", UNDER_WAY, target)


def _end(root: str, target: str) -> None:
    os.sync()  # git flushes its own files only: after a power cut those of the checkout could be empty
    git(root, "update-ref", PREPARED, target)
    git(root, "update-ref", "-d", UNDER_WAY)


def _make_good(root: str, target: str) -> None:
    """Finish a checkout of *target* that was broken off, after what stands in its files was kept as a commit."""
    before = _commit(root, BEFORE)
    there = names = git(root, "ls-tree", "-r", "-z", "--name-only", target)
    if before:
        names = git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", before, target)
    index = os.path.join(root, ".git", "loops-broken-off")
    env = {"GIT_INDEX_FILE": index}
    try:
        git(root, "read-tree", before or target, env=env)
        git(root, "update-index", "--add", "--remove", "-z", "--stdin", env=env, given=names)
        found = git(root, "commit-tree", git(root, "write-tree", env=env), "-m", f"Half a checkout of {target}")
    finally:
        with suppress(FileNotFoundError):
            os.unlink(index)
    git(root, "update-ref", f"{KEPT}/{found}", found)
    git(root, "read-tree", target)
    changed, wanted = set(filter(None, names.split("\0"))), set(there.split("\0"))
    for name in changed - wanted:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(root, name))
    git(root, "checkout-index", "--force", "-z", "--stdin", given="".join(f"{name}\0" for name in changed & wanted))
    git(root, "update-ref", "--no-deref", "HEAD", target)
    _end(root, target)


def _drop_stale_lock(path: str) -> None:
    """A git that was ended by a power cut, or killed, holds its lock for ever."""
    with suppress(FileNotFoundError):
        age = time.time() - os.stat(path).st_mtime
        if age > min(2 * GIT_WITHIN, time.clock_gettime(time.CLOCK_BOOTTIME)):
            os.unlink(path)


def _give_way(root: str, target: str) -> None:
    """Take our agents.toml back where the repository has one of its own: git would refuse to write over it."""
    if git_or_none(root, "ls-files", "--error-unmatch", CONFIG_NAME) is not None:
        git(root, "checkout", "--quiet", "--", CONFIG_NAME)
    elif os.path.lexists(os.path.join(root, CONFIG_NAME)) and _holds(root, target, CONFIG_NAME):
        os.unlink(os.path.join(root, CONFIG_NAME))


def _find(wanted: Checkout, say: Say) -> str:
    """The commit that shall be checked out; empty: what is there may stay."""
    root, revision = wanted.root, wanted.revision
    if os.path.isdir(wanted.source) and not _is_repository(wanted.source):
        return _snapshot(root, wanted.source)
    known = _commit(root, PREPARED)
    if known and (not revision or revision == known):
        return known
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision) and (there := _commit(root, revision)):
        return there
    try:
        _fetch(wanted)
    except LoopsError as error:
        seen = _named(root, revision) if known else ""
        if not seen:
            raise
        say(f"{error}; the project goes on with what {revision} was when it was seen last")
        return seen
    found = _named(root, revision)
    if not found:
        raise LoopsError(f"{wanted.source} has no revision {revision!r}: name a commit, a tag or a branch of it")
    return found


def _fetch(wanted: Checkout) -> None:
    words = ["fetch", "--quiet", "--force", "--prune", "--no-write-fetch-head"]
    if os.path.isdir(wanted.source):  # its owner may be another: who declared it trusts it
        words.append("--upload-pack=git -c safe.directory=* upload-pack")
    every = [f"+refs/heads/*:{REMOTE}/heads/*", f"+refs/tags/*:{REMOTE}/tags/*", f"+HEAD:{REMOTE}/HEAD"]
    git(wanted.root, *words, "--", wanted.source, *every, within=FETCH_WITHIN)
    revision = wanted.revision
    if revision and not _named(wanted.root, revision):  # a commit that no branch leads to
        git(wanted.root, *words, "--", wanted.source, f"{revision}:{REMOTE}/asked", within=FETCH_WITHIN)


def _named(root: str, revision: str) -> str:
    names = [f"{REMOTE}/heads/{revision}", f"{REMOTE}/tags/{revision}", revision] if revision else [f"{REMOTE}/HEAD"]
    return next((found for name in names if (found := _commit(root, name))), "")


def _snapshot(root: str, directory: str) -> str:
    """A commit with the files of a plain directory, so that it is checked out as carefully as any other."""
    index = os.path.join(root, ".git", "loops-snapshot")
    env = {"GIT_INDEX_FILE": index}
    try:
        git(
            root,
            f"--work-tree={directory}",
            "add",
            "--all",
            "--force",
            ".",
            env=env,
            within=FETCH_WITHIN,
            cwd=directory,
        )
        tree = git(root, "write-tree", env=env)
    finally:
        if os.path.exists(index):
            os.unlink(index)
    known = _commit(root, PREPARED)
    if known and git(root, "rev-parse", f"{known}^{{tree}}") == tree:
        return known
    return git(root, "commit-tree", tree, "-m", f"The files of {directory}")


def _is_repository(directory: str) -> bool:
    return os.path.exists(os.path.join(directory, ".git")) or os.path.isfile(os.path.join(directory, "HEAD"))


def _holds(root: str, commit: str, path: str) -> bool:
    return git_or_none(root, "cat-file", "-e", f"{commit}:{path}") is not None


def _commit(root: str, name: str) -> str:
    return git_or_none(root, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}") or ""
