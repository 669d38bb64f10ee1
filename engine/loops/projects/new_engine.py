"""The engine that a new project pins: found at an exact commit, and put into the project as submodule or flake input."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlsplit

from loops import resources
from loops.boot.git import FETCH_WITHIN, git, git_or_none
from loops.errors import LoopsError, UsageError
from loops.secrets.locations import password_in
from loops.secrets.redaction import redact

FOLDER = "engine"
"""Of the submodule, in the project."""


class Kind(Enum):
    """How a project has its engine."""

    NONE = "none"
    """It runs by the ``loops`` that is installed on the machine."""
    SUBMODULE = "submodule"
    FLAKE = "flake"


@dataclass(frozen=True, slots=True)
class Pin:
    """An engine, exactly.  ``ref``: as it was asked for; ``name``: the whole name of that tag or branch, empty for a commit."""

    url: str
    ref: str
    commit: str
    name: str = ""


def engine_url(given: str) -> str:
    """The URL to pin: *given*, else that of the repository which this very engine runs from.

    Raises:
        UsageError: there is none, or it holds a password, which the project would publish.
    """
    url = given or _own_url()
    if os.path.exists(url):
        return os.path.realpath(url)
    if password_in(url) or re.match(r"https?://[^/]*@", url, re.IGNORECASE) or redact(url) != url:
        safe = redact(re.sub(r"//[^/]*@", "//", url).partition("?")[0])
        raise UsageError(
            f"the engine's URL has a name or a password in it ({safe}), and a project says its URLs to everybody who clones "
            f"it; name one without, as in --engine-url {safe}, and leave the rest to git's credential helper"
        )
    if url.startswith("-") or "\n" in url:
        raise UsageError(f"--engine-url {url!r}: is no URL")
    return url


def _own_url() -> str:
    own = resources.repository()
    if not own:
        raise UsageError(
            "this engine is installed as a package and does not know its repository: name it with --engine-url URL"
        )
    # Not through `git()`: the checkout may itself be a submodule or a worktree, with its .git elsewhere.
    from loops.protocol.clone import Clone, GitError

    try:
        origin = Clone(own).run("remote", "get-url", "origin")
    except GitError:
        return own  # nobody pushed it anywhere
    local = os.path.join(own, origin)
    return local if os.path.isdir(local) else origin


def fetch(url: str, ref: str, directory: str, kind: Kind) -> Pin:
    """Clone the engine at *url* into *directory*/engine, with *ref* checked out, detached; say what that is.

    Raises:
        UsageError: there is no such tag, branch or commit, or no engine in it.
        LoopsError: the URL cannot be read.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][^\s~^:?*\[\\]*", ref) or ".." in ref:
        raise UsageError(f"{ref!r} names no tag, branch or commit")
    try:
        git(directory, "clone", "--quiet", "--no-checkout", "--", url, FOLDER, within=FETCH_WITHIN)
    except LoopsError as error:  # it speaks of a directory that nobody knows, and that will be gone
        said = str(error).removeprefix(f"{directory}: ")
        raise LoopsError(f"{url}: the engine cannot be had, and nothing was made: {said}") from error
    engine = os.path.join(directory, FOLDER)
    pin = _find(engine, url, ref)
    needed = ("agents.py",) if kind is Kind.SUBMODULE else ("flake.nix", "agents.py")
    lacking = [name for name in needed if git_or_none(engine, "cat-file", "-e", f"{pin.commit}:{name}") is None]
    if lacking:
        raise UsageError(
            f"{url} at {ref} ({pin.commit[:10]}) is no engine that a project can pin: it has no {' and no '.join(lacking)}"
        )
    git(engine, "checkout", "--quiet", "--detach", pin.commit, within=FETCH_WITHIN)
    return pin


def _find(engine: str, url: str, ref: str) -> Pin:
    """A tag comes before a branch, as everywhere in git; a commit may be abbreviated, if it is in the clone."""
    for name, there in ((f"refs/tags/{ref}", f"refs/tags/{ref}"), (f"refs/heads/{ref}", f"refs/remotes/origin/{ref}")):
        if commit := _commit(engine, there):
            return Pin(url, ref, commit, name)
    if re.fullmatch(r"[0-9a-f]{7,64}", ref):
        if commit := _commit(engine, ref):
            return Pin(url, ref, commit)
        if len(ref) >= 40 and git_or_none(engine, "fetch", "--quiet", "origin", ref) is not None:
            return Pin(url, ref, ref)  # a commit that no branch leads to
    listed = git_or_none(engine, "tag", "--list", "--sort=-version:refname") or ""
    newest = ", ".join(listed.splitlines()[:5])
    raise UsageError(
        f"{url} has no tag, branch or commit {ref!r}"
        + (f"; its newest tags: {newest}" if newest else "; it has no tags")
    )


def _commit(engine: str, name: str) -> str:
    return git_or_none(engine, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}") or ""


def add_submodule(root: str, pin: Pin) -> None:
    """Make the clone that `fetch` left in the repository at *root* its submodule."""
    git(root, "submodule", "--quiet", "add", "--name", FOLDER, "--", pin.url, FOLDER)
    git(root, "submodule", "--quiet", "absorbgitdirs", FOLDER)
    recorded = git(root, "ls-files", "--stage", FOLDER).split()
    if recorded[:2] != ["160000", pin.commit]:
        raise LoopsError(f"{root}: the submodule is pinned at {recorded[1:2]} instead of {pin.commit}")


def flake_url(pin: Pin) -> str:
    """The engine as the URL of a flake's input, at its commit."""
    where = f"&ref={quote(pin.name, safe='/')}" if pin.name else "&allRefs=1"
    return f"git+{_with_scheme(pin.url)}?rev={pin.commit}{where}"


def _with_scheme(url: str) -> str:
    """``git@host:team/engine.git`` and ``/srv/engine.git`` as Nix wants them."""
    if os.path.isabs(url):
        return f"file://{quote(url)}"
    if urlsplit(url).scheme and "://" in url:
        return url
    host, _, path = url.partition(":")
    return f"ssh://{host}/{path.lstrip('/')}"
