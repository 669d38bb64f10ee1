"""Reads a session's log, which `loops.sessions.output.Log` rotates: its end, and what comes after it."""

from __future__ import annotations

import os
from contextlib import suppress

BLOCK = 65_536
MOST_TAIL = 32 * 1024 * 1024
"""Bytes; more than all files of one log together hold."""


def last_lines(path: str, count: int) -> bytes:
    """Return the last *count* lines of the log at *path*, looking into its predecessors as far as need be.

    OSError: it exists, but cannot be read.  A log that does not exist yet is empty.
    """
    if count <= 0:
        return b""
    tail = b""
    older = path
    number = 0
    while _lines(tail) < count and len(tail) < MOST_TAIL and os.path.isfile(older):
        tail = _end(older, count - _lines(tail)) + tail
        number += 1
        older = f"{path}.{number}"
    return _cut(tail, count)


def _lines(data: bytes) -> int:
    return data.count(b"\n")


def _end(path: str, count: int) -> bytes:
    """The end of one file, with at least *count* line ends in it if it has so many."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        data = b""
        while position > 0 and _lines(data) <= count:
            size = min(BLOCK, position)
            position -= size
            file.seek(position)
            data = file.read(size) + data
    return data


def _cut(data: bytes, count: int) -> bytes:
    """The last *count* lines of *data*."""
    at = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(count):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return data
    return data[at + 1 :]


class Follower:
    """Reads on in a log as it grows, over rotations.  Close it."""

    def __init__(self, path: str) -> None:
        """Begin at the end of what is there now."""
        self._path = path
        self._file: int | None = None
        self._open()
        if self._file is not None:
            os.lseek(self._file, 0, os.SEEK_END)

    def _open(self) -> None:
        with suppress(FileNotFoundError):
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """Return what was written since the last time.

        A file that was rotated away is read to its end before the next one is begun.  Two rotations between two calls
        lose what was in between: 10 MB in the blink of an eye.
        """
        data = self._rest()
        if self._moved():
            data += self._rest()  # written between our last look and the rotation
            self.close()
            self._open()
            data += self._rest()
        return data

    def _rest(self) -> bytes:
        if self._file is None:
            return b""
        if os.lseek(self._file, 0, os.SEEK_CUR) > os.fstat(self._file).st_size:
            os.lseek(self._file, 0, os.SEEK_SET)  # emptied in place
        chunks = []
        while chunk := os.read(self._file, BLOCK):
            chunks.append(chunk)
        return b"".join(chunks)

    def _moved(self) -> bool:
        if self._file is None:
            return True
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False  # between the rename and the new file: the old one may still grow
        ours = os.fstat(self._file)
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
