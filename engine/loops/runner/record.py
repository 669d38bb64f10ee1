"""The record that an agent keeps of a conversation, followed line by line where it tells what no hook does."""

from __future__ import annotations

import json
import os

from loops.runner.lines import Lines
from loops.runner.link import NEVER

LOOK = 0.1
"""Seconds between two looks while a turn runs."""
LAST_LINES = 2.0
"""Seconds after a turn in which its last lines may still come."""
MOST_READ = 1 << 20
"""Bytes a look: a long history must not keep the runner from anything else."""


class Record:
    """The file that hooks name as ``transcript_path``."""

    __slots__ = ("_from_start", "_home", "_lines", "_offset", "_path", "_until", "_wanted")

    def __init__(self, wanted: bool, home: str, *, from_start: bool) -> None:
        """*wanted*: whether it is followed at all; *from_start*: also what stands there already.

        *home*: only what lies in it is read: whoever names another file wants us to show what it must not see.
        """
        self._wanted = wanted
        self._home = os.path.realpath(home)
        self._from_start = from_start
        self._path = ""
        self._offset = 0
        self._lines = Lines()
        self._until = 0.0

    def named(self, payload: bytes) -> None:
        """Take in a hook's payload: the first that names a file decides."""
        if not self._wanted or self._path:
            return
        path = os.path.realpath(_path_in(payload))
        self._path = path if path.startswith(f"{self._home}/") else ""
        if self._path and not self._from_start:
            self._offset = _size(self._path)

    def turn_ended(self, now: float) -> None:
        """The turn is over; its last lines may follow."""
        self._until = now + LAST_LINES

    def due(self, now: float, turn: bool) -> float:
        """When to `read` next.  *turn*: whether one runs."""
        return now + LOOK if self._path and (turn or now < self._until) else NEVER

    def read(self) -> list[bytes]:
        """Return the whole lines that came."""
        if not self._path:
            return []
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return []
        try:
            data = os.pread(fd, MOST_READ, self._offset)
        except OSError:
            return []
        finally:
            os.close(fd)
        self._offset += len(data)
        return self._lines.feed(data)


def _path_in(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    path = document.get("transcript_path") if isinstance(document, dict) else None
    return path if isinstance(path, str) and path.startswith("/") and "\0" not in path else ""


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
