"""A person at a shell with a home of their own: what they type and what they see is kept, and all of it can be told apart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scratch import GLANCE, PATIENCE, SOURCE_ROOT


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and all that it printed."""

    code: int
    text: str


class Operator:
    """Types commands in ``place``, a directory of their own; git knows nobody here, and no proxy or project is inherited."""

    patience = 2 * PATIENCE
    """Seconds for one command."""

    def __init__(self, root: Path) -> None:
        """Give the person a home, a place to work, and the commands ``loops`` and ``python3``."""
        self.place = root / "projects"
        self.home = root / "home"
        self.transcript = root / "transcript.txt"
        commands = root / "bin"
        for directory in (self.place, self.home, commands):
            directory.mkdir()
        # Sockets have 107 bytes: their directory must not depend on how deep TMPDIR is.
        self.runtime_root = tempfile.mkdtemp(prefix="lo-", dir="/tmp")
        self._command(commands / "loops", f'PYTHONPATH={SOURCE_ROOT} exec {sys.executable} -m loops "$@"')
        self._command(commands / "python3", f'exec {sys.executable} "$@"')
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TERM": "xterm-256color",
        }
        self._mark = str(root).encode()

    def _command(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def types(self, line: str, *, at: Path | None = None, code: int = 0) -> Said:
        """Run one line of shell; it must end with *code*."""
        said = self._run(line, at or self.place)
        self._keep(line, said)
        assert said.code == code, f"not {code}\n{self.transcript.read_text()}"
        return said

    def repeats(self, line: str, until: Callable[[Said], bool], *, at: Path | None = None) -> Said:
        """Run *line* again and again until it says what is wanted, and keep that."""
        deadline = time.monotonic() + 2 * PATIENCE
        while not until(said := self._run(line, at or self.place)):
            if time.monotonic() > deadline:
                self._keep(line, said)
                raise AssertionError(f"it did not come true\n{self.transcript.read_text()}")
            time.sleep(GLANCE)
        self._keep(line, said)
        return said

    def notes(self, text: str) -> None:
        """Write a line of their own into the transcript."""
        with self.transcript.open("a") as file:
            file.write(f"# {text}\n")

    def _run(self, line: str, at: Path) -> Said:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=at,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=self.patience,
            check=False,
        )
        return Said(done.returncode, done.stdout)

    def _keep(self, line: str, said: Said) -> None:
        with self.transcript.open("a") as file:
            file.write(f"$ {line}\n{said.text}[exit {said.code}]\n")

    # ---- what is there ---------------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Every living process that this person started, by the directories in its environment and its words."""
        wanted = (self.runtime_root.encode(), self._mark)
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if line and pid != os.getpid() and any(mark in line or mark in environment for mark in wanted):
                    found[pid] = line.replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return found

    def tmux_servers(self) -> list[str]:
        """The sockets of tmux servers that answer."""
        sockets = Path(self.runtime_root).rglob("tmux.sock")
        asked = {str(path): self._run(f"tmux -S {path} list-sessions", self.place).code for path in sockets}
        return [path for path, code in asked.items() if code == 0]

    def sockets(self) -> list[str]:
        """The sockets of holders and supervisors; a tmux that ended leaves its own file."""
        return [str(path) for path in Path(self.runtime_root).rglob("*.sock") if path.name != "tmux.sock"]

    def leaves(self) -> None:
        """End, by pid, whatever is left, and take the sockets' directory away."""
        deadline = time.monotonic() + PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in sorted(left, key=lambda pid: "loops" not in left[pid]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(GLANCE)
        shutil.rmtree(self.runtime_root, ignore_errors=True)
