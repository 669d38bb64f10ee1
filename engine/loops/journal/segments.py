"""The journal's files, read only: ``00000001.jsonl`` and on, walked and verified line by line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from loops.errors import JournalError
from loops.journal.record import GENESIS, has_more
from loops.journal.tail import Ending, classify, verified_lines

_NAME = re.compile(r"(\d{8})\.jsonl\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """A border between two records: all before it is verified; the record that ends there has the link ``chain``."""

    segment: int
    offset: int
    sequence: int
    chain: bytes


START = Place(1, 0, 0, GENESIS)


def path_of(directory: str, segment: int) -> str:
    """Return the path of the segment with that number."""
    return os.path.join(directory, f"{segment:08d}.jsonl")


def segments(directory: str) -> list[int]:
    """Return the numbers of the segments, which must be 1, 2, 3, … without a gap.

    Raises:
        JournalError: one is missing, or the directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"{directory}: cannot read the journal: {error.strerror}") from error
    found = sorted(int(match[1]) for name in names if (match := _NAME.match(name)))
    for expected, number in enumerate(found, start=1):
        if number != expected:
            raise JournalError(
                f"{path_of(directory, expected)}: this segment is missing, but {number:08d}.jsonl is there; "
                "restore it from a backup, or move the whole directory aside to begin a new journal"
            )
    return found


def contents(path: str) -> bytes:
    """Return all bytes of one segment.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise JournalError(f"{path}: cannot read this segment of the journal: {error.strerror}") from error


def line_before(directory: str, place: Place) -> bytes:
    """Return the record that ends at *place*, without its newline."""
    data = contents(path_of(directory, place.segment))[: place.offset - 1]
    return data[data.rfind(b"\n") + 1 :]


def flush_directory(directory: str) -> None:
    """Make the names in *directory* durable (fsync of the directory itself).

    Raises:
        OSError: as open(2) and fsync(2).
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Walk:
    """One pass over the lines after ``place``.  Iterating moves ``place`` on; then ``ending`` says what stands there.

    ``tail`` holds those bytes.  An ending that a crash explains (torn, partial, unterminated) is left to the caller:
    ``whole`` is then the place behind which nothing was acknowledged, and ``rest`` the bytes from there on.

    Raises:
        JournalError: damage, with its place and the remedy.
    """

    def __init__(self, directory: str, place: Place = START) -> None:
        """Begin at *place*, which must be known to be good."""
        self.directory = directory
        self.place = place
        self.ending = Ending.CLEAN
        self.tail = b""
        self.whole = place
        self.rest = b""

    def __iter__(self) -> Iterator[bytes]:
        """Yield each verified line, without its newline."""
        found = segments(self.directory)
        last = found[-1] if found else 0
        for number in found[self.place.segment - 1 :]:
            before = self.place
            start = before.offset if number == before.segment else 0
            self.place = self.whole = Place(number, start, before.sequence, before.chain)
            data = contents(path_of(self.directory, number))
            for line, offset, chain in verified_lines(data, start, before.chain):
                self.place = Place(number, offset, self.place.sequence + 1, chain)
                if not has_more(line):
                    self.whole = self.place
                yield line
            self.tail = data[self.place.offset :]
            self.ending = classify(data, self.place.offset, self.place.chain)
            self._look_for_more()
            self.rest = data[self.whole.offset :]
            if self.ending in (Ending.BROKEN, Ending.FUTURE) or (number != last and self.ending is not Ending.CLEAN):
                raise JournalError(self._refusal(data))

    def _look_for_more(self) -> None:
        """A crash may also come between two records that belong together."""
        if self.ending is Ending.UNTERMINATED and not has_more(self.tail.rstrip(b"\0")):
            self.whole = self.place  # with its newline it is the end of them
        elif self.ending is Ending.UNTERMINATED or (self.ending is Ending.CLEAN and self.whole != self.place):
            self.ending = Ending.PARTIAL

    def _refusal(self, data: bytes) -> str:
        place = self.place
        where = (
            f"{path_of(self.directory, place.segment)}: line {data.count(10, 0, place.offset) + 1}, "
            f"byte {place.offset}, sequence {place.sequence + 1}"
        )
        if self.ending is Ending.FUTURE:
            return f"{where}: {self.ending.value}; run the newer one, or restore an older journal from a backup"
        why = self.ending.value if self.ending is Ending.BROKEN else "only the last segment may end inside a record"
        return (
            f"{where}: {why}. Nothing was changed; restore this file from a backup, "
            "or move the whole directory aside to begin a new journal"
        )
