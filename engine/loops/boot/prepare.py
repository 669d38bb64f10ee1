"""Put a project in its place before its supervisor starts: its own repository, its agents' clones, its agents.toml.

Whatever is there already stays as it is, unless it is ours to renew: the checkout of the project's own repository goes to
the revision that is wanted, agents.toml becomes what it shall be.  Nothing that an agent made is thrown away: an existing
clone is not touched, changed files of the checkout are an error, and commits made there stay under ``refs/loops/kept``.
Any step may be repeated, and may be the last one before a power cut.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from loops.errors import LoopsError, UsageError
from loops.places import CONFIG_NAME

PREPARED = "refs/loops/prepared"
"""What was checked out here last."""
REMOTE = "refs/loops/source"
FETCH_WITHIN = 840.0
"""Seconds; the unit's start has a minute more."""
GIT_WITHIN = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a project shall be like.

    Attributes:
        settings: the file that agents.toml shall be like; empty: it is one of the source's own.
        source: a git URL, or a directory, which need not be a repository; empty: the project has none of its own.
        revision: a commit, tag or branch; empty: the source's HEAD at first, and nothing newer later.
        clones: directory below ``root`` -> URL.
    """

    root: str
    settings: str = ""
    source: str = ""
    revision: str = ""
    clones: Mapping[str, str] | None = None


def prepare(wanted: Wanted, say: Say) -> None:
    """Bring the project to what is *wanted*; a second call changes nothing.

    Raises:
        UsageError: a clone's directory that is not below the root.
        LoopsError: the source cannot be had, or the checkout has changes that it would overwrite.
    """
    clones = {_below(wanted.root, place): url for place, url in (wanted.clones or {}).items()}
    try:
        settings = _read(wanted.settings) if wanted.settings else b""
        os.makedirs(wanted.root, mode=0o700, exist_ok=True)
        if wanted.source:
            _check_out(wanted, say)
        for place, url in clones.items():
            _clone(place, url, say)
        if wanted.settings and write(os.path.join(wanted.root, CONFIG_NAME), settings):
            say(f"{CONFIG_NAME} is as {wanted.settings}")
    except OSError as error:
        raise LoopsError(
            f"{error.filename or wanted.root}: {error.strerror}: the project cannot be prepared"
        ) from error


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, content: bytes) -> bool:
    """Make the file at *path* a real one with *content*, at once or not at all; False when it is that already."""
    if os.path.isfile(path) and not os.path.islink(path) and _read(path) == content:
        return False
    directory = os.path.dirname(path)
    descriptor, part = tempfile.mkstemp(prefix=f".{CONFIG_NAME}.", dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise
    _sync(directory)
    return True


# ---- the project's own repository --------------------------------------------------------------------------------------


def _check_out(wanted: Wanted, say: Say) -> None:
    root = wanted.root
    if not os.path.isdir(os.path.join(root, ".git")):
        _git(root, "init", "--quiet", "--initial-branch=main")
    _drop_stale_lock(os.path.join(root, ".git", "index.lock"))
    target = _find(wanted, say)
    if not target or target == _commit(root, PREPARED):
        return
    head = _commit(root, "HEAD")
    if head and head != _commit(root, PREPARED):  # somebody committed here: it stays reachable
        _git(root, "update-ref", f"refs/loops/kept/{head}", head)
    if wanted.settings:  # ours to write, hence no change of anybody's
        _give_way(root, target)
    _git(
        root,
        "checkout",
        "--quiet",
        "--detach",
        target,
        why="its own changes are in the way; commit them elsewhere, or undo them",
    )
    _git(root, "update-ref", PREPARED, target)
    say(f"{root} is at {target[:12]} of {wanted.source}")


def _drop_stale_lock(path: str) -> None:
    """A git that was ended by a power cut, or killed, holds its lock for ever."""
    with suppress(FileNotFoundError):
        age = time.time() - os.stat(path).st_mtime
        if age > min(2 * GIT_WITHIN, time.clock_gettime(time.CLOCK_BOOTTIME)):
            os.unlink(path)


def _give_way(root: str, target: str) -> None:
    """Take our agents.toml back where the repository has one of its own: git would refuse to write over it."""
    if _git_or_none(root, "ls-files", "--error-unmatch", CONFIG_NAME) is not None:
        _git(root, "checkout", "--quiet", "--", CONFIG_NAME)
    elif os.path.lexists(os.path.join(root, CONFIG_NAME)) and _holds(root, target, CONFIG_NAME):
        os.unlink(os.path.join(root, CONFIG_NAME))


def _find(wanted: Wanted, say: Say) -> str:
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
        if known and _is_moving(root, revision):
            say(f"{error}; the project goes on with what {revision} was when it was seen last")
            return _named(root, revision)
        raise
    found = _named(root, revision)
    if not found:
        raise LoopsError(f"{wanted.source} has no revision {revision!r}: name a commit, a tag or a branch of it")
    return found


def _fetch(wanted: Wanted) -> None:
    words = ["fetch", "--quiet", "--force", "--prune", "--no-write-fetch-head"]
    if os.path.isdir(wanted.source):  # its owner may be another: who declared it trusts it
        words.append("--upload-pack=git -c safe.directory=* upload-pack")
    every = [f"+refs/heads/*:{REMOTE}/heads/*", f"+refs/tags/*:{REMOTE}/tags/*", f"+HEAD:{REMOTE}/HEAD"]
    _git(wanted.root, *words, "--", wanted.source, *every, within=FETCH_WITHIN)
    revision = wanted.revision
    if revision and not _named(wanted.root, revision):  # a commit that no branch leads to
        _git(wanted.root, *words, "--", wanted.source, f"{revision}:{REMOTE}/asked", within=FETCH_WITHIN)


def _named(root: str, revision: str) -> str:
    names = [f"{REMOTE}/heads/{revision}", f"{REMOTE}/tags/{revision}", revision] if revision else [f"{REMOTE}/HEAD"]
    return next((found for name in names if (found := _commit(root, name))), "")


def _is_moving(root: str, revision: str) -> bool:
    """Whether it is a branch: what it was when we last saw it is good enough while its server is away."""
    return bool(revision) and bool(_commit(root, f"{REMOTE}/heads/{revision}"))


def _snapshot(root: str, directory: str) -> str:
    """A commit with the files of a plain directory, so that it is checked out as carefully as any other."""
    index = os.path.join(root, ".git", "loops-snapshot")
    env = {"GIT_INDEX_FILE": index}
    try:
        _git(
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
        tree = _git(root, "write-tree", env=env)
    finally:
        if os.path.exists(index):
            os.unlink(index)
    known = _commit(root, PREPARED)
    if known and _git(root, "rev-parse", f"{known}^{{tree}}") == tree:
        return known
    return _git(root, "commit-tree", tree, "-m", f"The files of {directory}")


def _is_repository(directory: str) -> bool:
    return os.path.exists(os.path.join(directory, ".git")) or os.path.isfile(os.path.join(directory, "HEAD"))


def _holds(root: str, commit: str, path: str) -> bool:
    return _git_or_none(root, "cat-file", "-e", f"{commit}:{path}") is not None


def _commit(root: str, name: str) -> str:
    return _git_or_none(root, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}") or ""


# ---- the agents' clones ------------------------------------------------------------------------------------------------


def _below(root: str, place: str) -> str:
    path = os.path.normpath(os.path.join(root, place))
    if os.path.isabs(place) or not path.startswith(os.path.normpath(root) + os.sep):
        raise UsageError(f"the clone {place!r} must be a directory below {root}")
    return path


def _clone(place: str, url: str, say: Say) -> None:
    if os.path.isdir(place) and os.listdir(place):
        return
    part = f"{place}.loops-new"
    if os.path.lexists(part):  # a power cut came between
        shutil.rmtree(part)
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    words = ["--upload-pack=git -c safe.directory=* upload-pack"] if os.path.isdir(url) else []
    # For the agents' own commits too: by itself git leaves objects to the file system, and a power cut leaves them empty.
    words += ["--config", "core.fsync=all"]
    _git(os.path.dirname(place), "clone", "--quiet", "--no-hardlinks", *words, "--", url, part, within=FETCH_WITHIN)
    os.rename(part, place)
    _sync(os.path.dirname(place))
    say(f"{place} is a clone of {url}")


# ---- git ---------------------------------------------------------------------------------------------------------------


def _git(
    directory: str,
    *words: str,
    env: Mapping[str, str] | None = None,
    within: float = GIT_WITHIN,
    cwd: str = "",
    why: str = "",
) -> str:
    """Run git in the repository of *directory*; return what it printed.  LoopsError: it failed."""
    done = _run([*words], directory, {**(env or {})}, within, cwd)
    if done.returncode == 0:
        return done.stdout.strip()
    said = " ".join((done.stderr or done.stdout).split())
    raise LoopsError(f"{directory}: git {words[0]} failed: {said}" + (f": {why}" if why else ""))


def _git_or_none(directory: str, *words: str) -> str | None:
    done = _run([*words], directory, {}, GIT_WITHIN, "")
    return done.stdout.strip() if done.returncode == 0 else None


def _run(
    words: Sequence[str], directory: str, env: Mapping[str, str], within: float, cwd: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "SSH" in name}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _OURSELVES}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "SSH_ASKPASS_REQUIRE": "never"}
    own = ["--git-dir", os.path.join(directory, ".git")] if words[0] not in ("clone", "init") else []
    # Our checkout's own hooks are the project's; those of a source that was just fetched are nobody's to run here.
    settings = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "advice.detachedHead=false",
        "-c",
        "gc.auto=0",
        "-c",
        "core.fsync=all",
    ]
    if own and not any(word.startswith("--work-tree") for word in words):
        own += ["--work-tree", directory]
    try:
        return subprocess.run(
            ["git", *settings, *own, *words],
            cwd=cwd or directory,
            env={**kept, **who, **quiet, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoopsError(f"{directory}: git {words[0]} took longer than {within:.0f} s") from error
    except FileNotFoundError as error:
        raise LoopsError("git is not installed, or not on PATH") from error


_OURSELVES = (("NAME", "loops"), ("EMAIL", "loops@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
"""Equal files are an equal commit, whenever they are looked at."""


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
