"""Files with addresses or tokens: a path, or ``credential:NAME``, readable by their owner alone."""

from __future__ import annotations

import os
import stat

from loops.errors import LoopsError
from loops.secrets import credentials


def read(name: str, wanted: str) -> str:
    """Return the file's text.  *wanted*: for what, in words.

    Raises:
        LoopsError: it is not there, not private, too large or no text; the file is named, never what is in it.
    """
    raw = credentials.read(name.removeprefix(credentials.PREFIX), wanted) if _is_credential(name) else _private(name)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LoopsError(f"{name}: is no text (UTF-8)") from None


def _is_credential(name: str) -> bool:
    return name.startswith(credentials.PREFIX)


def _private(path: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            about = os.fstat(file.fileno())
            if stat.S_IMODE(about.st_mode) & 0o077:
                raise LoopsError(f"{path}: others may use it (mode {stat.S_IMODE(about.st_mode):o}); chmod 600 it")
            content = file.read(credentials.MOST + 1)
    except OSError as error:
        raise LoopsError(f"{path}: {error.strerror}; write it, mode 600") from None
    if len(content) > credentials.MOST:
        raise LoopsError(f"{path}: is larger than {credentials.MOST} bytes, so it is none of ours")
    return content
