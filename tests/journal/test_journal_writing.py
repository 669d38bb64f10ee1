"""What is appended comes back, in order, after any number of reopenings; one writer; speed is bench/journal.py's."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_samples import SOURCE, exits, fill
from loops.errors import JournalError
from loops.journal import Event, Journal, Json, read, verify

Open = Callable[..., Journal]

texts = st.text(alphabet=st.characters(), max_size=40) | st.text(
    alphabet=st.characters(categories=["Cs", "Cc"]), max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
events = st.builds(Event, type=texts, subject=texts, data=st.dictionaries(texts, values, max_size=5), time=texts)


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(st.lists(events, max_size=4), max_size=6), segment_size=st.sampled_from([1, 700, 1 << 24]))
def test_what_append_returns_is_what_every_later_replay_returns(batches: list[list[Event]], segment_size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        appended = []
        for batch in batches:
            with Journal.open(directory, source=SOURCE, segment_size=segment_size) as journal:
                appended += journal.append(batch)
        stored = [record for record in read(directory) if record.type != "journal.opened"]
        assert stored == appended
        assert verify(directory).sound


def test_data_comes_back_as_it_was_given(directory: str, opened: Open) -> None:
    data: dict[str, Json] = {
        "text": "naïve \ud800 \x00 \u2028 🜁",
        "big": 10**40,
        "float": 0.1,
        "list": [1, [None, True]],
        "": {},
    }
    journal = opened(directory)
    journal.append([Event("message.user", "builder", data, "2026-01-02T03:04:05Z")])
    journal.commit()
    *_, record = journal.replay()
    assert record.data == data
    assert (record.type, record.subject, record.time) == ("message.user", "builder", "2026-01-02T03:04:05Z")


def test_a_record_of_ten_megabytes_comes_back(directory: str, opened: Open) -> None:
    journal = opened(directory)
    journal.append([Event("message.user", "builder", {"text": "\n" * 10_000_000})])
    journal.commit()
    *_, record = journal.replay()
    assert len(record.data["text"]) == 10_000_000


def test_a_line_is_a_cloud_event_on_its_own(directory: str) -> None:
    with Journal.open(directory, source=SOURCE, clock=lambda: 1_700_000_000.25) as journal:
        journal.append([Event("turn.started", "builder", {"turn_id": "t1"})])
    *_, line = Path(directory, "00000001.jsonl").read_text().splitlines()
    fields = json.loads(line)
    assert fields.pop("chain") == line[-66:-2]
    assert fields == {
        "specversion": "1.0",
        "format": "1",
        "id": "1-0000000002",
        "source": SOURCE,
        "type": "dev.loops.turn.started",
        "recordedtime": "2023-11-14T22:13:20.250000Z",
        "subject": "builder",
        "sequence": "0000000002",
        "epoch": 1,
        "datacontenttype": "application/json",
        "data": {"turn_id": "t1"},
    }


@given(seconds=st.floats(0, 4e9))
@settings(max_examples=30, deadline=None)
def test_the_recorded_time_is_the_clock_to_the_microsecond(seconds: float) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Journal.open(directory, source=SOURCE, clock=lambda: seconds) as one,
    ):
        (record,) = one.append([Event("turn.started", "builder", {})])
    assert abs(record.recordedtime - seconds) <= 1e-6
    assert record.recordedtime == datetime.fromtimestamp(record.recordedtime, UTC).timestamp()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, b"bytes", 10**5000], ids=["nan", "infinity", "set", "bytes", "huge"]
)
def test_what_is_not_json_is_refused_and_nothing_of_its_batch_is_kept(
    directory: str, opened: Open, value: object
) -> None:
    journal = opened(directory)
    with pytest.raises(JournalError, match=r"event limit.reached of builder is not JSON"):
        journal.append([*exits(1), Event("limit.reached", "builder", {"value": value})])  # type: ignore[dict-item]
    journal.append(exits(1))
    journal.commit()
    assert [record.sequence for record in journal.replay()] == [1, 2]


def test_an_uncommitted_batch_is_not_replayed(directory: str, opened: Open) -> None:
    journal = opened(directory)
    journal.append(exits(3))
    assert [record.type for record in journal.replay()] == ["journal.opened"]


def test_closing_commits(directory: str) -> None:
    fill(directory, 1)
    assert [record.sequence for record in read(directory)] == [1, 2]


def test_every_opening_has_a_higher_epoch_and_says_so_in_the_journal(directory: str) -> None:
    for _ in range(3):
        fill(directory, 1)
    assert [(record.epoch, record.type) for record in read(directory)] == [
        (epoch, kind) for epoch in (1, 2, 3) for kind in ("journal.opened", "session.ended")
    ]


def test_the_chain_runs_on_over_segments(directory: str) -> None:
    fill(directory, 20, segment_size=1000)
    verdict = verify(directory)
    assert verdict.sound
    assert (verdict.records, verdict.first, verdict.last) == (21, 1, 21)
    assert verdict.segments > 3


def test_replay_begins_after_the_given_sequence(directory: str, opened: Open) -> None:
    fill(directory, 9, segment_size=1000)
    journal = opened(directory)
    assert [record.sequence for record in journal.replay(after=8)] == [9, 10, 11]
    assert [record.sequence for record in read(directory, after=8)] == [9, 10, 11]


def test_reading_needs_no_lock_and_ends_before_a_record_that_is_being_written(directory: str, opened: Open) -> None:
    journal = opened(directory)
    journal.append(exits(2))
    journal.commit()
    with open(os.path.join(directory, "00000001.jsonl"), "ab") as file:
        file.write(b'{"specversion":"1.0","format":"1","id":"1-00000')
    assert [record.sequence for record in read(directory)] == [1, 2, 3]
    assert verify(directory).torn == 47


def test_a_missing_directory_is_an_empty_journal_to_a_reader(directory: str) -> None:
    assert list(read(directory)) == []
    assert verify(directory).records == 0


def test_a_closed_journal_refuses_to_commit(directory: str) -> None:
    journal = Journal.open(directory, source=SOURCE)
    journal.close()
    journal.append(exits(1))
    with pytest.raises(JournalError, match="closed"):
        journal.commit()
