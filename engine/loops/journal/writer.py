"""The one writer of a project's journal: open (lock, verify, repair), append, commit, replay, snapshot."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from loops.errors import JournalError
from loops.journal import snapshot
from loops.journal.lock import Lock
from loops.journal.record import Event, Json, Record, Writing, decode, encode, has_more
from loops.journal.repair import Repair, cure
from loops.journal.segments import START, Place, Walk, flush_directory, line_before, path_of
from loops.journal.tail import Ending

SEGMENT_SIZE = 16 * 1024 * 1024


class Journal:
    """An open journal.  Not for several threads.

    ``epoch`` is higher than that of every writer before.  ``repaired`` is what `open` cured.  ``notes`` are things to
    tell the operator (a snapshot that was not believed).
    """

    epoch: int
    repaired: Repair | None
    notes: tuple[str, ...]

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        source: str,
        clock: Callable[[], float] = time.time,
        segment_size: int = SEGMENT_SIZE,
    ) -> Self:
        """Become the writer of the journal in *directory*, which is made if it is missing.

        *source* is the project's URN; *clock* gives epoch seconds; a segment past *segment_size* bytes is followed by a
        new one.  A ``journal.opened`` record makes the new epoch durable before this returns.  What lies before the
        snapshot is not read again here, but by `replay` and by ``verify``.

        Raises:
            JournalError: another writer lives, the chain is broken, a segment is missing, records that the snapshot
                knows are gone, or the disk is full.
        """
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{directory}: cannot make the journal's directory: {error.strerror}") from error
        lock = Lock(directory)
        try:
            return cls(directory, source, clock, segment_size, lock)
        except OSError as error:
            lock.release()
            raise JournalError(f"{directory}: cannot open the journal: {error.strerror}") from error
        except BaseException:
            lock.release()
            raise

    def __init__(self, directory: str, source: str, clock: Callable[[], float], segment_size: int, lock: Lock) -> None:
        """Use `open`."""
        self._directory = directory
        self._source = source
        self._clock = clock
        self._segment_size = segment_size
        self._lock = lock
        self._closed = False
        self._pending: list[bytes] = []
        self._descriptor = -1
        known, note = snapshot.load(directory)
        self.notes = (note,) if note else ()
        self._snapshot = known.place if known else None
        walk, last = self._walk()
        self.repaired, self._committed, completed = cure(walk)
        last = completed or last
        if self._snapshot and not snapshot.is_in(directory, self._snapshot):
            self.notes += (f"{directory}/{snapshot.NAME}: ignored, it was taken of another journal",)
            self._snapshot = None
        self._sequence = self._committed.sequence
        self._chain = self._committed.chain
        self.epoch = (decode(last).epoch if last else 0) + 1
        cured = str(self.repaired) if self.repaired else ""
        self.append([Event("journal.opened", "", {"pid": os.getpid(), "repaired": cured, "notes": self.notes})])
        self.commit()

    def _walk(self) -> tuple[Walk, bytes]:
        """Verify the journal from the snapshot's place on; return the finished walk and the last whole line."""
        if self._snapshot and snapshot.is_in(self._directory, self._snapshot):
            walk = Walk(self._directory, self._snapshot)
            last = line_before(self._directory, self._snapshot)
        else:
            walk, last = Walk(self._directory), b""
        for line in walk:
            last = last if has_more(line) else line
        end = walk.whole.sequence + (walk.ending is Ending.UNTERMINATED)
        if self._snapshot and end < self._snapshot.sequence:
            raise JournalError(
                f"{path_of(self._directory, walk.place.segment)}: the journal ends at sequence {end}, "
                f"but a snapshot was taken at {self._snapshot.sequence}: acknowledged records are missing. Restore "
                f"the segments from a backup, or remove {snapshot.NAME} beside them to go on without those records"
            )
        return walk, last

    # ---- writing ---------------------------------------------------------------------------------------------------

    def append(self, events: Iterable[Event]) -> list[Record]:
        """Add *events* to the batch in memory and return them as they will be read again.  `commit` makes them durable.

        They stand or fall together: after a power cut in the middle of the write there are all of them or none.

        Raises:
            JournalError: one of them is not JSON; then none of them is added.
        """
        writing = Writing.at(self._clock(), source=self._source, epoch=self.epoch)
        lines, records, sequence, chain = [], [], self._sequence, self._chain
        together = list(events)
        for left, event in zip(range(len(together) - 1, -1, -1), together, strict=True):
            sequence += 1
            line, chain, record = encode(event, writing, sequence, chain, left > 0)
            lines.append(line)
            records.append(record)
        self._pending += lines
        self._sequence, self._chain = sequence, chain
        return records

    def commit(self) -> None:
        """Make the batch durable: one write, one fdatasync.  After it returns, the batch survives a power cut.

        Raises:
            JournalError: it is not durable.  The batch is kept, and a later `commit` writes it again, unless the
                journal now has another writer (the message says so): then this one must end.
        """
        if not self._pending:
            return
        self._demand_ownership()
        batch = b"".join(self._pending)
        try:
            if self._descriptor < 0:
                self._reopen()
            if self._committed.offset >= self._segment_size:
                self._rotate()
            self._write(batch)
        except OSError as error:
            self._roll_back()
            raise JournalError(
                f"{self._path}: cannot write {len(self._pending)} records: {error.strerror}. They are kept in memory "
                "and written by the next commit; until then a crash loses them. Free some space, or mend the disk"
            ) from error
        place = self._committed
        self._committed = Place(place.segment, place.offset + len(batch), self._sequence, self._chain)
        self._pending.clear()

    def _write(self, batch: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        if size != self._committed.offset:
            raise JournalError(
                f"{self._path}: has {size} bytes where this supervisor left {self._committed.offset}: somebody else "
                "wrote to it. Nothing was written; end this supervisor and start it again, which verifies the journal"
            )
        written = os.write(self._descriptor, batch)
        if written != len(batch):  # a full disk takes what fits: 144 of 1000 bytes, then ENOSPC at the next write
            raise OSError(errno.ENOSPC, f"only {written} of {len(batch)} bytes were taken, the disk or quota is full")
        os.fdatasync(self._descriptor)

    @property
    def ours(self) -> bool:
        """Whether this is still the journal's one writer."""
        return not self._closed and self._lock.is_ours()

    def _demand_ownership(self) -> None:
        if self._closed:
            raise JournalError(f"{self._directory}: this journal is closed")
        if not self._lock.is_ours():
            raise JournalError(
                f"{self._lock.path}: the lock file was deleted or replaced, so another supervisor may write this "
                "journal. Nothing was written; end this supervisor and start it again"
            )

    def _roll_back(self) -> None:
        """Cut what was not acknowledged, and give the descriptor up: the next commit opens and verifies anew.

        A record after half a record would be glued to it.  And an fdatasync that failed once must not be tried again on
        the same file: the kernel may have marked the lost pages clean, so that it would succeed ("fsyncgate",
        PostgreSQL 2018); writing the whole batch again makes them dirty again.
        """
        if self._descriptor >= 0:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._committed.offset)
            self._drop_descriptor()

    def _reopen(self) -> None:
        """Open the current segment, make sure from the device that it ends as it was left, cut what stands behind."""
        fresh = self._committed == START
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if fresh else 0)
        self._descriptor = os.open(self._path, flags, 0o600)
        if fresh:
            flush_directory(self._directory)
            flush_directory(os.path.dirname(os.path.abspath(self._directory)))
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # do not verify the cache against itself
        if self._committed.offset and not snapshot.is_in(self._directory, self._committed):
            self._drop_descriptor()
            raise JournalError(
                f"{self._path}: the last acknowledged record (sequence {self._committed.sequence}) cannot be read back "
                f"before byte {self._committed.offset}: the disk lost it. Restore the file from a backup"
            )
        if os.fstat(self._descriptor).st_size != self._committed.offset:
            os.ftruncate(self._descriptor, self._committed.offset)

    def _rotate(self) -> None:
        """Begin the next segment; the chain runs on.  An empty one that an earlier attempt left is taken up."""
        place = self._committed
        path = path_of(self._directory, place.segment + 1)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            flush_directory(self._directory)
        except OSError:
            os.close(descriptor)
            raise
        self._drop_descriptor()
        self._descriptor = descriptor
        self._committed = Place(place.segment + 1, 0, place.sequence, place.chain)

    def _drop_descriptor(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def _path(self) -> str:
        return path_of(self._directory, self._committed.segment)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def replay(self, after: int = 0) -> Iterator[Record]:
        """Yield the durable records whose sequence is greater than *after*, verifying the chain on the way.

        Raises:
            JournalError: the chain is broken, with the place.
        """
        begin = self._snapshot if self._snapshot and self._snapshot.sequence <= after else START
        walk, end = Walk(self._directory, begin), self._committed.sequence
        for line in walk:
            if walk.place.sequence > end:
                return
            if walk.place.sequence > after:
                yield decode(line)

    def snapshot(self, sequence: int, state: Json) -> None:
        """Keep *state*, which the records up to *sequence* (durable) fold to, in the place of the earlier snapshot.

        Raises:
            JournalError: no such durable record, the state is not JSON, or the disk is full (the earlier one stays).
        """
        self._demand_ownership()
        place = self._place_of(sequence)
        snapshot.save(self._directory, place, state)
        self._snapshot = place

    def _place_of(self, sequence: int) -> Place:
        if sequence == self._committed.sequence and self._committed.offset:
            return self._committed
        walk = Walk(self._directory)
        if 0 < sequence <= self._committed.sequence:
            for _line in walk:
                if walk.place.sequence == sequence:
                    return walk.place
        raise JournalError(
            f"{self._directory}: no snapshot at sequence {sequence}: the durable records end at "
            f"{self._committed.sequence}; commit first"
        )

    def latest_snapshot(self) -> tuple[int, Any] | None:
        """Return the sequence and the state of the snapshot, or None when none is to be believed (see ``notes``)."""
        known, note = snapshot.load(self._directory)
        self.notes += (note,) if note and note not in self.notes else ()
        return (known.place.sequence, known.state) if known and known.place == self._snapshot else None

    # ---- the end ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Commit what is left and free the lock, which is freed also when the commit fails."""
        if self._closed:
            return
        try:
            self.commit()
        finally:
            self._closed = True
            self._drop_descriptor()
            self._lock.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
