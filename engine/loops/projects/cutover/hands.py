"""Runs the commands of a plan on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile

from loops.projects.cutover import sighting, user
from loops.projects.cutover.conduct import Outcome
from loops.projects.cutover.plan import Command, Ground, Side
from loops.projects.cutover.record import OUTPUT
from loops.secrets.redaction import redact


@dataclass(frozen=True, slots=True)
class Machine:
    """Real hands."""

    ground: Ground
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    tell: Callable[[Command], None] = lambda command: None
    """Is told each command before it runs."""

    def run(self, command: Command) -> Outcome:
        """Run *command* in a process group of its own; what it leaves running (a supervisor) stays.

        Its output goes into a file: a daemon that it starts may keep a pipe open for ever.
        """
        self.tell(command)
        began = time.monotonic()
        with TemporaryFile() as file:
            try:
                child = subprocess.Popen(
                    argv(command),
                    cwd=command.cwd or None,
                    env={**self.env, **dict(command.env)},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                return Outcome(None, f"{command.words[0]}: {error.strerror}", time.monotonic() - began)
            code = _await(child, command.timeout)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - OUTPUT, 0))
            output = redact(file.read().decode("utf-8", "replace"))
        return Outcome(code, output, round(time.monotonic() - began, 3))

    def lives(self, side: Side) -> str:
        """What of *side* lives now."""
        return sighting.lives(self.ground, side)

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def argv(command: Command) -> list[str]:
    """The words to execute: ``loops`` is this very engine, whatever PATH says."""
    program = [sys.executable, "-m", "loops"] if command.words[0] == "loops" else [command.words[0]]
    return [*user.prefix(command.user), *program, *command.words[1:]]


def _await(child: subprocess.Popen[bytes], timeout: float) -> int | None:
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)  # its own group: a daemon has left it
            with suppress(subprocess.TimeoutExpired):
                child.wait(5)
                break
        return None
    except BaseException:  # Ctrl-C: the command must not go on unseen
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        raise
