"""Looks at git repositories so that nothing in them changes: no locks, no refreshed index, no program of their settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from hashlib import sha256

from loops.errors import LoopsError
from loops.projects.untouched import files
from loops.projects.untouched.model import Changed, Ref, Repository
from loops.supervisor.errands import git_environment

WITHIN = 120.0
_UNDERWAY = (
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply"),
    *("index.lock", "HEAD.lock"),
)
"""In the git directory while something is unfinished."""


class Clone:
    """One repository that is asked, and only asked."""

    def __init__(self, path: str) -> None:
        self.path = path
        # Its settings are somebody else's: none may start a program, such as a file system monitor or a filter.
        self._front = ["git", "-C", path]
        for setting in ("core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false"):
            self._front += ["-c", setting]
        self._front += ["-c", f"safe.directory={path}"]
        for name in self._filters():
            for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
                self._front += ["-c", f"filter.{name}.{key}={value}"]

    def ask(self, *words: str, none: bool = False) -> bytes:
        """Return what git printed.  *none*: it may fail, and then printed nothing.  LoopsError: it failed."""
        try:
            done = subprocess.run(
                [*self._front, *words],
                env=git_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=WITHIN,
                check=False,
            )
        except FileNotFoundError as error:
            raise LoopsError("git is not installed, or not on PATH") from error
        except subprocess.TimeoutExpired as error:
            raise LoopsError(f"git {words[0]} took longer than {WITHIN:.0f} s") from error
        if done.returncode == 0:
            return done.stdout
        if none:
            return b""
        raise LoopsError(f"git {words[0]} failed: {' '.join(done.stderr.decode('utf-8', 'replace').split())}")

    def lines(self, *words: str, none: bool = False) -> list[str]:
        """The same, line by line."""
        return self.ask(*words, none=none).decode("utf-8", "surrogateescape").splitlines()

    def _filters(self) -> list[str]:
        keys = self.lines("config", "--name-only", "--get-regexp", r"^filter\.", none=True)
        return sorted({key.removeprefix("filter.").rpartition(".")[0] for key in keys})


def look(path: str) -> Repository:
    """Return what it is now; ``unseen`` says why it cannot be told."""
    try:
        clone = Clone(path)
        places = clone.lines("rev-parse", "--absolute-git-dir", "--path-format=absolute", "--git-common-dir")
        git_dir, common = places[0], places[-1]
        bare = clone.lines("rev-parse", "--is-bare-repository") == ["true"]
        return Repository(
            path,
            _head(clone),
            tuple(_refs(clone)),
            tuple(clone.lines("log", "--walk-reflogs", "--format=%H", "refs/stash", "--", none=True)),
            tuple(_worktrees(clone, path)),
            _digest_of(os.path.join(common, "config"), os.path.join(git_dir, "config.worktree")),
            "" if bare else sha256(clone.ask("ls-files", "--stage", "-v", "-z")).hexdigest(),
            tuple(_underway(git_dir)) if bare else (*_underway(git_dir), *_status(clone, path)),
        )
    except LoopsError as error:
        return Repository(path, "", unseen=str(error))


def _head(clone: Clone) -> str:
    named = clone.lines("symbolic-ref", "--quiet", "HEAD", none=True) or clone.lines("rev-parse", "HEAD", none=True)
    return named[0] if named else ""


def _refs(clone: Clone) -> Iterator[Ref]:
    for line in clone.lines("for-each-ref", "--format=%(refname) %(objectname) %(symref)"):
        name, _, target = line.partition(" ")
        if name != "refs/stash":  # told by itself
            yield Ref(name, target.strip())


def _worktrees(clone: Clone, path: str) -> Iterator[str]:
    """The others: where each is, and on which branch, or at which commit when it has none."""
    own = clone.lines("rev-parse", "--show-toplevel", none=True) or [path]
    for block in clone.ask("worktree", "list", "--porcelain").decode("utf-8", "surrogateescape").split("\n\n"):
        facts = {line.partition(" ")[0]: line.partition(" ")[2] for line in block.splitlines()}
        where = facts.get("worktree", "")
        if where and os.path.realpath(where) != os.path.realpath(own[0]) and "bare" not in facts:
            yield f"{where} {facts.get('branch') or facts.get('HEAD', '')}".rstrip()


def _status(clone: Clone, path: str) -> Iterator[Changed]:
    """Each changed path, with the digest of what it holds now: a file that was changed before can be changed again."""
    top = clone.lines("rev-parse", "--show-toplevel", none=True)
    told = clone.ask(
        *("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames")
    )
    for line in told.decode("utf-8", "surrogateescape").split("\0"):
        if not line:
            continue
        # 1 XY sub mH mI mW hH hI path; u XY sub m1 m2 m3 mW h1 h2 h3 path; ? path
        fields = line.split(" ", {"1": 8, "u": 10}.get(line[0], 1))
        state = " ".join([*fields[:-1], _content(os.path.join(top[0] if top else path, fields[-1]))])
        yield Changed(fields[-1], state.rstrip())


def _content(path: str) -> str:
    try:
        entry = files.one(path)
    except OSError:
        return ""
    return entry.digest or entry.target or entry.unread


def _underway(git_dir: str) -> Iterator[Changed]:
    for name in _UNDERWAY:
        if os.path.lexists(os.path.join(git_dir, name)):
            yield Changed(f".git/{name}", "under way")


def _digest_of(*paths: str) -> str:
    whole = sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            content = b""
        whole.update(str(len(content)).encode() + b"\0" + content)
    return whole.hexdigest()


def moves(path: str, since: float) -> Iterator[tuple[str, str]]:
    """Yield what the reflogs of HEAD and of the branches tell since then: the ref, and who did what when."""
    for line in Clone(path).lines(
        *("log", "--walk-reflogs", "--all", "--date=unix", "--format=%gD%x00%gn <%ge>: %gs", "HEAD", "--"), none=True
    ):
        selector, _, told = line.partition("\0")
        ref, _, moment = selector.partition("@{")
        if moment.rstrip("}").isdecimal() and int(moment.rstrip("}")) >= int(since):
            yield ref, told
