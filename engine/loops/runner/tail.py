"""A file that somebody else appends to, read line by line."""

from __future__ import annotations

import os

from loops.runner.lines import Lines

MOST_READ = 1 << 20
"""Bytes a call: a long history must not keep the runner from anything else."""


class Tail:
    """The lines that come into the file at ``path`` from now on."""

    __slots__ = ("_lines", "_offset", "path")

    def __init__(self, path: str, *, from_start: bool) -> None:
        """*from_start*: also what stands there already."""
        self.path = path
        self._lines = Lines()
        self._offset = 0 if from_start else _size(path)

    def read(self) -> list[bytes]:
        """Return the whole lines that came."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
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


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
