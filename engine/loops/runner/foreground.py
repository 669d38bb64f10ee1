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

from loops.runner.link import Ended
from loops.runner.process import Process, start

_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN)
"""Keys' signals are the agent's; and we set the foreground from the background."""
_RESET = b"\x1b[?1049l\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[<u\x1b[?25h\x1b[0m\r\n"
"""Out of the alternate screen, no marked pastes, no mouse, no focus reports, plain keys, a cursor."""


class Foreground(Process):
    """A program that has our terminal."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        """Nothing runs."""
        super().__init__()
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
        self.pid = start(argv, env, directory, _take_the_terminal)
        self.pidfd = os.pidfd_open(self.pid)

    def waken(self) -> None:
        """Let it go on if it has stopped itself (Ctrl-Z): nobody has a shell here to do that."""
        with suppress(ChildProcessError):
            stopped = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)
            if stopped is not None:
                self.signal(signal.SIGCONT)

    def reap(self) -> Ended:
        """Take in the end, and give the terminal a usable state again; to be called when ``pidfd`` is readable."""
        first = self.ended is None
        ended = super().reap()
        if first:
            self._take_back()
        return ended

    def _take_back(self) -> None:
        with suppress(OSError):
            os.tcsetpgrp(0, os.getpgrp())
        if self._saved is not None:
            with suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, self._saved)
        if self.ended is not None and self.ended.signal is not None and os.isatty(1):  # it had no time to do so itself
            with suppress(OSError):
                os.write(1, _RESET)


def _take_the_terminal() -> None:
    """In the child."""
    os.setpgid(0, 0)
    with suppress(OSError):  # no terminal: a test's pipe
        os.tcsetpgrp(0, os.getpid())
    for number in _IGNORED:  # ignored signals stay ignored across exec(2)
        signal.signal(number, signal.SIG_DFL)
