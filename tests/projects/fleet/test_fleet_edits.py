"""Edits of fleet.toml: what is not meant stays, byte for byte."""

from __future__ import annotations

import tomllib

import pytest
from fleet_samples import entries, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.config.fleet import Entry, parse_fleet
from loops.errors import UsageError
from loops.projects.fleet import edits
from loops.projects.fleet.edits import EditRefused

PATH = "/fleet.toml"


def document(raw: bytes) -> dict[str, object]:
    return tomllib.loads(raw.decode("utf-8-sig").replace("\r\n", "\n"))


def lines(raw: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")]


def is_without_one_run(before: list[bytes], left: list[bytes]) -> bool:
    """Whether *left* is *before* but for one run of lines; the file may have been nothing else."""
    start = next((n for n, (a, b) in enumerate(zip(before, left, strict=False)) if a != b), len(left))
    return left in ([b""], before[:start] + before[len(before) - (len(left) - start) :])


# ---- any file ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=120)
@given(texts(), entries)
def test_a_project_that_is_added_and_removed_leaves_the_same_bytes(sample: tuple[bytes, list[str]], entry: Entry):
    raw, _ = sample

    assert edits.removed(PATH, edits.added(PATH, raw, entry), entry.name) == raw


@settings(deadline=None, max_examples=120)
@given(texts(), entries)
def test_adding_keeps_every_other_line_and_says_what_was_asked(sample: tuple[bytes, list[str]], entry: Entry):
    raw, present = sample

    after = edits.added(PATH, raw, entry)

    kept = raw.rstrip(b" \t\r\n")
    assert after.startswith(kept)
    fleet = parse_fleet(PATH, after).fleet
    assert [each.name for each in fleet.projects] == [*present, entry.name]
    assert fleet.projects[-1] == entry
    ends = {line[-1:] for line in after.split(b"\n")[:-1]}
    assert b"\r" not in ends or raw.split(b"\n")[0].endswith(b"\r")


@settings(deadline=None, max_examples=120)
@given(texts(), st.data())
def test_removing_takes_only_lines_of_that_project(sample: tuple[bytes, list[str]], data: st.DataObject):
    raw, present = sample
    if not present:
        return
    name = data.draw(st.sampled_from(present))

    after = edits.removed(PATH, raw, name)

    assert is_without_one_run(lines(raw), lines(after))
    expected = document(raw)
    expected["project"] = [each for each in expected["project"] if each["name"] != name]  # type: ignore[attr-defined]
    if not expected["project"]:
        del expected["project"]
    assert document(after) == expected


@settings(deadline=None, max_examples=120)
@given(texts(), st.sampled_from(["v2", "", "feature/x"]), st.data())
def test_a_ref_is_changed_on_its_own_lines(sample: tuple[bytes, list[str]], ref: str, data: st.DataObject):
    raw, present = sample
    if not present:
        return
    name = data.draw(st.sampled_from(present))

    after = edits.with_ref(PATH, raw, name, ref)

    fleet = parse_fleet(PATH, after).fleet
    assert fleet.entry(name).ref == ref
    was = {each.name: each.ref for each in parse_fleet(PATH, raw).fleet.projects}
    assert {each.name: each.ref for each in fleet.projects} == {**was, name: ref}
    before, now = raw.split(b"\n"), after.split(b"\n")
    start = next((n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), len(before))
    end = next((n for n, (a, b) in enumerate(zip(before[::-1], now[::-1], strict=False)) if a != b), len(before))
    assert start + end >= len(before) - 2  # a text can stand on two lines


# ---- single cases ------------------------------------------------------------------------------------------------------

SMALL = b"""\
# mine
[[project]]
name = "a"        # first
ref  = 'v1'       # the pin
location = "x"

# about b
[[project]]
name = "b"
location = "y"
# the end
"""


def test_comments_around_a_removed_project_stay():
    assert edits.removed(PATH, SMALL, "b") == SMALL[: SMALL.index(b'[[project]]\nname = "b"')] + b"# the end\n"


def test_spaces_and_the_comment_of_a_changed_ref_stay():
    assert edits.with_ref(PATH, SMALL, "a", "v2") == SMALL.replace(b"'v1'       #", b'"v2"       #')


def test_a_ref_that_was_not_there_comes_below_the_location():
    assert edits.with_ref(PATH, SMALL, "b", "v2") == SMALL.replace(b'"y"\n', b'"y"\nref = "v2"\n')


@pytest.mark.parametrize("raw", [b"project = []\n", b'project = [{name = "a", location = "b"}]\n'])
def test_projects_in_an_inline_list_are_refused(raw: bytes):
    with pytest.raises(EditRefused, match=r"no list of \[\[project\]\] tables"):
        edits.added(PATH, raw, Entry("c", "d"))


def test_a_project_whose_tables_are_scattered_is_refused():
    raw = b'[[project]]\nname = "a"\nlocation = "b"\n[fleet]\nversion = 1\n[project.x]\ny = 1\n'

    with pytest.raises(EditRefused, match="other tables stand between"):
        edits.removed(PATH, raw, "a")


def test_a_project_that_is_not_there_cannot_be_removed():
    with pytest.raises(UsageError, match="no project 'c'; known: a, b"):
        edits.removed(PATH, SMALL, "c")


def test_of_two_projects_with_one_name_none_is_chosen():
    raw = SMALL + b'[[project]]\nname = "a"\nlocation = "z"\n'

    with pytest.raises(EditRefused, match=r"2 projects are called a \(lines 2, 12\)"):
        edits.removed(PATH, raw, "a")
    with pytest.raises(EditRefused, match="2 projects are called a"):
        edits.with_ref(PATH, raw, "a", "v2")
