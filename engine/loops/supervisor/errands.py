"""Errands: child programs whose output the supervisor needs (git), run beside its loop and never waited for.

Each has a deadline, for a remote may hang; at the deadline its process group is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO

from loops.supervisor.reactor import Reactor


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

    def run(self, argv: Sequence[str], then: Then, *, input: bytes = b"", timeout: float = 60.0) -> None:
        """Start *argv*; *then* gets its `Result`.  *input* goes through a file, so that no pipe can block us."""
        try:
            with open(os.memfd_create("input", os.MFD_CLOEXEC), "w+b") as given:
                given.write(input)
                given.seek(0)
                process = subprocess.Popen(
                    argv,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd="/",
                    env=git_environment(),
                    start_new_session=True,
                )
        except OSError as error:
            then(Result(-1, b"", f"{argv[0]}: {error.strerror}"))
            return
        errand = _Errand(process, then)
        self._running.add(errand)
        for stream in errand.streams():
            os.set_blocking(stream.fileno(), False)
            self._reactor.watch(stream.fileno(), partial(self._read, errand, stream))
        self._reactor.at(errand.key, self._now() + timeout, partial(self._late, errand))

    def _read(self, errand: _Errand, stream: IO[bytes]) -> None:
        chunk = stream.read(1 << 16)
        if chunk is None:
            return
        if chunk:
            errand.keep(stream, chunk)
            return
        self._reactor.forget(stream.fileno())
        stream.close()
        if errand.closed():
            self._finish(errand)

    def _late(self, errand: _Errand) -> None:
        errand.late = True
        errand.kill()  # the ends of its streams then finish it; what escaped its group must not keep us waiting
        for stream in errand.streams():
            if not stream.closed:
                self._reactor.forget(stream.fileno())
                stream.close()
        self._finish(errand)

    def _finish(self, errand: _Errand) -> None:
        if errand not in self._running:
            return
        self._running.discard(errand)
        self._reactor.at(errand.key, None, lambda: None)
        errand.then(errand.result())

    def close(self) -> None:
        """Kill what still runs; nobody is told."""
        for errand in self._running:
            errand.kill()
            errand.process.wait()
        self._running.clear()


class _Errand:
    """One command under way."""

    def __init__(self, process: subprocess.Popen[bytes], then: Then) -> None:
        self.process = process
        self.then = then
        self.late = False
        self.key = f"errand {process.pid}"
        self._output: list[bytes] = []
        self._error: list[bytes] = []

    def streams(self) -> tuple[IO[bytes], IO[bytes]]:
        output, error = self.process.stdout, self.process.stderr
        assert output is not None
        assert error is not None
        return output, error

    def keep(self, stream: IO[bytes], chunk: bytes) -> None:
        (self._output if stream is self.process.stdout else self._error).append(chunk)

    def closed(self) -> bool:
        return all(stream.closed for stream in self.streams())

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def result(self) -> Result:
        if not self.late:
            # Both streams are closed: the process is at its end, or has nothing more to say.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=1.0)
        code = self.process.poll()
        error = b"".join(self._error).decode("utf-8", "replace").strip()
        if self.late or code is None:
            self.kill()
            self.process.wait()
            return Result(-1, b"", "took too long" + (f": {error}" if error else ""))
        return Result(code, b"".join(self._output), error)


def git_environment() -> dict[str, str]:
    """The environment for git: no prompts, no pager, no translations, no surprise from a hook's variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in ("GIT_SSH", "GIT_SSH_COMMAND")}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}
