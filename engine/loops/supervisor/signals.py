"""Reads the signals files: JSON lines that agents' hooks append.  Only whole lines are taken; the offset is the journal's."""

from __future__ import annotations

import os
import stat

MOST = 1 << 20
"""Bytes taken at one time, and the longest line that is one."""


def new_lines(path: str, offset: int) -> tuple[list[bytes], int]:
    """Return the next whole lines of *path* from *offset* on, and the offset behind them; call it until that stays.

    A line longer than `MOST` is skipped: nothing that long is a signal.  A file shorter than *offset* was truncated or
    replaced, and is read from its beginning.  The file is the agent's: a link, a FIFO, a directory give nothing.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return [], offset
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            return [], offset
        if about.st_size < offset:
            offset = 0
        data = os.pread(fd, MOST, offset)
    except OSError:  # a network's file system: look again at the next change
        return [], offset
    finally:
        os.close(fd)
    end = data.rfind(b"\n") + 1
    if end == 0:
        return [], offset + (len(data) if len(data) == MOST else 0)
    return data[: end - 1].split(b"\n"), offset + end


def agent_of(file_name: str) -> tuple[str, int] | None:
    """Split ``builder.3.jsonl`` into agent and incarnation; None for any other name."""
    stem, dot, ending = file_name.rpartition(".")
    name, _, number = stem.rpartition(".")
    if ending != "jsonl" or not dot or not name or not (number.isascii() and number.isdecimal()):
        return None
    return name, int(number)
