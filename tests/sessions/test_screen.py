"""What a session shows: rendered on demand, and as plain text for every listing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from loops.secrets.key_shapes import KEY_SHAPES
from loops.sessions.screen import RENDERED_BYTES, plain, render, safe_start, tail_lines

ESCAPES = st.sampled_from(
    [b"\x1b", b"\x1b[", b"\x1b]52;c;", b"\x1b]0;", b"\x1bP", b"\x1b\\", b"\x07", b"\x9b", b"\xc2\x9b",
     b"\xc2\x9d", b"\r\n",
     b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?3h", b"\x1b[1;2;3;4A", b"\x1b[99999H", b"\x1b[2J", b"31m", b"\x1b[5;2r",
     b"\xe2\x80\xae", b"\x1b[4h", b"\x1b[>4;1m", b"\x1b[<u", b"\x1b#8", b"\x1b(0", b"\xff", b"text",
     "漢".encode(), "e\u0301".encode()]
)  # fmt: skip
OUTPUT = st.lists(st.one_of(ESCAPES, st.binary(max_size=12)), max_size=40).map(b"".join)


@given(OUTPUT)
@example(b"\x1b]52;c;aGk=\x07\x1bPq#0\x1b\\\x1b[31mred\x1b[0m")
def test_plain_text_holds_no_control_character_but_newline(data: bytes) -> None:
    assert [c for c in plain(data) if c != "\n" and unicodedata.category(c) in ("Cc", "Zl", "Zp")] == []


@pytest.mark.parametrize("mark", ["\u061c", "\u200b", "\u200f", "\u202e", "\u2066", "\u2069", "\ufeff", "\ufffb"])
def test_marks_that_reorder_or_hide_text_are_stripped(mark: str) -> None:
    assert plain(f"ab{mark}gnp.exe".encode()) == "abgnp.exe"


@given(OUTPUT)
def test_plain_text_of_plain_text_is_itself(data: bytes) -> None:
    once = plain(data)
    assert plain(once.encode()) == once


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S")), max_size=200))
def test_ordinary_text_passes_unchanged(text: str) -> None:
    assert plain(text.encode()) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b]52;c;c2VjcmV0\x07after", "after"),
        (b"\x1b]0;title\x1b\\after", "after"),
        (b"\x1bP1$r0m\x1b\\after", "after"),
        (b"\x1b[38;2;1;2;3mred\x1b[m", "red"),
        (b"\xc2\x9b31mred", "red"),
        (b"\x1b]0;never ended\nnext line", "\nnext line"),
        (b"half an escape \x1b[3", "half an escape "),
        (b"a\r\r\nb\r\nc", "a\nb\nc"),
        (b"10%\r20%\r30%", "10%\n20%\n30%"),
        (b"bad \xff byte", "bad \ufffd byte"),
        (b"a\tb\x00c\x08d\x7f", "a bcd"),
    ],
)
def test_escapes_and_controls_are_stripped(data: bytes, text: str) -> None:
    assert plain(data) == text


def test_the_tail_skips_blank_lines_at_the_end() -> None:
    assert tail_lines("one\ntwo  \nthree\n\n  \n", 2) == ["two", "three"]
    assert tail_lines("", 3) == []
    assert tail_lines("one", 0) == []


def test_a_screen_shows_what_a_terminal_would() -> None:
    ring = b"junk\x1b[2J\x1b[H\x1b[1mTitle\x1b[0m\r\n\x1b[3;5Hthere\x1b[1;1Ho\x1b[>4;2m\x1b[?2004h\x1bPq\x1b\\"
    assert render(ring, 10, 40).lines == ("oitle", "", "    there")


def test_leaving_the_alternate_screen_shows_the_main_one_again() -> None:
    ring = b"main\x1b[?1049h\x1b[Halternate"
    assert render(ring, 5, 40).lines == ("alternate",)
    assert render(ring + b"\x1b[?1049l", 5, 40).lines == ("main",)


@given(OUTPUT, st.integers(2, 12), st.integers(2, 30))
def test_any_output_renders_within_its_size(data: bytes, rows: int, cols: int) -> None:
    screen = render(data, rows, cols)
    assert len(screen.lines) <= rows
    assert all(line == line.rstrip() for line in screen.lines)


def test_only_the_end_of_a_long_output_is_played() -> None:
    flood = b"\x1b[31mflood\x1b[0m\r\n" * RENDERED_BYTES
    assert render(flood + b"\x1b[2J\x1b[Hlast", 5, 40).lines == ("last",)


@given(st.integers(5, 60))
def test_a_cut_never_starts_within_an_escape(limit: int) -> None:
    data = b"\x1b[38;2;11;22;33mred\x1b[0m\n" * 3
    assert safe_start(data, limit)[:1] in (b"\x1b", b"\n", b"")


def test_a_key_on_the_screen_is_cut_out_of_what_is_read_from_it() -> None:
    sample = KEY_SHAPES[0].sample.encode()
    assert render(b"\x1b[31mkey:\x1b[0m " + sample, 5, 200).lines == ("key: [redacted: provider key]",)
