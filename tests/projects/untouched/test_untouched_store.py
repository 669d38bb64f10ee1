"""A baseline's file: whole, private, and refused when anything in it is another."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import resources
from loops.errors import LoopsError
from loops.projects.untouched import store
from loops.projects.untouched.model import Baseline, Entry, Kind, Scope
from untouched_plants import RULES, looks

LOOK = Baseline(
    12.5, "host", "b1", 0, Scope(("/srv",)), (Entry("/srv/\udcff", Kind.FIFO, 0o600, 1, 2, 3, 4, 5, 6, 7, 8),)
)


@given(looks(st.lists(RULES, max_size=2).map(tuple)))
def test_what_was_written_is_read_again(look: Baseline):
    assert store.loads(store.dumps(look)) == look


@settings(max_examples=20)
@given(looks(st.lists(RULES, max_size=2).map(tuple)))
def test_every_baseline_fits_the_schema(look: Baseline):
    with open(resources.schema("untouched"), encoding="utf-8") as file:
        jsonschema.Draft202012Validator(json.load(file)).validate(json.loads(store.dumps(look)))


def test_a_name_that_is_not_utf8_is_kept():
    assert store.loads(store.dumps(LOOK)).entries[0].path == "/srv/\udcff"


@given(st.data())
def test_a_baseline_with_another_byte_is_refused_or_means_the_same(data: st.DataObject):
    text = store.dumps(LOOK)
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + text[at + 1 :]

    try:
        read = store.loads(other)
    except LoopsError:
        return

    assert read == LOOK


@given(st.integers(0, len(store.dumps(LOOK)) - 3))
def test_a_torn_baseline_is_refused(length: int):
    with pytest.raises(LoopsError, match=r"torn|no baseline"):
        store.loads(store.dumps(LOOK)[:length])


def test_a_changed_fact_is_refused_and_told_so():
    document = json.loads(store.dumps(LOOK))
    document["baseline"]["entries"][0]["mode"] = 0o777

    with pytest.raises(LoopsError, match="was changed after it was taken"):
        store.loads(json.dumps(document))


def test_another_version_is_refused_with_what_helps():
    document = {**json.loads(store.dumps(LOOK)), "version": 2}

    with pytest.raises(LoopsError, match=r"version 2.*the engine that took it"):
        store.loads(json.dumps(document))


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "x.json").write_text("[1]")

    with pytest.raises(LoopsError, match=r"x\.json: is no baseline"):
        store.read(str(tmp_path / "x.json"))


def test_it_is_for_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path):
    store.write(LOOK, str(tmp_path / "b.json"))

    assert (tmp_path / "b.json").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["b.json"]
    assert store.read(str(tmp_path / "b.json")) == LOOK


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path):
    (tmp_path / "b.json").write_text("mine")

    with pytest.raises(LoopsError, match="never replaced"):
        store.write(replace(LOOK, host="other"), str(tmp_path / "b.json"))

    assert (tmp_path / "b.json").read_text() == "mine"
    assert os.listdir(tmp_path) == ["b.json"]
