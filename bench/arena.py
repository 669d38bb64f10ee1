"""Where one contestant runs: a temporary directory, the children's program, the socket at which they report.

Everything that a contestant starts carries the socket's path in its environment; that is how all of it is found and
ended afterwards, by pid, and nothing else is.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bench.measure import with_environment

VARIABLE = "LOOPS_BENCH_SOCKET"
PLACE = os.environ.get("LOOPS_BENCH_DIRECTORY", "/tmp")
"""Where arenas are made: short, for a socket's path has 107 bytes; on a disk, for the journal's sake."""
_FOREIGN = ("TMUX", "NOTIFY_SOCKET", "PYTHON", "LOOPS_", "AGENT_")
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True, slots=True)
class Birth:
    """A child's first instruction: ``at`` is nanoseconds of CLOCK_MONOTONIC."""

    name: str
    pid: int
    at: int


@dataclass(slots=True)
class Arena:
    """A private place; ``alive`` is the pid of each session's child by its name."""

    directory: str
    environment: Mapping[str, str]
    """What a contestant must run with."""
    channel: socket.socket
    child: str
    """Path of the program to supervise; its one argument is the session's name."""
    alive: dict[str, int] = field(default_factory=dict)

    def spawn(self, *argv: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a contestant's own process, its output in ``directory``/output."""
        with open(os.path.join(self.directory, "output"), "ab") as output:
            return subprocess.Popen(
                argv,
                env={**self.environment, **more},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Write a file below ``directory`` and return its path."""
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def birth(self, deadline: float) -> Birth | None:
        """Wait for the next start of a child until *deadline* (``time.monotonic()``); None when none came."""
        self.channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            name, pid, at = self.channel.recv(256).decode().split()
        except TimeoutError:
            return None
        self.alive[name] = int(pid)
        return Birth(name, int(pid), int(at))

    def births(self, names: Sequence[str], deadline: float) -> list[Birth]:
        """Wait until each of *names* was born once (again), or until *deadline*; return those that were."""
        missing, found = set(names), []
        while missing and (birth := self.birth(deadline)):
            if birth.name in missing:
                missing.remove(birth.name)
                found.append(birth)
        return found

    def kill(self, name: str) -> int:
        """Kill one child by its pid; return the nanoseconds of CLOCK_MONOTONIC just before."""
        now = time.monotonic_ns()
        with suppress(ProcessLookupError):
            os.kill(self.alive[name], signal.SIGKILL)
        return now

    def last_words(self) -> str:
        """Return the last line that the contestant printed."""
        with suppress(OSError), open(os.path.join(self.directory, "output"), errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
            return lines[-1][:200] if lines else ""
        return ""

    def processes(self) -> list[int]:
        """Return everything that was started here and lives, whoever its parent is now."""
        return with_environment(f"{VARIABLE}={self.environment[VARIABLE]}".encode())

    def clear(self) -> None:
        """End everything that was started here, by pid, until nothing is left."""
        deadline = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:  # frozen first, so that no supervisor heals what was just killed
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


@contextmanager
def arena() -> Iterator[Arena]:
    """Give an arena, and leave nothing of it behind."""
    directory = tempfile.mkdtemp(prefix="lb", dir=PLACE)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        path = os.path.join(directory, "births")
        channel.bind(path)
        # PYTHONDONTWRITEBYTECODE, say, would have every start of a Python program compile all of it again.
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        place = Arena(directory, {**kept, VARIABLE: path, "HOME": directory}, channel, _child(directory))
        try:
            yield place
        finally:
            place.clear()
    finally:
        channel.close()
        shutil.rmtree(directory, ignore_errors=True)


def compiler() -> str:
    """Return the C compiler, or "" when there is none."""
    return shutil.which("cc") or shutil.which("gcc") or ""


def compile_c(name: str, directory: str) -> str:
    """Compile bench/*name*.c into *directory* and return the program's path."""
    program = os.path.join(directory, name)
    subprocess.run([compiler(), "-O2", "-o", program, os.path.join(HERE, f"{name}.c")], check=True)
    return program


def _child(directory: str) -> str:
    if compiler():
        return compile_c("child", directory)
    program = os.path.join(directory, "child")
    with open(program, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {sys.executable} -I -S {HERE}/child.py "$@"\n')
    os.chmod(program, 0o755)
    return program
