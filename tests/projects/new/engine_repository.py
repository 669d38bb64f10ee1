"""A repository that looks like an engine's, with a tag that is not its newest commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")


def git(directory: Path, *words: str) -> str:
    """Run git; return what it said."""
    done = subprocess.run(["git", *WHO, *words], cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


class EngineRepository:
    """``tagged`` is the commit of the annotated tag v1, ``head`` that of main, ``lone`` that of no branch."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        git(root, "init", "--quiet", "-b", "main")
        self.empty = self.commit("README.md")
        (root / "flake.nix").write_text("{ }\n")
        self.tagged = self.commit("agents.py")
        git(root, "tag", "-a", "v1", "-m", "the first")
        self.head = self.commit("newer.py")
        git(root, "branch", "old", self.empty)
        git(root, "checkout", "--quiet", "--detach")
        self.lone = self.commit("lone.py")
        git(root, "checkout", "--quiet", "main")

    def commit(self, name: str) -> str:
        """Commit a file; return the commit."""
        (self.root / name).write_text(f"# {name}\n")
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "-m", name)
        return git(self.root, "rev-parse", "HEAD")

    @property
    def url(self) -> str:
        return str(self.root)
