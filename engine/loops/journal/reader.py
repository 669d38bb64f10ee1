"""Reading a journal without being its writer: for ``loops explain`` and for whoever audits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loops.errors import JournalError
from loops.journal import snapshot
from loops.journal.record import Record, decode, has_more
from loops.journal.segments import START, Place, Walk, path_of, segments
from loops.journal.tail import Ending


def read(directory: str, after: int = 0) -> Iterator[Record]:
    """Yield the records whose sequence is greater than *after*.  Takes no lock; a writer may be at work.

    The chain is verified on the way (for the part before a good snapshot, only when *after* lies in it).  A record that
    is being written right now ends the reading, with those that belong to it.

    Raises:
        JournalError: the chain is broken, with the place.
    """
    known, _note = snapshot.load(directory)
    skip = known is not None and known.place.sequence <= after and snapshot.is_in(directory, known.place)
    walk = Walk(directory, known.place if known and skip else START)
    together: list[bytes] = []
    for line in walk:
        if walk.place.sequence > after:
            together.append(line)
        if not has_more(line):
            yield from map(decode, together)
            together.clear()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found.  ``first`` and ``last`` are sequences, 0 when there is no record; ``text`` is for people.

    ``sound``: every record is as it was written.  ``torn``: bytes of an unfinished end, which the next writer
    cuts off; a journal may be sound and torn.
    """

    sound: bool
    records: int
    segments: int
    first: int
    last: int
    torn: int
    text: str


def verify(directory: str) -> Verdict:
    """Check every byte from the first record on.  Changes nothing, takes no lock; damage is an answer, not an error."""
    walk, trouble, count = Walk(directory), "", 0
    try:
        count = len(segments(directory))
        for line in walk:
            _demand_place(walk.place, line, directory)
    except JournalError as error:
        trouble = str(error)
    last = walk.whole.sequence
    torn = len(walk.rest) if not trouble and walk.ending is not Ending.CLEAN else 0
    known, note = snapshot.load(directory)
    if not trouble and known and known.place.sequence > last:
        trouble = (
            f"{directory}: the journal ends at sequence {last}, but a snapshot was taken at {known.place.sequence}: "
            "acknowledged records are missing"
        )
    text = trouble or f"{directory}: {last} records in {count} segments, sequence {min(1, last)} to {last}: whole"
    if torn:
        end = path_of(directory, walk.whole.segment)
        text += f"\n{end}: {torn} bytes at byte {walk.whole.offset}: {walk.ending.value}"
    if note:
        text += f"\n{note}"
    return Verdict(not trouble, last, count, min(1, last), last, torn, text)


def _demand_place(place: Place, line: bytes, directory: str) -> None:
    """The chain fixes the order; this fixes what the line says of itself, whoever wrote it."""
    try:
        said = decode(line).sequence
    except (ValueError, KeyError, TypeError) as error:
        said, why = -1, f"is linked rightly but cannot be read ({error!r})"
    else:
        why = f"says that its sequence is {said}"
    if said != place.sequence:
        raise JournalError(f"{path_of(directory, place.segment)}: record {place.sequence} {why}; a writer was faulty")
