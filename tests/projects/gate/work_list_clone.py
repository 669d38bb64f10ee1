"""A clone with a work list that is ready to be claimed, and a remote that others push to as well."""

from __future__ import annotations

import subprocess
from pathlib import Path

from loops.projects.gate import Gate
from loops.projects.gate_list import work_list

FIELDS = {"WHAT": "a staged project", "HOW": "run `pytest`", "EXPECTED": "12 passed", "WHERE": "staged/ at HEAD"}
GATE = Gate("M1", FIELDS)
NOW = 1_780_000_000.0

BACKLOG = """\
# BACKLOG — phase poe2e

## Build backlog

(Builder-owned)

- [x] **B1 — Scratch project** (D1). Use it.
- [x] B2 — Staged skeleton
- [ ] **B9 — Claim the gate.** Clean tree, and await the Adversary.

## Adversary findings

- [ ] **A1-1 [adversary]** — an open one is the Adversary's business
"""
SECTIONS = "".join(f"**{name}:** {text}\n\n" for name, text in FIELDS.items())


def git(directory: Path, *words: str) -> str:
    """Run git; return what it said."""
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


class WorkListClone:
    """``root`` is the clone; ``work`` its list, phase poe2e."""

    def __init__(self, root: Path) -> None:
        self.above = root
        self.remote = root / "remote.git"
        git(root, "init", "--quiet", "--bare", "-b", "main", str(self.remote))
        git(root, "clone", "--quiet", str(self.remote), "clone")
        self.root = root / "clone"
        git(self.root, "switch", "--quiet", "-C", "main")
        self.call(self.root, "builder")
        (self.root / "machine-docs").mkdir()
        self.push("chore: begin", {"a.py": "a = 1\n", "BACKLOG": BACKLOG})
        self.work = work_list(str(self.root), "poe2e", None)

    def call(self, clone: Path, name: str) -> None:
        git(clone, "config", "user.name", name)
        git(clone, "config", "user.email", f"{name}@example.org")

    def path(self, name: str) -> Path:
        """STATUS and BACKLOG by their kind, else a file."""
        return self.root / (f"machine-docs/{name}-poe2e.md" if name.isupper() else name)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            self.path(name).write_text(text)

    def push(self, subject: str, files: dict[str, str]) -> str:
        """Commit and push *files*; return the commit."""
        self.write(files)
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--allow-empty", "-m", subject)
        git(self.root, "push", "--quiet", "--set-upstream", "origin", "main")
        return git(self.root, "rev-parse", "HEAD")

    def somebody_pushes(self, name: str) -> None:
        """Another clone's commit, of which this one knows nothing yet."""
        other = self.above / f"other-{name}"
        git(self.above, "clone", "--quiet", str(self.remote), str(other))
        self.call(other, "somebody")
        (other / name).write_text("theirs\n")
        git(other, "add", name)
        git(other, "commit", "--quiet", "-m", f"feat: {name}")
        git(other, "push", "--quiet")

    def pushed(self, name: str) -> str:
        return git(self.remote, "show", f"main:{self.path(name).relative_to(self.root)}")

    def subjects(self) -> list[str]:
        return git(self.remote, "log", "--reverse", "--format=%s", "main").splitlines()

    def state(self) -> tuple[str, str, str, dict[str, bytes]]:
        """All that a refused claim must leave as it is."""
        files = {str(p): p.read_bytes() for p in self.root.rglob("*") if p.is_file() and ".git" not in p.parts}
        local = git(self.root, "rev-parse", "HEAD"), git(self.root, "status", "--porcelain=v1", "--untracked-files=all")
        return *local, git(self.remote, "for-each-ref"), files
