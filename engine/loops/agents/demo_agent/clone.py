"""The scripted agent's own clone: the few git commands of an honest worker.  Nothing is ever forced."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence

_ATTEMPTS = 5
_GIT_TIMEOUT = 120.0


class GitError(Exception):
    """A git command failed for good; the text is its own."""


class Clone:
    """A work tree with an upstream branch."""

    __slots__ = ("root",)

    def __init__(self, root: str, author: str) -> None:
        """Work in *root*; *author* signs the commits where git knows no name."""
        self.root = root
        if self._run("config", "user.email").returncode != 0:
            for who in ("AUTHOR", "COMMITTER"):
                os.environ.setdefault(f"GIT_{who}_NAME", author)
                os.environ.setdefault(f"GIT_{who}_EMAIL", f"{author}@demo.invalid")

    def git(self, *words: str) -> str:
        """Run git and return its output.

        Raises:
            GitError: it failed.
        """
        done = self._run(*words)
        if done.returncode != 0:
            raise GitError(f"git {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def recover(self) -> None:
        """Clear what an earlier process of ours left when it was killed in the middle of a git command."""
        for name in ("rebase-merge", "rebase-apply"):
            if os.path.isdir(self._inside(name)):
                self._run("rebase", "--abort")
        cut_off = os.path.exists(self._inside("index.lock"))
        for directory, _, names in os.walk(self._inside("")):
            for name in names:
                if name.endswith(".lock"):  # nobody else works in this clone
                    os.unlink(os.path.join(directory, name))
        if cut_off:
            self._undo_checkout()
        self._restore_emptied()

    def _restore_emptied(self) -> None:
        """Bring back files that a power cut left empty: git had written them, and the disk had not."""
        changed = self._run("ls-files", "-z", "--modified").stdout.split("\0")
        for path in filter(None, changed):
            full = os.path.join(self.root, path)
            if os.path.isfile(full) and os.path.getsize(full) == 0:
                self._run("checkout", "--quiet", "--", path)

    def _undo_checkout(self) -> None:
        """Take back half a checkout: it has written what the index does not know, and what git would not overwrite."""
        self._run("reset", "--quiet", "--hard")
        unknown = self._run("ls-files", "-z", "--others").stdout.split("\0")
        theirs = self._run("ls-tree", "-z", "-r", "--name-only", "@{upstream}").stdout.split("\0")
        for path in filter(None, set(unknown) & set(theirs)):
            os.unlink(os.path.join(self.root, path))

    def pull(self) -> None:
        """Take in what others pushed, keeping our own commits on top."""
        if not self.git("ls-remote", "--heads", "origin").strip():
            return  # an empty remote: we push first
        self._retry("pull", "--quiet", "--rebase", "--autostash")

    def commit(self, subject: str, paths: Sequence[str]) -> bool:
        """Commit *paths* if they changed; return whether they did."""
        self.git("add", "--", *paths)
        if self._run("diff", "--cached", "--quiet").returncode == 0:
            return False
        self.git("commit", "--quiet", "-m", subject)
        return True

    def push(self) -> None:
        """Push our commits, each time on top of what others pushed meanwhile."""
        for attempt in range(_ATTEMPTS):
            done = self._run("push", "--quiet", "--set-upstream", "origin", "HEAD")
            if done.returncode == 0:
                return
            time.sleep(0.1 * attempt)
            self.pull()
        raise GitError(f"git push: {done.stderr.strip()}")

    def log(self, since: str, *paths: str) -> list[tuple[str, str]]:
        """Return (commit, subject) of the commits after *since* (empty: of all) that touch *paths*, newest first."""
        if self._run("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0:
            return []
        span = [f"{since}..HEAD"] if since else ["HEAD"]
        lines = self.git("log", "--format=%H %s", *span, "--", *paths).splitlines()
        return [(line[:40], line[41:]) for line in lines]

    def added(self, commit: str, path: str) -> str:
        """Return the lines that *commit* added to *path*."""
        shown = self.git("show", "--format=", "--unified=0", commit, "--", path)
        return "\n".join(line[1:] for line in shown.splitlines() if line.startswith("+") and not line.startswith("+++"))

    def _retry(self, *words: str) -> None:
        for attempt in range(_ATTEMPTS):
            done = self._run(*words)
            if done.returncode == 0:
                return
            self.recover()
            time.sleep(0.1 * attempt)
        raise GitError(f"git {' '.join(words)}: {done.stderr.strip()}")

    def _inside(self, name: str) -> str:
        return os.path.join(self.root, self._run("rev-parse", "--git-path", name).stdout.strip())

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("git", *words),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_TIMEOUT,
            check=False,
        )
