"""Redaction: every known shape, nothing else, and no matter where a stream is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from loops.secrets.key_shapes import KEY_SHAPES, Shape
from loops.secrets.redaction import STARTS, Redactor, redact, redacted

SHAPES = pytest.mark.parametrize("shape", KEY_SHAPES, ids=[shape.name for shape in KEY_SHAPES])
ORDINARY = st.text(
    alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FFF, blacklist_categories=("Cs",)), max_size=60
)


@SHAPES
def test_the_sample_is_cut_out_and_named(shape: Shape) -> None:
    assert redact(f"key: {shape.sample}\n") == f"key: [redacted: {shape.name}]\n"


@SHAPES
def test_the_counter_sample_stays(shape: Shape) -> None:
    assert redact(f"see {shape.counter} there") == f"see {shape.counter} there"


@SHAPES
def test_each_start_begins_a_key(shape: Shape) -> None:
    assert any(shape.sample.startswith(start) for start in shape.starts)


@pytest.mark.parametrize("shape", [shape for shape in KEY_SHAPES if shape.name != "private key"], ids=lambda s: s.name)
def test_a_key_inside_a_longer_word_is_no_key(shape: Shape) -> None:
    assert redact(f"a{shape.sample}") == f"a{shape.sample}"


@given(ORDINARY)
@example("the task-force, ASIA, right, eyJust")
def test_what_has_no_start_is_left_alone(text: str) -> None:
    if not any(start in text for start in STARTS):
        assert redact(text) == text


@given(
    st.recursive(ORDINARY | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ORDINARY, inner))
)
def test_a_document_keeps_its_form(value: object) -> None:
    assert json.loads(json.dumps(redacted([value, KEY_SHAPES[0].sample]))) == [
        redacted(value),
        redact(KEY_SHAPES[0].sample),
    ]


@given(st.sampled_from(KEY_SHAPES), ORDINARY, ORDINARY, st.lists(st.integers(0, 400), max_size=8))
def test_a_stream_cut_anywhere_hides_what_the_whole_would(
    shape: Shape, before: str, after: str, cuts: list[int]
) -> None:
    whole = f"{before} {shape.sample} {after}".encode()
    # Of a start the first two letters have to come together.
    places = sorted({cut for cut in cuts if whole[cut - 1 : cut].isspace() or not _splits_a_start(whole, cut)})
    redactor = Redactor()
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    written = b"".join(map(redactor.feed, pieces)) + redactor.flush()
    assert written == redact(whole.decode()).encode()


def _splits_a_start(whole: bytes, cut: int) -> bool:
    return any(whole[cut - 1 :].startswith(start.encode()) for start in STARTS)


def test_what_waits_for_its_rest_survives_the_replacement_of_the_holder() -> None:
    sample = KEY_SHAPES[0].sample.encode()
    first = Redactor()
    assert first.feed(b"key " + sample[:20]) == b"key "
    second = Redactor(first.held)
    assert second.feed(sample[20:] + b" end") == b"[redacted: provider key] end"


def test_no_more_waits_than_a_key_can_be_long() -> None:
    redactor = Redactor()
    flood = b"sk-" + b"a" * 100_000
    assert len(redactor.feed(flood)) + len(redactor.held) <= len(flood)
    assert len(redactor.held) <= 16_384


def test_ordinary_output_is_written_at_once() -> None:
    redactor = Redactor()
    assert redactor.feed(b"$ git status\r\n") == b"$ git status\r\n"
    assert redactor.held == b""
