"""Sample events and journals for the tests of this directory."""

from __future__ import annotations

from loops.journal import Event, Journal

SOURCE = "urn:loops:project:sample"


def exits(count: int, first: int = 1) -> list[Event]:
    """Return *count* events, numbered from *first*."""
    return [Event("session.ended", f"builder-{n}", {"code": n, "why": "exited"}) for n in range(first, first + count)]


def fill(directory: str, batches: int, size: int = 1, segment_size: int = 1 << 24) -> None:
    """Write *batches* commits of *size* records."""
    with Journal.open(directory, source=SOURCE, segment_size=segment_size) as journal:
        for batch in range(batches):
            journal.append(exits(size, batch * size + 1))
            journal.commit()
