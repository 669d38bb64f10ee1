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
from functools import partial
from subprocess import SubprocessError
from tempfile import TemporaryFile

from loops.errors import LoopsError
from loops.projects.cutover import sighting, user
from loops.projects.cutover.conduct import Outcome
from loops.projects.cutover.plan import Command, Ground, Side
from loops.projects.cutover.record import OUTPUT, Places, read_json, write_json
from loops.secrets.redaction import redact
from loops.sessions import tree
from loops.supervisor.processes import Departure

_ENDING = (signal.SIGTERM, signal.SIGKILL)
_GRACE = 5.0
"""Seconds that a command has to end after each of them."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Real hands."""

    ground: Ground
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    tell: Callable[[Command], None] = lambda command: None
    """Is told each command before it runs."""

    def run(self, command: Command) -> Outcome:
        """Run *command* in a process group of its own; what it leaves running (a supervisor) stays.

        Its output goes into a file: a daemon that it starts may keep a pipe open for ever.  While it runs it stands in
        a file too, which it writes itself: whoever conducts after us, should we be killed, has to wait for it.

        Raises:
            LoopsError: it does not end in time, and cannot be ended.
        """
        self.tell(command)
        os.makedirs(self._places.root, exist_ok=True)
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
                    preexec_fn=partial(_note, self._places.running, command),
                )
            except (OSError, SubprocessError) as error:
                self._forget()
                why = error.strerror if isinstance(error, OSError) else f"{self._places.running} cannot be written"
                return Outcome(None, f"{command.words[0]}: {why}", time.monotonic() - began)
            code = _await(child, command.timeout)
            if child.returncode is None:  # it stays noted, for whoever conducts next
                raise _unending(str(command), child.pid)
            self._forget()
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - OUTPUT, 0))
            output = redact(file.read().decode("utf-8", "replace"))
        return Outcome(code, output, round(time.monotonic() - began, 3))

    def settle(self, say: Callable[[str], None]) -> None:
        """Wait for what a conductor that was killed has left running; what does not end in time is ended.

        It may be the very command that starts a side, and a check that is made before its end proves nothing.
        """
        left = read_json(self._places.running)
        if left is None:
            return
        process = tree.Process(left["pid"], left["start_time"])
        with Departure() as departure:
            departure.expect(left["command"], process.pid)
            if tree.identify(process.pid) == process:
                say(
                    f"        `{left['command']}` (pid {process.pid}) runs still, begun before the interruption: waiting for it"
                )
                age = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_time / os.sysconf("SC_CLK_TCK")
                departure.wait(max(left["timeout"] - age, 0.0))
                for number in _ENDING:
                    if departure.remaining:
                        with suppress(ProcessLookupError, PermissionError):
                            os.killpg(process.pid, number)
                        departure.wait(_GRACE)
                if departure.remaining:
                    raise _unending(left["command"], process.pid)
        self._forget()

    def _forget(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._places.running)

    @property
    def _places(self) -> Places:
        return Places(self.ground.log_dir)

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


def _note(path: str, command: Command) -> None:
    """In the process that becomes *command*: written by the parent, it would be missing when that is killed first."""
    pid, start_time = tree.identify(os.getpid()) or (os.getpid(), 0)
    write_json(path, {"pid": pid, "start_time": start_time, "command": str(command), "timeout": command.timeout})


def _unending(command: str, pid: int) -> LoopsError:
    """What sudo runs is root's: we may not even kill it."""
    return LoopsError(f"`{command}` (pid {pid}) cannot be ended: nothing is done beside it; end it, and begin again")


def _await(child: subprocess.Popen[bytes], timeout: float) -> int | None:
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        for number in _ENDING:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)  # its own group: a daemon has left it
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE)
                break
        return None
    except BaseException:  # Ctrl-C: the command must not go on unseen
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        raise
