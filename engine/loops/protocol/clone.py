"""One agent's clone, through plain ``git``: the little that publishing needs, with deadlines and without prompts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from loops.errors import ProtocolError

_LOCAL = 60.0
_NETWORK = 180.0
"""Seconds for one git command that talks to nobody, and for one that talks to the remote."""


_POINTERS = frozenset(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"))


class GitError(ProtocolError):
    """A git command failed; the text is git's own."""


class Clone:
    """A work tree.  ``root`` is its top directory."""

    __slots__ = ("root",)

    def __init__(self, directory: str) -> None:
        """Find the work tree around *directory*; ProtocolError when there is none."""
        try:
            self.root = str(Path(directory).resolve())
            self.root = self.run("rev-parse", "--show-toplevel")
        except GitError as error:
            raise ProtocolError(
                f"{directory}: is no git work tree ({error}); run this in the agent's own clone"
            ) from error

    def run(self, *words: str, network: bool = False, env: Mapping[str, str] | None = None) -> str:
        """The output of ``git WORDS`` without its last line break, *env* being added to the environment.

        Raises:
            GitError: it failed; the text is git's last words.
        """
        # Inside a hook git points at the hook's own repository; ours is the one around the directory.
        inherited = {name: value for name, value in os.environ.items() if name not in _POINTERS}
        env = {**inherited, "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C", **(env or {})}
        seconds = _NETWORK if network else _LOCAL
        command = ["git", "-c", "core.quotePath=false", "-c", "rebase.autoStash=false", *words]
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {words[0]}: no answer within {seconds:g} s") from error
        except OSError as error:
            raise GitError(f"git {words[0]}: {error}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise GitError(f"git {words[0]}: {said[-600:] or f'exit code {done.returncode}'}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def branch(self) -> str:
        """The branch that is checked out; empty when the head is detached."""
        try:
            return self.run("symbolic-ref", "--quiet", "--short", "HEAD")
        except GitError:
            return ""

    def head(self) -> str:
        """The commit that is checked out."""
        return self.run("rev-parse", "HEAD")

    def commit_of(self, ref: str) -> str:
        """The commit *ref* names; empty when there is none."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except GitError:
            return ""

    def changes(self) -> tuple[tuple[str, str], ...]:
        """What is not committed: (status of two letters, path); renames appear under both names."""
        entries = self.run("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames").split("\0")
        return tuple((entry[:2], entry[3:]) for entry in entries if entry)

    def changed_between(self, base: str, tip: str) -> tuple[str, ...]:
        """The paths that differ on *tip* since it parted from *base*."""
        out = self.run("diff", "--name-only", "--no-renames", "-z", f"{base}...{tip}")
        return tuple(path for path in out.split("\0") if path)

    def busy(self) -> str:
        """The operation that somebody left half-done (``rebase``, ``merge`` …); empty when there is none."""
        git = Path(self.root, self.run("rev-parse", "--git-dir"))
        marks = {
            "rebase-merge": "rebase",
            "rebase-apply": "rebase",
            "MERGE_HEAD": "merge",
            "CHERRY_PICK_HEAD": "cherry-pick",
        }
        return next((name for mark, name in marks.items() if (git / mark).exists()), "")

    def commit(self, subject: str, paths: Sequence[str]) -> None:
        """Commit *paths* alone."""
        self.run("add", "--", *paths)
        self.run("commit", "--quiet", "--only", "-m", subject, "--", *paths)
