"""Reads the signals files: JSON lines that agents' hooks append.  Only whole lines are taken; the offset is the journal's."""

from __future__ import annotations

import os

MOST = 1 << 20
"""Bytes taken at one time; what is more waits for the next turn of the loop."""


def new_lines(path: str, offset: int) -> tuple[list[bytes], int]:
    """Return the whole lines of *path* from *offset* on, and the offset behind them.

    A line longer than `MOST` is skipped: nothing that long is a signal.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return [], offset
    try:
        data = os.pread(fd, MOST, offset)
    finally:
        os.close(fd)
    end = data.rfind(b"\n") + 1
    if end == 0:
        return [], offset + (len(data) if len(data) == MOST else 0)
    return data[:end].splitlines(), offset + end


def agent_of(file_name: str) -> tuple[str, int] | None:
    """Split ``builder.3.jsonl`` into agent and incarnation; None for any other name."""
    stem, dot, ending = file_name.rpartition(".")
    name, _, number = stem.rpartition(".")
    if ending != "jsonl" or not dot or not name or not number.isdecimal():
        return None
    return name, int(number)
