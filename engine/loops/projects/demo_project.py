"""The throwaway project of ``loops demo``: a real bare remote, two clones, two phases, and a script that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from loops.agents.demo_agent.sample import CHECK
from loops.errors import LoopsError

AGENTS_TOML = """\
# A throwaway project: every agent is the scripted, dependency-free demo backend.
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"
backend = "demo"
model = "demo-small"
watch = "heal+stall"

[watchdog]                      # a demo's patience; real projects keep the defaults
signal_interval = 5
limit_reset_slack = 0.5
limit_probe_fallback = 2
stall_grace = 30
stop_grace = 2

[backend.demo]
flags = ["--script", {script}]

[[agent]]
name = "builder"
kind = "loop"
role = "builder"
dir = "work/builder"

[[agent]]
name = "adversary"
kind = "loop"
role = "adversary"
dir = "work/adversary"

[[agent]]
name = "report"
kind = "task"
prompt_file = "report.md"
dir = "."

[[service]]
name = "clock"
command = ["sh", "-c", "while :; do date; sleep 1; done"]
watch = "heal"

[loop]
handoff = {{ repo = "work/builder", branch = "main" }}
on_complete = {{ run = "report" }}

[[loop.phases]]
id = "1"
plan = "plans/plan-phase1-median.md"
items = ["M1"]
checks = ["./check.sh 1"]

[[loop.phases]]
id = "2"
plan = "plans/plan-phase2-again.md"
items = ["M1", "M2"]
models = {{ builder = "demo-large" }}
checks = ["./check.sh 2"]
"""

SCRIPT = {
    "pace": 0.12,
    "wait": 600,
    "items": {"1": ["M1"], "2": ["M1", "M2"]},
    "rules": [
        {"role": "builder", "phase": "1", "mode": "false-claim", "times": 1},
        {"role": "builder", "phase": "2", "mode": "limit", "times": 1, "seconds": 2.0, "after": 2},
    ],
}

PLAN = """\
# Phase {phase}

Write `src/{phase}.py` with a function `median(numbers)`: the middle number, or the mean of the two middle ones.
Items: {items}. `./check.sh {phase}` must succeed in a fresh clone.
"""


@dataclass(frozen=True, slots=True)
class DemoProject:
    """Where it is."""

    root: str

    @property
    def config_path(self) -> str:
        return os.path.join(self.root, "agents.toml")


def create(root: str, prefix: str) -> DemoProject:
    """Make the project below *root*, an empty directory of our own."""
    remote = os.path.join(root, "remote.git")
    seed = os.path.join(root, "seed")
    _git(root, "init", "--quiet", "--bare", "--initial-branch=main", remote)
    _clone(remote, seed, "operator")
    _write(os.path.join(seed, "check.sh"), CHECK, executable=True)
    _write(os.path.join(seed, "plans", "plan-phase1-median.md"), PLAN.format(phase="1", items="M1"))
    _write(os.path.join(seed, "plans", "plan-phase2-again.md"), PLAN.format(phase="2", items="M1, M2"))
    _write(os.path.join(seed, "machine-docs", "DECISIONS.md"), "# Decisions\n")
    _git(seed, "add", "--all")
    _git(seed, "commit", "--quiet", "--message", "chore: begin")
    _git(seed, "push", "--quiet", "origin", "HEAD:main")
    for name in ("builder", "adversary"):
        _clone(remote, os.path.join(root, "work", name), name)
    script = os.path.join(root, "script.json")
    _write(script, json.dumps(SCRIPT, indent=2))
    _write(os.path.join(root, "report.md"), "Write a short report of what was built and how it was verified.\n")
    _write(os.path.join(root, "agents.toml"), AGENTS_TOML.format(prefix=prefix, script=json.dumps(script)))
    return DemoProject(root)


def _clone(remote: str, directory: str, who: str) -> None:
    _git("/", "clone", "--quiet", remote, directory)
    _git(directory, "symbolic-ref", "HEAD", "refs/heads/main")
    _git(directory, "config", "user.name", who)
    _git(directory, "config", "user.email", f"{who}@example.invalid")
    _git(directory, "config", "branch.main.remote", "origin")
    _git(directory, "config", "branch.main.merge", "refs/heads/main")


def _git(directory: str, *words: str) -> None:
    done = subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise LoopsError(f"git {' '.join(words)} in {directory}: {done.stderr.strip()}")


def _write(path: str, text: str, *, executable: bool = False) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    if executable:
        os.chmod(path, 0o755)
