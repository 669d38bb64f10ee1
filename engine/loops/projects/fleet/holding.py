"""The two ways in which a project holds its pin, and how each is moved: the ``engine/`` submodule, the input of a flake.

To move is three steps that can each be taken back: the work tree, the commit, the mirror.  This is about the first two.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from loops.boot.git import FETCH_WITHIN, git
from loops.errors import LoopsError
from loops.projects.fleet import flakes
from loops.projects.fleet.pins import ENGINE, FLAKE, LOCK, Kind, Pin, clone_at, read_pin
from loops.protocol.clone import Clone, GitError

_KEPT: Final = "refs/loops/kept"
_STALE = 60.0
"""Seconds after which the lock of a git that was killed is nobody's any more."""


class Holding(ABC):
    """A project's pin in its repository."""

    paths: tuple[str, ...]
    """What of the project's tree is the pin."""

    def __init__(self, project: Clone, pin: Pin) -> None:
        """Take the *project* with its present *pin*."""
        self.project, self.pin = project, pin

    @abstractmethod
    def repository(self, scratch: str) -> Clone:
        """Return the engine's own repository; *scratch* is a directory that a clone may be made in."""

    @abstractmethod
    def engine_head(self) -> str:
        """What of the engine is checked out."""

    @abstractmethod
    def check_able(self) -> None:
        """Raise LoopsError when this machine cannot move it."""

    @abstractmethod
    def switch(self, commit: str, name: str) -> None:
        """Bring the work tree to *commit* of the engine; *name*: of its tag or branch, in full, empty for none."""

    @abstractmethod
    def switch_back(self, engine_head: str) -> None:
        """Undo `switch`, however far it came; what is in the way is kept as a commit."""

    @abstractmethod
    def switch_on(self, commit: str) -> None:
        """Bring the work tree to the committed pin, at *commit*, where a kill may have left it in between."""

    @abstractmethod
    def tree(self, commit: str, env: dict[str, str]) -> str:
        """Write the tree of the project's head with the pin at *commit*, by the index that *env* names."""

    def commit(self, commit: str, subject: str, body: str) -> str:
        """Make, but nowhere put, the commit that pins the engine at *commit*; return it."""
        index = os.path.join(self.project.root, self.project.run("rev-parse", "--git-dir"), "loops", "index")
        os.makedirs(os.path.dirname(index), exist_ok=True)
        env = {**_identity(self.project), "GIT_INDEX_FILE": index}
        try:
            self.project.run("read-tree", "HEAD", env=env)
            tree = self.tree(commit, env)
            signed = ["-S"] if _says(self.project, "commit.gpgsign") == "true" else []
            words = ["-p", "HEAD", *signed, "-m", subject, *(["-m", body] if body else [])]
            return self.project.run("commit-tree", *words, tree, env=env)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(index)

    def place(self, commit: str, head: str) -> None:
        """Put the project's head from *head* to *commit*, in one step."""
        message = f"loops: {self.project.run('log', '-1', '--format=%s', commit)}"
        self.project.run("update-ref", "-m", message, "HEAD", commit, head, env=_identity(self.project))
        self.project.run("reset", "--quiet", "--", *self.paths)

    def take_back(self, commit: str, head: str) -> None:
        """Undo `place`, however far it came."""
        if self.project.head() == commit:
            self.project.run("update-ref", "-m", "loops: taken back", "HEAD", head, commit, env=_identity(self.project))
        self.project.run("reset", "--quiet", "--", *self.paths)


