"""Writing a report where the operator wants it, whole or not at all, and over nothing but an earlier report."""

from __future__ import annotations

import os
import tempfile

from loops.errors import ConfigError

_LOOKED_AT = 4096


class WritingError(ConfigError):
    """A report cannot be written.  Exit code 3."""


def write(path: str, text: str, *, mark: str) -> None:
    """Write *text* to *path*.  *mark*: what stands at the head of every report of this kind.

    Raises:
        WritingError: something else is there, or it cannot be written; nothing was changed.
    """
    directory = os.path.dirname(os.path.abspath(path))
    try:
        _refuse_other(path, mark)
        descriptor, draft = tempfile.mkstemp(prefix=".parity-", dir=directory)
        try:
            with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise WritingError(f"{path}: the report cannot be written: {error.strerror}") from None


def _refuse_other(path: str, mark: str) -> None:
    if not os.path.lexists(path):
        return
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            if mark in file.read(_LOOKED_AT):
                return
    raise WritingError(f"{path}: something else than such a report is there; move it away, or name another file")
