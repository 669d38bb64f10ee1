"""The agent's program as a child: its pipes, its death seen by pidfd, its whole process group ended.

It leads a session of its own, without a terminal: a tool that would ask a person something (``git`` for a password)
fails at once, instead of being stopped for ever in the background of ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from loops.runner.process import Process, start


class Child(Process):
    """A running program.  The descriptors are ours, non-blocking, and closed by `close`."""

    __slots__ = ("err", "into", "out")

    def __init__(self, pid: int, into: int, out: int, err: int) -> None:
        """*into*, *out* and *err* are our ends of its standard input, output and error."""
        super().__init__(pid)
        self.into = into
        self.out = out
        self.err = err

    def close_input(self) -> None:
        """End its standard input."""
        if self.into >= 0:
            os.close(self.into)
            self.into = -1

    def close_output(self, descriptor: int) -> None:
        """Let go of the output or error that is *descriptor*."""
        os.close(descriptor)
        if descriptor == self.out:
            self.out = -1
        else:
            self.err = -1

    def close(self) -> None:
        """Let go of all pipes."""
        self.close_input()
        for descriptor in (self.out, self.err):
            if descriptor >= 0:
                self.close_output(descriptor)


def spawn(argv: Sequence[str], env: Mapping[str, str], directory: str) -> Child:
    """Run *argv* in *directory* with exactly *env*; it ends when we are killed.

    Raises:
        OSError: it cannot be started; ``filename`` names the directory or the program.
    """
    into, out, err = (os.pipe2(os.O_CLOEXEC) for _ in range(3))
    theirs, ours = (into[0], out[1], err[1]), (into[1], out[0], err[0])

    def arrange() -> None:
        os.setsid()
        for number, descriptor in enumerate(theirs):
            os.dup2(descriptor, number)

    try:
        pid = start(argv, env, directory, arrange)
    except OSError:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    for descriptor in ours:
        os.set_blocking(descriptor, False)
    return Child(pid, *ours)
