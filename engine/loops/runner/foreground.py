"""The agent's program in the foreground of our terminal, which is its own from now on: we neither read nor draw there.

It leads a process group of its own, so that the whole group can be ended and keys that make signals reach it alone.
"""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from loops.runner.child import death_signal, find
from loops.runner.link import Ended

_PR_SET_PDEATHSIG = 1
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN)
"""Keys' signals are the agent's; and we set the foreground from the background."""
_RESET = b"\x1b[?1049l\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[<u\x1b[?25h\x1b[0m\r\n"
"""Out of the alternate screen, no marked pastes, no mouse, no focus reports, plain keys, a cursor."""


class Foreground:
    """A program that has our terminal.  ``pidfd`` is readable when it has ended."""

    __slots__ = ("_saved", "ended", "pid", "pidfd")

    def __init__(self) -> None:
        """Nothing runs."""
        self.pid = 0
        self.pidfd = -1
        self.ended: Ended | None = None
        self._saved: list[Any] | None = None

    def start(self, argv: Sequence[str], env: Mapping[str, str], directory: str) -> None:
        """Run *argv* in *directory* with exactly *env*; it ends when we are killed.

        Raises:
            OSError: it cannot be started; ``filename`` names the directory or the program.
        """
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        with suppress(termios.error, OSError):
            self._saved = termios.tcgetattr(0)
        program = find(argv[0], env.get("PATH", os.defpath), directory)
        dying, ours = death_signal(), os.getpid()
        told, failed = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become(program, argv, env, directory, failed, dying, ours)
        os.close(failed)
        with open(told, "rb") as file:
            report = file.read()
        if report:
            os.waitpid(pid, 0)
            reason = int(report[1:])
            raise OSError(reason, os.strerror(reason), directory if report[:1] == b"d" else program)
        self.pid, self.pidfd = pid, os.pidfd_open(pid)

    def waken(self) -> None:
        """Let it go on if it has stopped itself (Ctrl-Z): nobody has a shell here to do that."""
        with suppress(ChildProcessError):
            stopped = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)
            if stopped is not None:
                self.signal(signal.SIGCONT)

    def reap(self) -> Ended:
        """Take in the end, and give the terminal a usable state again; to be called when ``pidfd`` is readable."""
        if self.ended is None:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self.ended = Ended(code=code) if code >= 0 else Ended(signal=-code)
            os.close(self.pidfd)
            self.pidfd = -1
            self._take_back()
        return self.ended

    def signal(self, number: int) -> None:
        """Signal the whole group, also what the program left in it."""
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _take_back(self) -> None:
        with suppress(OSError):
            os.tcsetpgrp(0, os.getpgrp())
        if self._saved is not None:
            with suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, self._saved)
        if self.ended is not None and self.ended.signal is not None and os.isatty(1):  # it had no time to do so itself
            with suppress(OSError):
                os.write(1, _RESET)


def _become(
    program: str, argv: Sequence[str], env: Mapping[str, str], directory: str, failed: int, dying: object, parent: int
) -> None:
    """In the child: turn into the program.  Never returns."""
    stage = b"d"
    try:
        if callable(dying):
            dying(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # killed before we could ask to be told
                os._exit(1)
        os.setpgid(0, 0)
        with suppress(OSError):  # no terminal: a test's pipe
            os.tcsetpgrp(0, os.getpid())
        for number in (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ):  # ignored signals stay ignored across exec(2)
            signal.signal(number, signal.SIG_DFL)
        os.chdir(directory)
        stage = b"p"
        os.execve(program, list(argv), dict(env))
    except OSError as error:
        os.write(failed, stage + str(error.errno or 0).encode())
    finally:
        os._exit(127)
