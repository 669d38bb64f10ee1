"""File changes without polling: inotify by ctypes (there is no binding in the standard library).

Watches stand on directories, for a watch on a file dies at its first rename.  An overflowing queue and a lost watch are told
as `Change.lost`: whoever listens looks at everything again (fault class 18).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MODIFY, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x8, 0x40, 0x80, 0x100, 0x200
_MOVE_SELF, _Q_OVERFLOW, _IGNORED, _ONLYDIR = 0x800, 0x4000, 0x8000, 0x01000000
_MASK = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _MOVE_SELF | _ONLYDIR
_HEAD = struct.Struct("iIII")


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to ``name`` in ``directory``; ``lost``: events were lost there (directory "" = anywhere)."""

    directory: str
    name: str
    lost: bool = False


class Inotify:
    """One inotify instance.  ``watch`` a directory again after it was ``lost``."""

    def __init__(self) -> None:
        """OSError: the kernel gives no instance; the message says which limit to raise."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify: {os.strerror(number)} (see /proc/sys/fs/inotify/max_user_instances)")
        self._directories: dict[int, set[str]] = {}
        self._watches: dict[str, int] = {}
        self.exhausted = False
        """Whether the kernel refused a watch for want of room (/proc/sys/fs/inotify/max_user_watches)."""

    def fileno(self) -> int:
        return self._fd

    def watch(self, directory: str) -> bool:
        """Watch *directory*; False when it cannot be (it does not exist yet).

        Call it again from time to time: it notices when another directory stands at that path by now.
        """
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _MASK)
        if number < 0:
            self.exhausted = self.exhausted or ctypes.get_errno() == errno.ENOSPC
            self.forget(directory)
            return False
        if self._watches.get(directory) != number:
            self.forget(directory)
            self._watches[directory] = number
            self._directories.setdefault(number, set()).add(directory)  # one inode may have several paths
        return True

    def forget(self, directory: str) -> None:
        """Watch *directory* no more."""
        number = self._watches.pop(directory, None)
        if number is None:
            return
        paths = self._directories.get(number, set())
        paths.discard(directory)
        if not paths:
            self._directories.pop(number, None)
            self._libc.inotify_rm_watch(self._fd, number)

    def read(self) -> list[Change]:
        """Return the changes since the last call, each (directory, name) once; what is more waits for the next call."""
        try:
            raw = os.read(self._fd, 262_144)
        except BlockingIOError:
            return []
        found: dict[Change, None] = {}
        offset = 0
        while offset < len(raw):
            number, mask, _cookie, length = _HEAD.unpack_from(raw, offset)
            name = os.fsdecode(raw[offset + _HEAD.size : offset + _HEAD.size + length].rstrip(b"\0"))
            offset += _HEAD.size + length
            found.update((change, None) for change in self._changes(number, mask, name))
        return list(found)

    def _changes(self, number: int, mask: int, name: str) -> Iterator[Change]:
        if mask & _Q_OVERFLOW:
            yield Change("", "", lost=True)
        elif mask & (_IGNORED | _MOVE_SELF):
            for directory in sorted(self._directories.get(number, ())):
                self.forget(directory)
                yield Change(directory, "", lost=True)
        else:
            for directory in sorted(self._directories.get(number, ())):
                yield Change(directory, name)

    def close(self) -> None:
        os.close(self._fd)
