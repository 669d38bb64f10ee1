"""A program that was started and is waited for: found as a shell finds it, told of our death, its end seen by pidfd."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from loops.runner.link import Ended

_PR_SET_PDEATHSIG = 1
_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""What Python ignores; ignored signals stay ignored across exec(2)."""


class Process:
    """A running program that leads its process group.  ``pidfd`` is readable when it has ended; 0 and -1: nothing runs."""

    __slots__ = ("ended", "pid", "pidfd")

    def __init__(self, pid: int = 0) -> None:
        """*pid* is a child of ours."""
        self.pid = pid
        self.pidfd = os.pidfd_open(pid) if pid else -1
        self.ended: Ended | None = None

    def reap(self) -> Ended:
        """Take in the end, and end what the program left in its group; to be called when ``pidfd`` is readable.

        A launcher that is killed (codex' is one, under an older Node) leaves the real program, which would work on.  Only
        before the wait is the group's number surely still ours.
        """
        if self.ended is None:
            self.signal(signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self.ended = Ended(code=code) if code >= 0 else Ended(signal=-code)
            os.close(self.pidfd)
            self.pidfd = -1
        return self.ended

    def signal(self, number: int) -> None:
        """Signal the whole process group, unless the program's end was taken in."""
        if self.pid and self.ended is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def start(argv: Sequence[str], env: Mapping[str, str], directory: str, arrange: Callable[[], None]) -> int:
    """Run *argv* in *directory* with exactly *env* and return its pid; it ends when we are killed.

    *arrange* is called in the child before anything else of it.

    Raises:
        OSError: it cannot be started; ``filename`` names the directory or the program.
    """
    program = find(argv[0], env.get("PATH", os.defpath), directory)
    dying, ours = _death_signal(), os.getpid()
    told, failed = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(program, argv, env, directory, arrange, failed, dying, ours)
    os.close(failed)
    with open(told, "rb") as file:
        report = file.read()
    if report:
        os.waitpid(pid, 0)
        number = int(report[1:])
        raise OSError(number, os.strerror(number), directory if report[:1] == b"d" else program)
    return pid


def _become(
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    directory: str,
    arrange: Callable[[], None],
    failed: int,
    dying: object,
    parent: int,
) -> NoReturn:
    """In the child: turn into the program."""
    stage = b"d"
    try:
        if callable(dying):
            dying(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # killed before we could ask to be told
                os._exit(1)
        arrange()
        for ignored in _RESET:
            signal.signal(ignored, signal.SIG_DFL)
        os.chdir(directory)
        stage = b"p"
        os.execve(program, list(argv), dict(env))
    except OSError as error:
        os.write(failed, stage + str(error.errno or 0).encode())
    finally:
        os._exit(127)


def _death_signal() -> object:
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
