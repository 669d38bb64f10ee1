"""Mending the unfinished end that a crash left: what is cut is kept beside, and said."""

from __future__ import annotations

import os
from dataclasses import dataclass

from loops.journal.record import link_of
from loops.journal.segments import Place, Walk, flush_directory, path_of
from loops.journal.tail import Ending


@dataclass(frozen=True, slots=True)
class Repair:
    """What opening the journal cured.

    ``size`` bytes at ``offset`` of ``file`` were cut off and appended to ``kept`` ("" when nothing was cut: then a last
    record was only given its newline).
    """

    file: str
    offset: int
    size: int
    kept: str

    def __str__(self) -> str:
        """Say it to the operator."""
        if not self.kept:
            return f"{self.file}: the last record lacked its newline, which was added"
        return (
            f"{self.file}: {self.size} bytes at byte {self.offset} were being written when the last supervisor ended; "
            f"they were never acknowledged, were cut off, and are kept in {self.kept}"
        )


def cure(walk: Walk) -> tuple[Repair | None, Place, bytes]:
    """Mend the end that *walk* came to.

    Return what was done, the place where the journal now ends, and the last record if the cure completed it (else b"").

    Raises:
        OSError: the copy or the cut could not be made durable; then nothing was cut.
    """
    place = walk.whole
    if walk.ending is Ending.CLEAN:
        return None, place, b""
    path = path_of(walk.directory, place.segment)
    whole = walk.rest.rstrip(b"\0") if walk.ending is Ending.UNTERMINATED else b""
    cut, offset = walk.rest[len(whole) :], place.offset + len(whole)
    kept = f"{path}.{offset}.torn" if cut else ""
    if kept:
        _keep(cut, kept)
        flush_directory(walk.directory)
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, offset)
        if whole:
            os.pwrite(descriptor, b"\n", offset)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    if whole:
        place = Place(place.segment, offset + 1, place.sequence + 1, link_of(whole))
    return Repair(path, offset, len(cut), kept), place, whole


def _keep(cut: bytes, path: str) -> None:
    """Append, so that what an earlier crash left at this very place is kept too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(cut)
        file.flush()
        os.fsync(descriptor)
