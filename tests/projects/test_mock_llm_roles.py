"""The built-in scripts do each piece of work once, wherever their commands are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import loops
import pytest
from loops.agents.demo_agent.sample import CHECK
from loops.projects.mock_llm.roles import ROLES

LONGEST = 60.0
"""Seconds for one command."""
MOST_CUTS = 100
"""More steps than any turn has."""
CUT_BEFORE = ("git", "cat", "mkdir")
"""The programs before which a turn can be cut: all that writes is one of them, or stands right before one."""
SHIM = """\
#!/bin/sh
if [ -n "$CUT_AT" ]; then
  echo >>"$STEPS"
  if [ "$(wc -l <"$STEPS")" -eq "$CUT_AT" ]; then kill -KILL 0; fi
fi
exec {program} "$@"
"""
AGENTS_TOML = """\
[defaults]
session_prefix = "roles-"
log_dir = ".loops"
backend = "demo"
model = "demo-small"

[[agent]]
name = "builder"
kind = "loop"
role = "builder"
dir = "builder"

[[agent]]
name = "adversary"
kind = "loop"
role = "adversary"
dir = "adversary"

[loop]
handoff = { repo = "builder", branch = "main" }
phases = [{ id = "one", plan = "plan.md", items = ["M1"] }]
"""


class Project:
    """A remote and two clones, in which the turns of the scripted agents are played without the agents."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        self.steps = root / "steps"
        self.env = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(loops.__file__).parents[1]),
            "LOOPS_CONFIG": str(root / "agents.toml"),
            "LOOPS_RUNTIME_DIR": str(root / "run"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "STEPS": str(self.steps),
        }
        for name in CUT_BEFORE:
            self._program(name, SHIM.format(program=shutil.which(name)))
        self._program("loops", f'#!/bin/sh\nexec {sys.executable} -m loops "$@"\n')
        (root / "agents.toml").write_text(AGENTS_TOML)
        (root / "plan.md").write_text("Write src/one.py.\n")
        self.git(root, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
        seed = self._clone("seed")
        (seed / "check.sh").write_text(CHECK)
        (seed / "check.sh").chmod(0o755)
        (seed / "machine-docs").mkdir()
        (seed / "machine-docs" / "DECISIONS.md").write_text("# Decisions\n")
        self.git(seed, "add", "--all")
        self.git(seed, "commit", "--quiet", "--message", "chore: begin")
        self.git(seed, "push", "--quiet", "origin", "HEAD:main")
        for name in ROLES:
            self._clone(name)

    def _program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def _clone(self, name: str) -> Path:
        self.git(self.root, "clone", "--quiet", "remote.git", name)
        self.git(self.root / name, "symbolic-ref", "HEAD", "refs/heads/main")
        self.git(self.root / name, "config", "user.name", name)
        self.git(self.root / name, "config", "user.email", f"{name}@example.invalid")
        return self.root / name

    def git(self, directory: Path, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=directory, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout

    def turn(self, role: str, cut_at: int = 0) -> bool:
        """Play a turn; kill all of it before its step *cut_at* (from 1; 0: never).  Whether it came to its end."""
        self.steps.unlink(missing_ok=True)
        env = {**self.env, "LOOPS_AGENT": role, "CUT_AT": str(cut_at or "")}
        for command in ROLES[role].commands:
            process = subprocess.Popen(
                ["bash", "-c", command.replace("{{phase}}", "one")],
                cwd=self.root / role,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            said, _ = process.communicate(timeout=LONGEST)
            if process.returncode == -signal.SIGKILL:
                return False
            assert process.returncode == 0, f"{command}\n{said.decode()}"
        return True

    def turn_that_is_cut_at_every_step(self, role: str) -> int:
        """Play a turn again and again, each time cut one step later, until it comes to its end; return the cuts."""
        for cut_at in range(1, MOST_CUTS):
            if self.turn(role, cut_at):
                return cut_at - 1
        raise AssertionError(f"the turn of {role} never came to its end")

    def pushed(self) -> Counter[str]:
        subjects = self.git(self.root / "remote.git", "log", "--format=%s", "main").splitlines()
        return Counter(subject.partition(":")[0] for subject in subjects)

    def document(self, path: str) -> list[str]:
        return self.git(self.root / "remote.git", "show", f"main:{path}").splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.heavy
def test_a_phase_whose_turns_are_cut_at_every_step_is_built_claimed_judged_and_done_once(project: Project) -> None:
    for role in ("builder", "adversary", "builder"):
        assert project.turn_that_is_cut_at_every_step(role) > 10

    once = ("chore", "feat(one)", "claim(one M1)", "review(one)", "status(one)")
    assert project.pushed() == Counter(dict.fromkeys(once, 1))
    assert project.document("machine-docs/STATUS-one.md").count("## DONE") == 1
    assert sum(line.startswith("## M1: PASS") for line in project.document("machine-docs/REVIEW-one.md")) == 1
    assert not project.git(project.root / "builder", "diff", "origin/main")


def test_locks_of_a_git_that_was_killed_stop_nobody(project: Project) -> None:
    for name in ("index", "HEAD", "refs/heads/main", "refs/remotes/origin/main"):
        (project.root / "builder" / ".git" / f"{name}.lock").touch()

    assert project.turn("builder")

    assert project.pushed()["claim(one M1)"] == 1
