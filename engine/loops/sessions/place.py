"""The holder's place in the runtime directory: its socket, and the lock that keeps it the only one.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import fcntl
import os
import socket
from typing import Any


class PlaceTaken(Exception):
    """Another holder lives here."""


class Place:
    """A listening socket at *path* and a held lock beside it."""

    __slots__ = ("_inode", "_lock", "listener", "path")

    def __init__(self, path: str, lock: int, listener: socket.socket) -> None:
        """*lock* is the open, locked file; it stays so until the process ends."""
        self.path = path
        self._lock = lock
        self.listener = listener
        self._inode = inode(path)

    @classmethod
    def take(cls, path: str) -> Place:
        """Take the place; the socket of a dead holder is replaced.  PlaceTaken: somebody lives there."""
        lock = take_lock(path)
        return cls(path, lock, listen(path))

    def sign(self) -> None:
        """Write our pid into the lock file, for people."""
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def was_lost(self) -> bool:
        """Whether the socket's file is ours no more; if it is, keep it young: cleaners of /tmp go by age."""
        try:
            if inode(self.path) != self._inode:
                return True
            os.utime(self.path)
            os.utime(lock_path(self.path))
        except OSError:
            return True
        return False

    def take_again(self) -> None:
        """Somebody removed the files below us: make new ones, unless another holder did so meanwhile."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            if inode(lock_path(self.path)) != os.fstat(self._lock).st_ino:
                lock = take_lock(self.path)
                os.close(self._lock)
                self._lock = lock
                self.sign()
            listener = listen(self.path)
        except (OSError, PlaceTaken):
            return
        self.listener.close()
        self.listener = listener
        self._inode = inode(self.path)

    def leave(self) -> None:
        """Remove the socket; the lock goes with the process."""
        self.listener.close()
        if inode(self.path) == self._inode:
            os.unlink(self.path)

    def state(self) -> dict[str, Any]:
        """What a program that replaces ours must know; its numbers are descriptors."""
        return {"path": self.path, "lock": self._lock, "listener": self.listener.fileno()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Place:
        """Undo `state`."""
        return cls(state["path"], state["lock"], socket.socket(fileno=state["listener"]))


def inode(path: str) -> int:
    """The inode of the file at *path*, 0 when there is none."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def lock_path(path: str) -> str:
    """The lock that guards the socket at *path*."""
    return os.path.join(os.path.dirname(path), "holder.lock")


def take_lock(path: str) -> int:
    """Return the open, locked file.  PlaceTaken: another process holds it."""
    lock = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise PlaceTaken(f"{lock_path(path)}: held by the holder of this project, pid {pid}") from None
    return lock


def listen(path: str) -> socket.socket:
    """Bind beside *path* and move it there: whoever connects finds the old socket or the new one, never none."""
    fresh = f"{path}.new"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        if os.path.lexists(fresh):
            os.unlink(fresh)
        mask = os.umask(0o177)
        try:
            listener.bind(fresh)
        finally:
            os.umask(mask)
        listener.listen(64)
        listener.setblocking(False)
        os.replace(fresh, path)
    except OSError:
        listener.close()
        raise
    return listener
