"""The agent's program as a child: its pipes, its death seen by pidfd, its whole process group ended.

It leads a session of its own, without a terminal: a tool that would ask a person something (``git`` for a password)
fails at once, instead of being stopped for ever in the background of ours.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from loops.runner.link import Ended

_PR_SET_PDEATHSIG = 1
_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""What Python ignores; ignored signals stay ignored across exec(2)."""


class Child:
    """A running program.  The descriptors are ours, non-blocking, and closed by `close`."""

    __slots__ = ("ended", "err", "into", "out", "pid", "pidfd")

    def __init__(self, pid: int, into: int, out: int, err: int) -> None:
        """*into*, *out* and *err* are our ends of its standard input, output and error."""
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.into = into
        self.out = out
        self.err = err
        self.ended: Ended | None = None

    def reap(self) -> Ended:
        """Take in the end; to be called when ``pidfd`` is readable."""
        if self.ended is None:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self.ended = Ended(code=code) if code >= 0 else Ended(signal=-code)
            os.close(self.pidfd)
            self.pidfd = -1
        return self.ended

    def signal(self, number: int) -> None:
        """Signal the whole process group, also what the program left in it."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def close_input(self) -> None:
        """End its standard input."""
        if self.into >= 0:
            os.close(self.into)
            self.into = -1

    def close(self) -> None:
        """Let go of all pipes."""
        self.close_input()
        for descriptor in (self.out, self.err):
            if descriptor >= 0:
                os.close(descriptor)
        self.out = self.err = -1


def spawn(argv: Sequence[str], env: Mapping[str, str], directory: str) -> Child:
    """Run *argv* in *directory* with exactly *env*; it ends when we are killed.

    Raises:
        OSError: it cannot be started; ``filename`` names the directory or the program.
    """
    program = find(argv[0], env.get("PATH", os.defpath), directory)
    into, out, err, failed = (os.pipe2(os.O_CLOEXEC) for _ in range(4))
    dying = death_signal()
    ours = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(program, argv, env, directory, (into[0], out[1], err[1]), failed[1], dying, ours)
    for descriptor in (into[0], out[1], err[1], failed[1]):
        os.close(descriptor)
    with open(failed[0], "rb") as file:
        report = file.read()
    if report:
        os.waitpid(pid, 0)
        for descriptor in (into[1], out[0], err[0]):
            os.close(descriptor)
        number = int(report[1:])
        raise OSError(number, os.strerror(number), directory if report[:1] == b"d" else program)
    for descriptor in (into[1], out[0], err[0]):
        os.set_blocking(descriptor, False)
    return Child(pid, into[1], out[0], err[0])


def _become(
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    directory: str,
    streams: tuple[int, int, int],
    failed: int,
    dying: object,
    parent: int,
) -> None:
    """In the child: turn into the program.  Never returns."""
    stage = b"d"
    try:
        if callable(dying):
            dying(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # killed before we could ask to be told
                os._exit(1)
        os.setsid()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        for ignored in _RESET:
            signal.signal(ignored, signal.SIG_DFL)
        os.chdir(directory)
        stage = b"p"
        os.execve(program, list(argv), dict(env))
    except OSError as error:
        os.write(failed, stage + str(error.errno or 0).encode())
    finally:
        os._exit(127)


def death_signal() -> object:
    """Return prctl(2), loaded before the fork; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        return ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None


def find(name: str, path: str, directory: str) -> str:
    """Return the file that *name* stands for, searching *path* as a shell does.

    Raises:
        OSError: nothing of that name is there, or only what may not be executed.
    """
    if "/" in name:
        return os.path.join(directory, name)
    forbidden = ""
    for place in path.split(":") if name else ():
        candidate = os.path.join(directory, place, name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            forbidden = forbidden or candidate
    if forbidden:
        raise PermissionError(13, "Permission denied", forbidden)
    raise FileNotFoundError(2, f"no such program in PATH={path}", name)
