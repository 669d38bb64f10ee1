"""The link over standard input and output: JSON lines both ways."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence

from loops.runner.child import Child, spawn
from loops.runner.lines import Lines
from loops.runner.link import NEVER, Ended, Received

READ_BYTES = 1 << 16
"""A pipe's capacity."""
READS = 16
"""Reads of one descriptor before the others have their turn."""
LINGER = 0.5
"""Seconds after the program's end in which its pipes may still be open: a grandchild that holds them is not awaited."""

_GONE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL


class StdioLink:
    """See `loops.runner.link.Link`."""

    def __init__(self) -> None:
        """Nothing is started."""
        self._child: Child | None = None
        self._readers: dict[int, tuple[str, Lines]] = {}
        self._pending: deque[memoryview] = deque()
        self._leaving = False
        self._until = NEVER
        self._ended: Ended | None = None

    def start(self, argv: Sequence[str], env: Mapping[str, str], directory: str) -> None:
        """Start the program."""
        self._child = child = spawn(argv, env, directory)
        self._readers = {child.out: ("out", Lines()), child.err: ("err", Lines())}

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._child.pid if self._child is not None else 0

    @property
    def ended(self) -> Ended | None:
        """How it ended."""
        return self._ended

    def descriptors(self) -> Sequence[tuple[int, int]]:
        """Its outputs, its end, and its input while something waits for it."""
        child = self._child
        if child is None:
            return ()
        wanted = [(descriptor, select.POLLIN) for descriptor in self._readers]
        if child.pidfd >= 0:
            wanted.append((child.pidfd, select.POLLIN))
        if child.into >= 0 and self._pending:
            wanted.append((child.into, select.POLLOUT))
        return wanted

    def serve(self, descriptor: int, events: int) -> Sequence[Received]:
        """Read, write or take in the end."""
        child = self._child
        if child is None:
            return ()
        if descriptor in self._readers:
            return self._read(descriptor) if events & _GONE else ()
        if descriptor == child.pidfd:
            child.reap()
            self._until = time.monotonic() + LINGER
            return self._end_when_drained()
        if descriptor == child.into:
            self._write()
        return ()

    def due(self) -> float:
        """When the program's pipes are given up after its end."""
        return self._until

    def tick(self, now: float) -> Sequence[Received]:
        """Give up pipes that somebody else holds."""
        if now < self._until:
            return ()
        rest = [received for descriptor in list(self._readers) for received in self._close(descriptor)]
        rest += self._end_when_drained()
        return rest

    def send(self, line: bytes) -> None:
        """Write, or queue; a program that has closed its input gets nothing (its end is about to be seen)."""
        child = self._child
        if child is None or child.into < 0:
            return
        self._pending.append(memoryview(line + b"\n"))
        if len(self._pending) == 1:
            self._write()

    def leave(self) -> None:
        """Close its input once everything was written; the second time: SIGTERM."""
        child = self._child
        if child is None:
            return
        if self._leaving:
            child.signal(signal.SIGTERM)
        self._leaving = True
        if not self._pending:
            child.close_input()

    def kill(self) -> None:
        """End its whole group."""
        if self._child is not None:
            self._child.signal(signal.SIGKILL)

    def _read(self, descriptor: int) -> list[Received]:
        stream, lines = self._readers[descriptor]
        found: list[Received] = []
        for _ in range(READS):
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return found
            except OSError:
                data = b""
            if not data:
                found += self._close(descriptor)
                found += self._end_when_drained()
                return found
            found += [Received(stream, line) for line in lines.feed(data)]
            if len(data) < READ_BYTES:
                break
        return found

    def _close(self, descriptor: int) -> list[Received]:
        """Let go of one output; what came without a newline is its last line."""
        stream, lines = self._readers.pop(descriptor)
        assert self._child is not None, "it has outputs"
        self._child.close_output(descriptor)
        rest = lines.rest()
        return [Received(stream, rest)] if rest else []

    def _end_when_drained(self) -> list[Received]:
        child = self._child
        if child is not None and child.ended is not None and not self._readers and self._ended is None:
            self._ended = child.ended
            self._until = NEVER
            self._pending.clear()
            child.close()
        return []

    def _write(self) -> None:
        child = self._child
        assert child is not None, "something was sent to it"
        while self._pending:
            chunk = self._pending[0]
            try:
                count = os.write(child.into, chunk)
            except BlockingIOError:
                return
            except OSError:  # it has closed its input, and will end or has ended
                self._pending.clear()
                child.close_input()
                return
            if count < len(chunk):
                self._pending[0] = chunk[count:]
            else:
                self._pending.popleft()
        if self._leaving:
            child.close_input()
