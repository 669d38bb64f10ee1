"""The Python of the NixOS test is checked here as nixpkgs checks it there: behind the declarations of what the driver defines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

NIXOS = Path(__file__).resolve().parents[2] / "nixos"
SCRIPT = NIXOS / "test_script.py"
NAMES = NIXOS / "test_script_names.py"


def mypy(directory: Path, script: str) -> subprocess.CompletedProcess[str]:
    file = directory / "script.py"
    file.write_text(NAMES.read_text() + script)
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(directory / "cache"), str(file)]
    return subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False)


def test_the_script_is_strictly_typed_against_the_driver(tmp_path: Path) -> None:
    done = mypy(tmp_path, SCRIPT.read_text())
    assert done.returncode == 0, done.stdout


def test_a_misused_driver_is_found(tmp_path: Path) -> None:
    done = mypy(tmp_path, SCRIPT.read_text().replace("machine.crash()", "machine.crush()"))
    assert '"Machine" has no attribute "crush"' in done.stdout


def test_every_name_from_outside_is_given_by_both_who_run_it() -> None:
    declared = set(re.findall(r"^(\w+): str$", NAMES.read_text(), re.MULTILINE))
    in_nix = set(re.findall(r"^ +(\w+) = .*$", (NIXOS / "test.nix").read_text().partition("''")[2], re.MULTILINE))
    here = (NIXOS.parent / "acceptance" / "machine" / "test_appliance.py").read_text()
    assert declared == in_nix
    assert declared <= set(re.findall(r'^ +"(\w+)":', here, re.MULTILINE))
