"""The journal as the supervisor uses it: typed events in, the folded state out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from loops.journal import Event as JournalEvent
from loops.journal import Journal, Record, read
from loops.supervisor import events as ev
from loops.supervisor import snapshot
from loops.supervisor.fold import fold
from loops.supervisor.state import State

SNAPSHOT_EVERY = 5000
"""Events between two snapshots: a start then replays at most so many."""


class Ledger:
    """An open journal and what it folds to."""

    def __init__(self, directory: str, source: str) -> None:
        self._journal = Journal.open(directory, source=source)
        self._since_snapshot = 0
        self._sequence = 0
        self._committed = 0
        try:
            self.state = self._folded()
        except BaseException:
            self._journal.close()  # this process may live on, and is not to be in its own way
            raise

    def _folded(self) -> State:
        kept = self._journal.latest_snapshot()
        state = _believed(kept[1]) if kept is not None else None
        after = kept[0] if kept is not None and state is not None else 0
        return fold(state or State(), self._typed(self._journal.replay(after)))

    @property
    def epoch(self) -> int:
        return self._journal.epoch

    @property
    def writable(self) -> bool:
        """Whether we are still the journal's writer."""
        return self._journal.ours

    @property
    def reports(self) -> tuple[str, ...]:
        """What the operator should hear of how the journal was found."""
        repaired = (str(self._journal.repaired),) if self._journal.repaired else ()
        return repaired + self._journal.notes

    def _typed(self, records: Iterable[Record]) -> Iterator[ev.Event]:
        for record in records:
            self._sequence = record.sequence
            self._since_snapshot += 1
            event = ev.decode(record.type, dict(record.data))
            if event is not None:
                yield event

    def append(self, events: Iterable[ev.Event]) -> None:
        """Add *events* to the batch; `commit` makes them durable."""
        records = self._journal.append(JournalEvent(e.type, e.subject, ev.encode(e)) for e in events)
        if records:
            self._sequence = records[-1].sequence
            self._since_snapshot += len(records)

    def commit(self) -> bool:
        """Make the batch durable; False when there was none.  Raises JournalError; the batch is kept for the next call."""
        if self._committed == self._sequence:
            return False
        self._journal.commit()
        self._committed = self._sequence
        return True

    def keep_snapshot(self, state: State, *, least: int | None = None) -> None:
        """Write a snapshot of *state*, which is the fold of all that is durable, when *least* (`SNAPSHOT_EVERY`) events came since.

        JournalError: it cannot be kept, which only costs time at the next start.
        """
        if self._sequence and self._since_snapshot >= (SNAPSHOT_EVERY if least is None else least):
            self._since_snapshot = 0  # also when it fails: not to be tried with every event on a full disk
            self._journal.snapshot(self._sequence, snapshot.encode(state))

    def close(self) -> None:
        self._journal.close()


def _believed(data: Any) -> State | None:
    """The snapshot's state; None, and the journal is replayed, when another engine's state means something else."""
    try:
        return snapshot.decode(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def peek(directory: str) -> State:
    """The state that the journal in *directory* folds to, without becoming its writer."""
    return fold(State(), (event for _, event in history(directory)))


def history(directory: str, after: int = 0) -> Iterator[tuple[Record, ev.Event]]:
    """The journal's events behind sequence *after*, with their records, oldest first; unknown types are left out."""
    for record in read(directory, after):
        data: dict[str, Any] = dict(record.data)
        event = ev.decode(record.type, data)
        if event is not None:
            yield record, event
