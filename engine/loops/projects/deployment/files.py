"""Reads files of a deployment: regular ones only, bounded, and each is noted, so that it can be shown to be untouched."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256

from loops.config.problems import ConfigProblems, Problem
from loops.projects.deployment.model import Document

LARGEST = 8 * 1024 * 1024
"""Bytes; a prompt or a dotfile has a thousandth of it."""


class Files:
    """The files of one deployment, below ``root``."""

    def __init__(self, root: str) -> None:
        """*root*: the absolute directory that relative paths start from."""
        self.root = root
        self._read: dict[str, None] = {}

    @property
    def documents(self) -> tuple[str, ...]:
        """Every file that was read so far, absolute, sorted."""
        return tuple(sorted(self._read))

    def place(self, path: str) -> str:
        """Return *path* as an absolute one."""
        return os.path.normpath(os.path.join(self.root, path))

    def shown(self, path: str) -> str:
        """Return *path* as it is named within the deployment: relative to its root where it lies there."""
        absolute = self.place(path)
        within = os.path.relpath(absolute, self.root)
        return absolute if within == ".." or within.startswith("../") else within

    def bytes(self, path: str) -> bytes | None:
        """Return what the file at *path* holds; None: there is no such file.

        Raises:
            ConfigProblems: it is there and cannot be read, or is no regular file, or far too large.
        """
        path = self.place(path)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise _unreadable(path, "is not a regular file")
                raw = file.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            code = getattr(error, "errno", None)
            what = "is a directory" if code in (errno.EISDIR, errno.ENXIO) else getattr(error, "strerror", "") or error
            raise _unreadable(path, f"cannot be read: {what}") from None
        if len(raw) > LARGEST:
            raise _unreadable(path, f"is larger than {LARGEST} bytes")
        self._read[path] = None
        return raw

    def text(self, path: str) -> str | None:
        """Return the same as text.  Bytes that are no UTF-8 are kept as lone surrogates."""
        raw = self.bytes(path)
        return None if raw is None else raw.decode("utf-8", "surrogateescape")

    def document(self, path: str) -> Document:
        """Return the file's identity; a missing file has an empty digest."""
        raw = self.bytes(path)
        if raw is None:
            return Document(self.shown(path), "")
        return Document(self.shown(path), sha256(raw).hexdigest(), len(raw))

    def names(self, path: str = ".") -> tuple[str, ...]:
        """Return the names in the directory *path*, sorted; none when it cannot be listed."""
        try:
            return tuple(sorted(os.listdir(self.place(path))))
        except (OSError, ValueError):
            return ()


def _unreadable(path: str, why: str) -> ConfigProblems:
    return ConfigProblems([Problem(path, 0, "", why)])
