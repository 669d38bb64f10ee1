"""The ledger: what is read back is what was decided, with and without a snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from loops.errors import JournalError
from loops.journal import Journal
from loops.supervisor import events as ev
from loops.supervisor import ledger as ledger_module
from loops.supervisor.fold import fold
from loops.supervisor.ledger import Ledger, history, peek
from loops.supervisor.state import State

SOURCE = "urn:loops:project:t-"


def some(number: int, start: int = 0) -> list[ev.Event]:
    return [ev.OperatorAsked(1000.0 + i, ("up", "estop", "down")[i % 3]) for i in range(start, start + number)]


def opened(directory: Path) -> Ledger:
    return Ledger(str(directory), SOURCE)


def keep(ledger: Ledger, events: list[ev.Event]) -> State:
    ledger.append(events)
    ledger.commit()
    return fold(ledger.state, events)


def test_the_state_is_the_fold_of_what_was_committed(tmp_path: Path) -> None:
    first = opened(tmp_path)
    state = keep(first, some(10))
    first.close()
    second = opened(tmp_path)
    assert second.state == state
    assert second.epoch == first.epoch + 1
    assert [event for _, event in history(str(tmp_path))] == some(10)
    second.close()
    assert peek(str(tmp_path)) == state


def test_a_snapshot_and_what_came_after_it_give_the_same_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "SNAPSHOT_EVERY", 7)
    first = opened(tmp_path)
    state = first.state
    for start in range(0, 40, 4):
        first.append(some(4, start))
        first.commit()
        state = fold(state, some(4, start))
        first.keep_snapshot(state)
    first.close()
    assert any(name.startswith("snapshot") for name in os.listdir(tmp_path))
    second = opened(tmp_path)
    assert second.state == state == peek(str(tmp_path))
    second.close()


def test_a_snapshot_that_another_engine_wrote_is_passed_over(tmp_path: Path) -> None:
    first = opened(tmp_path)
    state = keep(first, some(5))
    first.close()
    for other in ({"format": 1, "agents": 5}, {"format": 0}, [], None):
        with Journal.open(str(tmp_path), source=SOURCE) as journal:
            sequence = max(record.sequence for record in journal.replay())
            journal.snapshot(sequence, other)
        again = opened(tmp_path)
        assert again.state == state
        again.close()


def test_a_torn_tail_is_reported_and_what_was_committed_stands(tmp_path: Path) -> None:
    first = opened(tmp_path)
    state = keep(first, some(5))
    keep(first, [ev.OperatorAsked(2000.0, "up")])
    first.close()
    segment = max(tmp_path.glob("*.jsonl"))
    os.truncate(segment, segment.stat().st_size - 20)  # a power cut in the middle of the last write
    second = opened(tmp_path)
    assert second.state == state
    assert second.reports
    second.close()


def test_a_second_writer_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(JournalError, match=f"process {os.getpid()}"):
        opened(tmp_path)
    assert first.writable
    first.close()


def test_a_writer_whose_lock_was_replaced_knows_that_it_is_none(tmp_path: Path) -> None:
    first = opened(tmp_path)
    (tmp_path / "lock").unlink()
    second = opened(tmp_path)
    assert not first.writable
    first.append(some(1))
    with pytest.raises(JournalError):
        first.commit()
    second.close()


def test_a_snapshot_that_fails_is_not_tried_with_every_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "SNAPSHOT_EVERY", 5)
    tries: list[int] = []

    def refuse(*_: object) -> None:
        tries.append(1)
        raise JournalError("the disk is full")

    ledger = opened(tmp_path)
    monkeypatch.setattr(Journal, "snapshot", refuse)
    state = keep(ledger, some(6))
    with pytest.raises(JournalError):
        ledger.keep_snapshot(state)
    ledger.append(some(1))
    ledger.commit()
    ledger.keep_snapshot(state)
    assert len(tries) == 1
    ledger.close()


def test_a_quiet_moment_keeps_a_snapshot_of_fewer_events_and_a_commit_says_whether_there_was_any(
    tmp_path: Path,
) -> None:
    ledger = opened(tmp_path)
    state = keep(ledger, some(6))
    assert not ledger.commit()

    ledger.keep_snapshot(state, least=1000)
    assert Journal.latest_snapshot(ledger._journal) is None
    ledger.keep_snapshot(state, least=5)
    assert Journal.latest_snapshot(ledger._journal) is not None
    ledger.close()
