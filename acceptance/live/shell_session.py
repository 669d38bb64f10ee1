"""The engine's own command as these gates call it, with everything it said kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loops

SOURCES = str(Path(loops.__file__).resolve().parents[1])
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Said:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """Its output as JSON."""
        facts: dict[str, Any] = json.loads(self.out)
        return facts

    def __str__(self) -> str:
        return f"{self.out}{self.err}[exit {self.code}]"


@dataclass(slots=True)
class Operator:
    """Somebody at a shell, with a home and a runtime directory of his own; ``transcript`` is what his terminal showed."""

    home: Path
    runtime: Path
    env: Mapping[str, str] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)

    def loops(self, *words: str, cwd: Path | None = None, stdin: str = "", expect: int | None = 0) -> Said:
        """Run `loops` with *words*; *expect*: the exit code that it must have, None: any."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        own = {"HOME": str(self.home), "LOOPS_RUNTIME_DIR": str(self.runtime), "PYTHONPATH": SOURCES, "TERM": "dumb"}
        ran = subprocess.run(
            [sys.executable, "-m", "loops", *words],
            cwd=cwd or self.home,
            env={**kept, **own, "GIT_CONFIG_NOSYSTEM": "1", **self.env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = Said(ran.returncode, ran.stdout, ran.stderr)
        self.transcript.append(f"$ loops {' '.join(words)}\n{said}\n")
        assert expect is None or said.code == expect, self.transcript[-1]
        return said
