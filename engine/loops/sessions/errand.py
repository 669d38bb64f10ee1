"""Errands: calls of tmux that nobody waits for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence

_ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "XDG_RUNTIME_DIR",
)
"""All that the server gets to know: no ``TMUX`` of another server, no keys and tokens of ours."""

Then = Callable[[int, str, str, float], None]
"""What comes after an errand: exit status, output, complaint and the time now."""


class Errand:
    """One call of tmux: a child process, its output in memory, and what comes after it."""

    def __init__(self, argv: Sequence[str], deadline: float, then: Then) -> None:
        """Start *argv*.  OSError: it cannot be."""
        self.deadline = deadline
        self.then = then
        self._output = os.memfd_create("tmux")
        self._complaint = os.memfd_create("tmux")
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            self._process = subprocess.Popen(
                argv,
                cwd="/",  # the server keeps it; one whose directory was removed ignores -c
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._complaint,
                start_new_session=True,
            )
        except OSError:
            os.close(self._output)
            os.close(self._complaint)
            raise
        self.pidfd = os.pidfd_open(self._process.pid)

    def ended(self) -> bool:
        """Whether `result` is there."""
        return self._process.poll() is not None

    def result(self) -> tuple[int, str, str]:
        """Return exit status, output and complaint.  Once: it closes what it read from."""
        texts = []
        for descriptor in (self._output, self._complaint):
            with open(descriptor, "rb") as file:
                file.seek(0)
                texts.append(file.read().decode("utf-8", "replace").strip("\n"))
        os.close(self.pidfd)
        return self._process.returncode, texts[0], texts[1]

    def kill(self) -> None:
        """End it at once; nothing comes after it."""
        self._process.kill()
        self._process.wait()  # a client in a system call that cannot be interrupted does not exist: it polls a socket
        self.result()
