"""What a run leaves on disk: the raw lines byte for byte, the order in which they came, and the normalized events.

Recording comes before acting.  A full disk stops no agent: what cannot be written waits in memory, in order, and is
written when there is room; a file therefore is always a true beginning of what happened.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

MOST_WAITING = 16_000_000
"""Bytes that wait for room on the disk, a file; then this file is closed for good, whole as far as it goes."""
FILES = {"err": "err.txt"}
"""The file of a stream below ``raw``; ``STREAM.jsonl`` for all others."""


class Appended:
    """A file to whose end whole lines are written, one write(2) each."""

    __slots__ = ("_complain", "_fd", "_waiting", "_weight", "path")

    def __init__(self, path: str, complain: Callable[[str], None]) -> None:
        """Open, or make, *path* with mode 0600.  *complain* is told in words when it cannot be written, and when it can."""
        self.path = path
        self._complain = complain
        self._waiting: deque[bytes] = deque()
        self._weight = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    @property
    def waits(self) -> bool:
        """Whether something could not be written yet: call `flush` now and then."""
        return self._weight > 0

    def add(self, line: bytes) -> None:
        """Append *line*, which ends with its newline."""
        if self._fd < 0:
            return
        self._waiting.append(line)
        self._weight += len(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as there is room."""
        while self._waiting:
            line = self._waiting[0]
            try:
                count = os.write(self._fd, line)
            except OSError as error:
                self._stuck(error)
                return
            self._weight -= count
            if count < len(line):
                self._waiting[0] = line[count:]
            else:
                self._waiting.popleft()

    def close(self) -> None:
        """Write what there is room for and let go."""
        if self._fd >= 0:
            self.flush()
            os.close(self._fd)
            self._fd = -1

    def _stuck(self, error: OSError) -> None:
        if self._weight > MOST_WAITING:
            os.close(self._fd)
            self._fd, self._weight = -1, 0
            self._waiting.clear()
            self._complain(f"{self.path}: {error.strerror}; it records no more of this run")
        else:
            self._complain(f"{self.path}: {error.strerror}; make room, what happens is kept in memory meanwhile")


class Recorder:
    """The files of one run.  Times are epoch seconds, written in microseconds."""

    def __init__(self, run_dir: str, signals: str, complain: Callable[[str], None]) -> None:
        """Make *run_dir* (mode 0700).  *complain* is told, in words and once, what somebody has to mend.

        Raises:
            OSError: it cannot be made: a run that nobody could check is not begun.
        """
        self._raw = os.path.join(run_dir, "raw")
        os.makedirs(run_dir, mode=0o700, exist_ok=True)
        os.makedirs(self._raw, mode=0o700, exist_ok=True)
        self._tell = complain
        self._told: set[str] = set()
        self._streams: dict[str, Appended] = {}
        self._index = Appended(os.path.join(self._raw, "index"), self._complain)
        self._events = Appended(os.path.join(run_dir, "events.normalized.jsonl"), self._complain)
        self._signals = Appended(signals, self._complain)

    def raw(self, stream: str, line: bytes, recorded: str) -> None:
        """Keep one raw line, and that it was the next."""
        file = self._streams.get(stream)
        if file is None:
            name = FILES.get(stream, f"{stream}.jsonl")
            file = self._streams[stream] = Appended(os.path.join(self._raw, name), self._complain)
        file.add(line + b"\n")
        self._index.add(f"{stream} {recorded}\n".encode())

    def head(self, document: bytes) -> None:
        """Keep what the normaliser was told.  It is written anew: a run is begun once."""
        path = os.path.join(self._raw, "run.json")
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(document)
        except OSError as error:
            self._complain(f"{path}: {error.strerror}; without it this run cannot be normalized again")

    def event(self, line: bytes) -> None:
        """Keep one normalized event."""
        self._events.add(line + b"\n")

    def signal(self, line: bytes) -> None:
        """Tell the supervisor."""
        self._signals.add(line + b"\n")

    @property
    def waits(self) -> bool:
        """Whether something waits for room: call `flush` now and then."""
        return any(file.waits for file in self._files())

    def flush(self) -> None:
        """Write what waits, as far as there is room."""
        for file in self._files():
            if file.waits:
                file.flush()

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files():
            file.close()

    def _complain(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _files(self) -> tuple[Appended, ...]:
        return (*self._streams.values(), self._index, self._events, self._signals)
