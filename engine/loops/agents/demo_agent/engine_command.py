"""The seam to the engine's own commands: ``loops claim``, ``loops verdict`` and ``loops note``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def claim_words(label: str, phase: str, facts: Mapping[str, str]) -> list[str]:
    """Return the words that claim *label*; *facts* has what, how, expected and where."""
    words = ["claim", label, "--phase", phase]
    for name in ("what", "how", "expected", "where"):
        words += [f"--{name}", facts[name]]
    return words


def verdict_words(outcomes: Mapping[str, str], phase: str, finding: str = "") -> list[str]:
    """Return the words that judge; *outcomes* maps an item to an empty text (PASS) or to what failed."""
    words = ["verdict"]
    for item, failure in outcomes.items():
        words.append(f"{item}=FAIL:{failure}" if failure else f"{item}=PASS")
    words += ["--phase", phase]
    return [*words, "--finding", finding] if finding else words


def note_words(left_off: str, state: str) -> list[str]:
    """Return the words that leave a session in the orchestrator's journal."""
    return ["note", f"--left-off={left_off}", f"--state={state}"]


def run_loops(words: list[str]) -> tuple[int, str]:
    """Run ``loops WORDS`` and return (code, what it said); ``$LOOPS_BIN`` is its argv as JSON, else it is our own."""
    named = os.environ.get("LOOPS_BIN")
    environment = dict(os.environ)
    if named:
        command = [str(word) for word in json.loads(named)]
    else:
        command = [sys.executable, "-m", "loops"]
        environment["PYTHONPATH"] = _ROOT
    done = subprocess.run(
        command + words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=environment
    )
    return done.returncode, (done.stdout + done.stderr).strip()
