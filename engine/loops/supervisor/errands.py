"""Errands: child programs whose output the supervisor needs (git), run beside its loop and never waited for.

Each has a deadline, for a remote may hang; at the deadline its process group is killed.  The end of the process is what
counts, not the end of its output: an ssh that stays behind to share its connection (ControlPersist) keeps that open.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from loops.supervisor.reactor import Reactor

MOST_OUTPUT = 256 << 20
"""Bytes; a command that prints more is killed: the history of a phase has a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Result:
    """How an errand ended.  ``code`` -1: it could not be run, or ran over its time (then ``error`` says so)."""

    code: int
    output: bytes
    error: str = ""


Then = Callable[[Result], None]


class Errands:
    """Runs commands; gives each result to its callback from within the loop."""

    def __init__(self, reactor: Reactor, now: Callable[[], float]) -> None:
        self._reactor = reactor
        self._now = now
        self._running: set[_Errand] = set()
        self._unreaped: set[_Errand] = set()

    def run(
        self, argv: Sequence[str], then: Then, *, input: bytes = b"", timeout: float = 60.0, outlives: bool = False
    ) -> None:
        """Start *argv*; *then* gets its `Result`, from within this call when it cannot be started at all.

        *input* goes through a file, so that no pipe can block us.  *timeout* is seconds.  *outlives*: it goes on
        when we end.
        """
        try:
            errand = _Errand(argv, input, then, outlives)
        except OSError as error:
            then(Result(-1, b"", f"{argv[0]}: {error.strerror}"))
            return
        self._running.add(errand)
        self._unreaped.add(errand)
        for fd in errand.streams:
            self._reactor.watch(fd, partial(self._read, errand, fd))
        self._reactor.watch(errand.pidfd, partial(self._ended, errand))
        self._reactor.at(errand.key, self._now() + timeout, partial(self._give_up, errand, "took too long"))

    def _read(self, errand: _Errand, fd: int) -> None:
        if not errand.read(fd):
            self._reactor.forget(fd)
        if errand.size > MOST_OUTPUT:
            self._give_up(errand, "printed too much")

    def _ended(self, errand: _Errand) -> None:
        """The process has ended, be it long after it was given up: only now can it be reaped without waiting."""
        self._reactor.forget(errand.pidfd)
        self._unreaped.discard(errand)
        code = errand.reap()
        if errand in self._running:
            for fd in errand.streams:
                errand.read(fd)
            self._finish(errand, Result(code, errand.output, errand.error))

    def _give_up(self, errand: _Errand, why: str) -> None:
        errand.kill()
        self._finish(errand, Result(-1, b"", f"{why}: {errand.error}" if errand.error else why))

    def _finish(self, errand: _Errand, result: Result) -> None:
        self._running.discard(errand)
        self._reactor.cancel(errand.key)
        for fd in errand.streams:
            self._reactor.forget(fd)
        errand.close()
        errand.then(result)

    def close(self) -> None:
        """Kill what still runs and may not outlive us; nobody is told.  What does not end even so is left to init."""
        for errand in self._running:
            if not errand.outlives:
                errand.kill()
            self._reactor.cancel(errand.key)
            for fd in errand.streams:
                self._reactor.forget(fd)
            errand.close()
        for errand in self._unreaped:
            self._reactor.forget(errand.pidfd)
            os.close(errand.pidfd)
        self._running.clear()
        self._unreaped.clear()


class _Errand:
    """One command under way."""

    def __init__(self, argv: Sequence[str], input: bytes, then: Then, outlives: bool = False) -> None:
        """OSError: it cannot be started."""
        with open(os.memfd_create("input", os.MFD_CLOEXEC), "w+b") as given:
            given.write(input)
            given.seek(0)
            self._process = subprocess.Popen(
                argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=git_environment(),
                start_new_session=True,
            )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pipes = (self._process.stdout, self._process.stderr)
        self.streams = tuple(pipe.fileno() for pipe in self._pipes)
        for fd in self.streams:
            os.set_blocking(fd, False)
        try:
            self.pidfd = os.pidfd_open(self._process.pid)
        except OSError:  # no descriptor is left: it cannot be watched
            self.kill()
            self._process.wait()
            self.close()
            raise
        self.then = then
        self.outlives = outlives
        self.key = f"errand {self._process.pid}"
        self.size = 0
        self._chunks: dict[int, list[bytes]] = {fd: [] for fd in self.streams}

    def read(self, fd: int) -> bool:
        """Take what is there; False at the end of the stream."""
        with suppress(BlockingIOError):
            while chunk := os.read(fd, 1 << 16):
                self._chunks[fd].append(chunk)
                self.size += len(chunk)
                if self.size > MOST_OUTPUT:
                    break
            return bool(chunk)
        return True

    @property
    def output(self) -> bytes:
        return b"".join(self._chunks[self.streams[0]])

    @property
    def error(self) -> str:
        return b"".join(self._chunks[self.streams[1]]).decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """Kill its whole group, which exists as long as it is not reaped."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self) -> int:
        """Return its exit code, once the pidfd has told that it ended."""
        os.close(self.pidfd)
        return self._process.wait()

    def close(self) -> None:
        """Close its streams."""
        for pipe in self._pipes:
            pipe.close()


def git_environment() -> dict[str, str]:
    """The environment for git: no prompts, no pager, no translations, no surprise from a hook's variables.

    An agent's clone is not trusted: replaced objects (git-replace) and fetches on demand are off, for both let the
    clone's own settings decide what we see, or run.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in ("GIT_SSH", "GIT_SSH_COMMAND")}
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_DEFAULT_REF_FORMAT": "files",
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C.UTF-8",
    }
