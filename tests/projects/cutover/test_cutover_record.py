"""The record survives what kills its writer, and has one writer at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_world import plan
from hypothesis import given
from hypothesis import strategies as st
from loops.errors import LoopsError
from loops.projects.cutover.position import Course, Entry, Mark, fold
from loops.projects.cutover.record import Places, Record, entries, keep_plan, kept_plan

ENTRIES = (
    Entry(Mark.BEGUN, 1.0, "", "digest"),
    Entry(Mark.DOING, 2.0, "note"),
    Entry(Mark.RAN, 3.0, "note", "", "loops x", 0, "two\nlines é\n", 0.5),
    Entry(Mark.RAN, 3.5, "note", "", "loops y", None, "", 0.5),
    Entry(Mark.DONE, 4.0, "note"),
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(str(tmp_path))


def test_what_was_appended_is_there_when_it_is_read_again(places: Places) -> None:
    with Record(places) as book:
        for entry in ENTRIES:
            book.append(entry)

    assert entries(places) == list(ENTRIES)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_as_if_it_was_never_written(places: Places, cut: int) -> None:
    with Record(places) as book:
        for entry in ENTRIES:
            book.append(entry)
    path = Path(places.record)
    path.write_bytes(path.read_bytes()[:-cut])

    with Record(places) as book:
        book.append(Entry(Mark.PAUSED, 9.0))

    assert entries(places) == [*ENTRIES[:-1], Entry(Mark.PAUSED, 9.0)]


def test_two_runs_cannot_be_at_once(places: Places) -> None:
    with Record(places), pytest.raises(LoopsError, match="one at a time"):
        Record(places)

    Record(places).close()


def test_a_record_that_somebody_edited_is_refused_with_its_line(places: Places) -> None:
    with Record(places) as book:
        book.append(ENTRIES[0])
    Path(places.record).write_text('{"mark": "begun"}\n{"mark": "nonsense"}\n')

    with pytest.raises(LoopsError, match=r"record\.jsonl:2"):
        Record(places)


def test_a_kept_plan_is_the_plan(places: Places) -> None:
    keep_plan(places, plan())

    assert kept_plan(places) == plan()


def test_a_plan_of_something_else_is_refused(places: Places) -> None:
    with pytest.raises(LoopsError, match="loops cutover plan"):
        kept_plan(places)
    Path(places.root).mkdir()
    Path(places.plan).write_text('{"ground": {}}')

    with pytest.raises(LoopsError, match="no plan of this engine"):
        kept_plan(places)


def test_a_step_that_was_begun_and_not_done_has_to_be_taken_back_too() -> None:
    begun = [Entry(Mark.BEGUN), Entry(Mark.DOING, step="a"), Entry(Mark.DONE, step="a"), Entry(Mark.DOING, step="b")]

    forward, turned = fold(begun), fold([*begun, Entry(Mark.TURNED, detail="why")])

    assert (forward.inside, forward.done) == ("b", ("a",))
    assert (turned.course, turned.done) == (Course.BACK, ("a", "b"))


@given(st.lists(st.sampled_from(list(Mark)), max_size=12))
def test_no_record_whatever_breaks_the_fold(marks: list[Mark]) -> None:
    position = fold(Entry(mark, step="s") for mark in marks)

    assert isinstance(position.course, Course)
