"""The checkouts of projects whose location is a git URL: made whole or not at all, and fetched; never moved."""

from __future__ import annotations

import os
import shutil
import tempfile

from loops.boot.git import FETCH_WITHIN, git
from loops.config.fleet import Entry, Fleet
from loops.errors import LoopsError
from loops.projects.fleet import places
from loops.projects.fleet.pins import clone_at
from loops.protocol.clone import Clone, GitError


def provide(fleet: Fleet, entry: Entry) -> tuple[str, ...]:
    """Clone the project of *entry* when it is not there, else fetch what its remote has; return what was done.

    Raises:
        LoopsError: it cannot be had; nothing is left.
    """
    root = places.root(fleet, entry)
    project = clone_at(root)
    if project is not None:
        return (*_fetch(project), *_with_submodules(project, entry.location))
    if not places.is_url(entry.location):
        raise LoopsError(f"{root}: is no git repository with its top there, and its location is no URL to clone from")
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        raise LoopsError(
            f"{root}: is no git repository with its top there, and is left as it is; move it away, or set dir"
        )
    _clone(entry.location, root)
    return (f"cloned {entry.location} into {root}",)


def _clone(url: str, root: str) -> None:
    try:
        os.makedirs(os.path.dirname(root), exist_ok=True)
        draft = tempfile.mkdtemp(prefix=f".{os.path.basename(root)}.", dir=os.path.dirname(root))
    except OSError as error:
        raise LoopsError(f"{error.filename}: {error.strerror}; nothing was cloned") from error
    place = os.path.join(draft, "project")
    try:
        git(draft, "clone", "--quiet", "--", url, place, within=FETCH_WITHIN)
        _with_submodules(Clone(place), url)
        os.rename(place, root)
    except (LoopsError, OSError) as error:
        raise LoopsError(f"{url}: cannot be cloned: {error}; nothing is left of it") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fetch(project: Clone) -> tuple[str, ...]:
    if not project.run("remote"):
        return (f"{project.root} has no remote to fetch from",)
    try:
        project.run("fetch", "--quiet", "--all", network=True)
    except GitError as error:
        raise LoopsError(f"{project.root}: cannot be fetched: {error}; the checkout is as it was") from error
    behind = project.run("rev-list", "--count", "HEAD..@{upstream}") if project.commit_of("@{upstream}") else "0"
    if behind == "0":
        return (f"fetched {project.root}; its branch has nothing new",)
    return (f"fetched {project.root}; its branch is {behind} commits behind: `git -C {project.root} pull`",)


def _with_submodules(project: Clone, url: str) -> tuple[str, ...]:
    """Check out those that are not there; one that is, is never moved."""
    listed = project.run("submodule", "status").splitlines()
    missing = [line[1:].split(" ", 2)[1] for line in listed if line.startswith("-")]
    if not missing:
        return ()
    # A project that came from this machine may have an engine from this machine; from elsewhere that would be a trap.
    ours = not places.is_url(url) or url.startswith("file://")
    env = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"} if ours else {}
    words = ("submodule", "--quiet", "update", "--init", "--recursive", "--", *missing)
    project.run(*words, network=True, env=env)
    return (f"checked out {', '.join(missing)} of {project.root}",)