class Submodule(Holding):
    """The commit of the submodule ``engine/``."""

    paths: tuple[str, ...] = (ENGINE,)

    def repository(self, scratch: str) -> Clone:
        engine = clone_at(os.path.join(self.project.root, ENGINE))
        if engine is None:
            raise LoopsError(f"{self.project.root}: engine/ is not checked out: `git submodule update --init engine`")
        return engine

    def check_able(self) -> None:
        engine = self.repository("")
        # Looked at apart: .gitmodules can have the project's own status pass over it.
        if changed := [path for state, path in engine.changes() if state != "??"]:
            raise LoopsError(f"{engine.root}: has changes that are not committed ({changed[0]}): undo them first")
        if engine.head() != self.pin.commit:
            raise LoopsError(
                f"{engine.root}: has another commit checked out than the pin: `git submodule update engine`"
            )

    def engine_head(self) -> str:
        engine = self.repository("")
        branch = engine.branch()
        return f"refs/heads/{branch}" if branch else engine.head()

    def switch(self, commit: str, name: str) -> None:
        # What .gitignore names is somebody's work too: without the option git writes over it.
        self.repository("").run("checkout", "--quiet", "--detach", "--no-overwrite-ignore", commit)

    def switch_on(self, commit: str) -> None:
        if self.repository("").head() != commit:
            self.switch_back(commit)

    def switch_back(self, engine_head: str) -> None:
        engine = self.repository("")
        _drop_stale_lock(engine)
        _keep_changes(engine)
        branch = engine_head.removeprefix("refs/heads/")
        where = [branch] if branch != engine_head else ["--detach", engine_head]
        engine.run("checkout", "--quiet", "--force", *where)

    def tree(self, commit: str, env: dict[str, str]) -> str:
        self.project.run("update-index", "--cacheinfo", f"160000,{commit},{ENGINE}", env=env)
        return self.project.run("write-tree", env=env)


class Flake(Holding):
    """The input's URL in flake.nix, and what flake.lock says of it."""

    paths: tuple[str, ...] = (FLAKE, LOCK)

    def __init__(self, project: Clone, pin: Pin) -> None:
        """See `Holding`."""
        super().__init__(project, pin)
        self.paths = tuple(each for each in (FLAKE, LOCK) if project.run("ls-files", "--", each))

    def repository(self, scratch: str) -> Clone:
        place = os.path.join(scratch, "repository")
        url = flakes.git_url(self.pin.url)
        git(scratch, "clone", "--quiet", "--no-checkout", "--", url, place, within=FETCH_WITHIN)
        return Clone(place)

    def engine_head(self) -> str:
        return self.pin.commit

    def check_able(self) -> None:
        flakes.check_able(lock=LOCK in self.paths)

    def switch(self, commit: str, name: str) -> None:
        flakes.rewrite(self.project.root, self.pin, commit, name, lock=LOCK in self.paths)

    def switch_on(self, commit: str) -> None:
        """What was committed is what stood in the work tree."""

    def switch_back(self, engine_head: str) -> None:
        _drop_stale_lock(self.project)
        _keep_changes(self.project)
        self.project.run("checkout", "--quiet", "HEAD", "--", *self.paths)

    def tree(self, commit: str, env: dict[str, str]) -> str:
        self.project.run("add", "--", *self.paths, env=env)
        return self.project.run("write-tree", env=env)


def holding(project: Clone) -> Holding:
    """Return how *project* holds its pin.  Raises LoopsError: it has none."""
    pin = read_pin(project.root)
    if pin is None:
        raise LoopsError(
            f"{project.root}: pins no engine: it has neither an engine/ submodule nor a flake with the engine as input"
        )
    return Submodule(project, pin) if pin.kind is Kind.SUBMODULE else Flake(project, pin)


def _keep_changes(clone: Clone) -> None:
    """Keep what stands in the files as a commit of its own: somebody may have worked there since."""
    kept = clone.run("stash", "create", env=_identity(clone))
    if kept:
        clone.run("update-ref", f"{_KEPT}/{kept}", kept)


def _drop_stale_lock(clone: Clone) -> None:
    """A git that was killed holds its lock for ever."""
    path = os.path.join(clone.root, clone.run("rev-parse", "--git-path", "index.lock"))
    with suppress(FileNotFoundError):
        if time.time() - os.stat(path).st_mtime > _STALE:
            os.unlink(path)


def _identity(clone: Clone) -> dict[str, str]:
    """Who commits: the user, as far as git knows a name; a machine where it knows none can move a pin all the same."""
    found = {}
    for what, unknown in (("name", "loops"), ("email", "loops@localhost")):
        for role in ("AUTHOR", "COMMITTER"):
            key = f"GIT_{role}_{what.upper()}"
            found[key] = os.environ.get(key) or _says(clone, f"user.{what}") or unknown
    return found


def _says(clone: Clone, key: str) -> str:
    try:
        return clone.run("config", "--get", key)
    except GitError:
        return ""
