"""What is put onto the appliance's disk before it is switched on: this repository, the operator's, and Nix' settings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from nix import CHECKOUT, SETTINGS

FILES = Path(__file__).with_name("appliance")
OURS = "/root/loops.git"
OPERATOR = "/root/machine.git"


def seed(layer: Path, scratch: Path) -> None:
    """Write all of it below *layer*, as the machine has it below /; *scratch* is an empty directory."""
    home = layer / "root"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _repository(layer / OURS.lstrip("/"), CHECKOUT, f"The tree under test, on top of {_head()}")
    machine = scratch / "machine"
    shutil.copytree(CHECKOUT / "nixos" / "test", machine)
    shutil.copy(FILES / "flake.nix", machine)
    _repository(layer / OPERATOR.lstrip("/"), machine, "Begin")
    settings = layer / "etc/nix/nix.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS)


def _repository(bare: Path, tree: Path, subject: str) -> None:
    """Make a bare repository whose branch main has *tree* as its one commit; what git ignores there is not in it."""
    _git("init", "--quiet", "--bare", "--initial-branch=main", bare)
    _git("--git-dir", bare, "--work-tree", tree, "add", "--all")
    who = ("-c", "user.name=operator", "-c", "user.email=operator@example.invalid")
    _git("--git-dir", bare, "--work-tree", tree, *who, "commit", "--quiet", "--message", subject)
    (bare / "index").unlink()


def _head() -> str:
    words = ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def _git(*words: str | Path) -> None:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(map(str, words))}: {done.stderr}"
