"""What a session printed: the newest bytes in memory, all of them in a rotated log.

Both are bounded whatever a child prints, and both take bytes as they come: NUL, half a character, a line of ten
megabytes.  Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import time

RING_BYTES = 16_384
"""Newest output kept in memory a session: a screen of 200 x 50 with its colours."""
REOPEN_AFTER = 1.0
"""Seconds between two attempts to open a log that could not be opened."""


class Ring:
    """The newest `RING_BYTES` of a stream, and how many bytes there were in all.  Grows only as it is used."""

    __slots__ = ("_data", "total")

    def __init__(self, data: bytes = b"", total: int = 0) -> None:
        """Begin with *data* as the end of a stream of *total* bytes."""
        self._data = bytearray(data)
        self.total = max(total, len(data))

    def add(self, data: bytes) -> None:
        """Append to the stream, and forget what is beyond the bound."""
        self.total += len(data)
        self._data += data
        excess = len(self._data) - RING_BYTES
        if excess > 0:
            del self._data[:excess]

    def newest(self) -> bytes:
        """Everything that is kept."""
        return bytes(self._data)

    def since(self, offset: int) -> tuple[int, bytes]:
        """Return the bytes of the stream from *offset* on, and how many of them are no longer here."""
        first = self.total - len(self._data)
        if offset < first:
            return first - offset, bytes(self._data)
        return 0, bytes(self._data[offset - first :])


class Log:
    """A file of at most *limit* bytes and its *keep* - 1 predecessors (``PATH.1`` is the newest of them).

    Nothing here raises: a session runs on when the disk is full or the directory is gone.  What could not be written is
    counted, and a line says so in the log as soon as it takes bytes again.
    """

    __slots__ = ("_fd", "_retry_at", "_size", "dropped", "keep", "limit", "path", "reason")

    def __init__(self, path: str, limit: int, keep: int) -> None:
        """*path* empty: no log at all."""
        self.path = path
        self.limit = limit
        self.keep = max(keep, 1)
        self.dropped = 0
        self.reason = ""
        self._fd = -1
        self._size = 0
        self._retry_at = 0.0

    def write(self, data: bytes) -> None:
        """Append *data*, rotating first when it would not fit."""
        if not self.path:
            return
        if self._size and self._size + len(data) > self.limit:
            self._rotate()
        if self._fd < 0 and not self._open():
            self.dropped += len(data)
            return
        if self.dropped and not self._confess():
            self.dropped += len(data)
            return
        written = self._put(data)
        self.dropped += len(data) - written

    def close(self) -> None:
        """Let go of the file; a later `write` opens it again."""
        if self._fd >= 0:
            if self.dropped:
                self._confess()
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        now = time.monotonic()
        if now < self._retry_at:
            return False
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            try:
                self._fd = os.open(self.path, flags, 0o600)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                self._fd = os.open(self.path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            self.reason = error.strerror or ""
            self._retry_at = now + REOPEN_AFTER
            return False
        return True

    def _put(self, data: bytes) -> int:
        """Write what fits; a short write is how a full disk shows first."""
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self.reason = error.strerror or ""
            return 0
        self._size += written
        if written < len(data):
            self.reason = "No space left on device"
        return written

    def _confess(self) -> bool:
        """Say in the log how much is missing here.  A confession that is cut short is taken back and kept for later."""
        line = f"\r\n[loops: {self.dropped} bytes of output are missing here: {self.reason}]\r\n".encode()
        written = self._put(line)
        if written == len(line):
            self.dropped = 0
            return True
        if written:
            self._size -= written
            os.ftruncate(self._fd, self._size)
        return False

    def _rotate(self) -> None:
        self.close()
        self._size = 0
        try:
            for number in range(self.keep - 1, 0, -1):
                older = f"{self.path}.{number - 1}" if number > 1 else self.path
                if os.path.lexists(older):
                    os.replace(older, f"{self.path}.{number}")
            if self.keep == 1:
                os.unlink(self.path)
        except OSError as error:
            # It cannot be moved away: the bound is kept all the same, by emptying it.
            self.reason = error.strerror or ""
            try:
                os.truncate(self.path, 0)
            except OSError:
                self._retry_at = time.monotonic() + REOPEN_AFTER
