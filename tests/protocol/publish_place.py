"""A real remote with a clone for the Builder and one for the Adversary, in which claims and verdicts are published."""

from __future__ import annotations

import subprocess
from pathlib import Path

from loops.config.model import Handoff, Phase

PHASE = Phase("1c")
HANDOFF = Handoff(repo="work/builder")
FIELDS = {"WHAT": "the lint rung", "HOW": "run `pytest`", "EXPECTED": "12 passed", "WHERE": "src/lint.py"}


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


class Place:
    """A remote, the Builder's clone and the Adversary's clone."""

    def __init__(self, root: Path) -> None:
        self.remote = root / "remote.git"
        git(root, "init", "--quiet", "--bare", "-b", "main", str(self.remote))
        self.builder = self.clone(root, "builder")
        (self.builder / "machine-docs").mkdir()
        (self.builder / "machine-docs/STATUS-1c.md").write_text("# STATUS\n\n## DONE\n\nNot yet.\n")
        (self.builder / "a.py").write_text("a = 1\n")
        git(self.builder, "add", ".")
        git(self.builder, "commit", "--quiet", "-m", "feat: begin")
        git(self.builder, "push", "--quiet", "origin", "main")
        self.adversary = self.clone(root, "adversary")

    def clone(self, root: Path, name: str) -> Path:
        git(root, "clone", "--quiet", str(self.remote), name)
        git(root / name, "switch", "--quiet", "-C", "main") if name == "builder" else None
        git(root / name, "config", "user.name", name)
        git(root / name, "config", "user.email", f"{name}@example.org")
        return root / name

    def work(self, clone: Path, name: str, text: str = "b = 1\n") -> None:
        git(clone, "pull", "--quiet", "--rebase")
        (clone / name).write_text(text)
        git(clone, "add", name)
        git(clone, "commit", "--quiet", "-m", f"feat: {name}")
        git(clone, "push", "--quiet", "origin", "main")

    def pushed(self, path: str) -> str:
        return git(self.remote, "show", f"main:{path}")

    def subject(self) -> str:
        return git(self.remote, "log", "-1", "--format=%s", "main")
