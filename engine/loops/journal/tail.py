"""How a journal's bytes end: what a crash can have left behind, told apart from damage.

The rule is etcd's (``wal.Repair``): only an unfinished end of the last file is cured; everything else is refused with
its place, because whatever was acknowledged may be behind it.  Pure: bytes in, facts out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum

from loops.journal.record import FORMAT, HEAD, VERSIONED, link

SECTOR = 512
"""What a disk writes at once: the grain of a hole that a power cut leaves."""


class Ending(Enum):
    """What stands after the last complete and verified line."""

    CLEAN = "clean"
    UNTERMINATED = "the last record is whole but for its newline"
    TORN = "a record was being written and was never acknowledged"
    PARTIAL = "records that belong together were being written and were never acknowledged"
    BROKEN = "the chain is broken: this line, or one before it, is not what was written"
    FUTURE = "the line was written by a newer loops"


def verified_lines(data: bytes, start: int, chain: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield (line, offset after its newline, link) from *start* as long as each line follows the link before it."""
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        following = link(chain, line) if line.startswith(HEAD) else None
        if following is None:
            return
        start, chain = end + 1, following
        yield line, start, chain


def classify(data: bytes, offset: int, chain: bytes) -> Ending:
    """Say what ``data[offset:]`` is, where the line at *offset* is the first that `verified_lines` did not yield."""
    rest = data[offset:]
    if not rest:
        return Ending.CLEAN
    written = rest.rstrip(b"\0")  # a file may have grown before its bytes arrived (XFS, ext4 data=writeback)
    if not written:
        return Ending.TORN
    if _is_future(written):
        return Ending.FUTURE
    if not _may_begin_a_record(written):
        return Ending.BROKEN
    if link(chain, written) is not None:
        return Ending.UNTERMINATED
    if _has_hole(data, offset) and b"\n" not in rest[:-1]:
        return Ending.TORN
    if b"\n" in written or _is_whole(written) or link(chain, written[:-1]) is not None:
        return Ending.BROKEN  # whole lines are written at once: none of them is wrong by a crash
    return Ending.TORN


def _may_begin_a_record(rest: bytes) -> bool:
    head = rest[: len(HEAD)].rstrip(b"\0")
    return HEAD.startswith(head)


def _is_future(rest: bytes) -> bool:
    if not rest.startswith(VERSIONED):
        return False
    number, quote, _ = rest[len(VERSIONED) :].partition(b'"')
    return bool(quote) and number.isdigit() and int(number) > FORMAT


def _is_whole(rest: bytes) -> bool:
    """A strict prefix of a JSON object is never JSON itself; so this is a whole record, and its link is wrong."""
    try:
        json.loads(rest)
    except ValueError:
        return False
    return True


def _has_hole(data: bytes, offset: int) -> bool:
    """A sector that never arrived, inside what was being written (etcd: ``isTornEntry``)."""
    first = -(-offset // SECTOR) * SECTOR
    empty = bytes(SECTOR)
    return any(data[at : at + SECTOR] == empty for at in range(first, len(data), SECTOR))
