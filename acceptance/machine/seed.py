"""What is put onto the appliance's disk before it is switched on: this repository, a project's two, and the operator's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from loops.agents.demo_agent.sample import CHECK

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).with_name("appliance")
PLAN = """\
# Phase {phase}

Write `src/{phase}.py` with a function `median(numbers)`: the middle number, or the mean of the two middle ones.
`./check.sh {phase}` must succeed in a fresh clone.
"""


def seed(layer: Path) -> None:
    """Write all of it below *layer*, as the machine has it below /."""
    served = layer / "srv" / "git"
    served.mkdir(parents=True)
    _repository(served / "loops.git", CHECKOUT, f"The tree under test, on top of {_head()}")
    _repository(served / "product.git", _product(layer / "product"), "chore: begin")
    _repository(served / "project.git", _project(layer / "project"), "Begin")
    for draft in ("product", "project"):
        shutil.rmtree(layer / draft)

    machine = layer / "etc" / "nixos"
    machine.mkdir(parents=True)
    for name in ("flake.nix", "configuration.nix"):
        shutil.copy(FILES / name, machine)
    _write(layer / "etc/nix/nix.conf", (FILES / "nix.conf").read_text())
    _write(layer / "etc/systemd/system/git-daemon.service", (FILES / "git-daemon.service").read_text())
    wants = layer / "etc/systemd/system/multi-user.target.wants/git-daemon.service"
    wants.parent.mkdir(parents=True, exist_ok=True)
    wants.symlink_to("../git-daemon.service")
    _write(layer / "etc/sysusers.d/git.conf", "u git - - /srv/git\n")
    _write(layer / "etc/tmpfiles.d/git.conf", "Z /srv/git - git git\n")


def _repository(bare: Path, tree: Path, subject: str) -> None:
    """Make a bare repository whose branch main has *tree* as its one commit; what git ignores there is not in it."""
    _git("init", "--quiet", "--bare", "--initial-branch=main", bare)
    _git("--git-dir", bare, "--work-tree", tree, "add", "--all")
    _git("--git-dir", bare, "-c", "user.name=operator", "-c", "user.email=operator@example.invalid",
         "--work-tree", tree, "commit", "--quiet", "--message", subject)  # fmt: skip
    (bare / "index").unlink()


def _product(tree: Path) -> Path:
    _write(tree / "check.sh", CHECK).chmod(0o755)
    _write(tree / "machine-docs" / "DECISIONS.md", "# Decisions\n")
    return tree


def _project(tree: Path) -> Path:
    _write(tree / "plans" / "plan-phase1-median.md", PLAN.format(phase="1"))
    _write(tree / "plans" / "plan-phase2-again.md", PLAN.format(phase="2"))
    _write(tree / "orchestrator.md", "You are the orchestrator: say what you note.\n")
    _write(tree / "report.md", "Write a short report of what was built and how it was verified.\n")
    return tree


def _head() -> str:
    words = ["git", "-C", CHECKOUT, "rev-parse", "--short", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def _git(*words: str | Path) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True, text=True)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
