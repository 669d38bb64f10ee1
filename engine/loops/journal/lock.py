"""The writer's lock: held for life, freed by death, noticed when somebody deletes it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from loops.errors import JournalError


class Lock:
    """An flock(2) on ``lock`` in the journal's directory.  It is not inherited over exec, and it dies with its holder.

    The file holds the writer's pid, for messages only: the lock is the kernel's, so a stale file locks nothing.
    """

    __slots__ = ("_descriptor", "_inode", "path")

    def __init__(self, directory: str) -> None:
        """Take the lock.

        Raises:
            JournalError: another writer lives (the message names its pid), or the file cannot be made.
        """
        self.path = os.path.join(directory, "lock")
        while True:
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise JournalError(f"{self.path}: cannot take the journal's lock: {error.strerror}") from error
            self._acquire()
            about = os.fstat(self._descriptor)
            self._inode = (about.st_dev, about.st_ino)
            if self.is_ours():
                break
            os.close(self._descriptor)  # deleted between open and flock: that lock would exclude nobody
        with suppress(OSError):  # on a full disk the lock holds as well
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0))

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            writer = os.pread(self._descriptor, 32, 0).strip().decode("ascii", "replace")
            os.close(self._descriptor)
            if not isinstance(error, BlockingIOError):
                raise JournalError(f"{self.path}: this filesystem cannot lock: {error.strerror}") from error
            who = f"process {writer}" if writer.isdigit() and os.path.exists(f"/proc/{writer}") else "another process"
            raise JournalError(
                f"{self.path}: {who} writes this journal; a journal has one writer. "
                "Talk to that supervisor, or stop it first; the lock is freed when it ends"
            ) from None

    def is_ours(self) -> bool:
        """Whether the path still leads to the file we hold: costs one stat(2)."""
        try:
            about = os.stat(self.path)
        except OSError:
            return False
        return (about.st_dev, about.st_ino) == self._inode

    def release(self) -> None:
        """Free the lock.  The file stays: deleting it would let two writers hold two different files."""
        os.close(self._descriptor)
