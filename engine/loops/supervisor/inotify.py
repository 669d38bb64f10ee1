"""File changes without polling: inotify by ctypes (there is no binding in the standard library).

Watches stand on directories, for a watch on a file dies at its first rename.  An overflowing queue and a lost watch are told
as `LOST`: whoever listens looks at everything again (fault class 18).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x8, 0x80, 0x100, 0x200
_Q_OVERFLOW, _IGNORED = 0x4000, 0x8000
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
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify: {os.strerror(number)} (see /proc/sys/fs/inotify/max_user_instances)")
        self._directories: dict[int, str] = {}
        self._watches: dict[str, int] = {}

    def fileno(self) -> int:
        return self._fd

    def watch(self, directory: str) -> bool:
        """Watch *directory*; False when it cannot be (it does not exist yet)."""
        if directory in self._watches:
            return True
        mask = _MODIFY | _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), mask)
        if number < 0:
            return False
        self._directories[number] = directory
        self._watches[directory] = number
        return True

    def read(self) -> Iterator[Change]:
        """Return the changes since the last call, each (directory, name) once."""
        try:
            raw = os.read(self._fd, 262_144)
        except BlockingIOError:
            return
        seen: set[tuple[int, str]] = set()
        offset = 0
        while offset < len(raw):
            number, mask, _cookie, length = _HEAD.unpack_from(raw, offset)
            name = os.fsdecode(raw[offset + _HEAD.size : offset + _HEAD.size + length].rstrip(b"\0"))
            offset += _HEAD.size + length
            if mask & _Q_OVERFLOW:
                yield Change("", "", lost=True)
            elif mask & _IGNORED:
                directory = self._directories.pop(number, "")
                self._watches.pop(directory, None)
                yield Change(directory, "", lost=True)
            elif (number, name) not in seen:
                seen.add((number, name))
                yield Change(self._directories.get(number, ""), name)

    def close(self) -> None:
        os.close(self._fd)
