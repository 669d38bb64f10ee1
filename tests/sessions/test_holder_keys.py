from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.sessions.keys import LineWatch


def after(keys: bytes) -> bool:
    watch = LineWatch()
    watch.feed(keys)
    return watch.open


@pytest.mark.parametrize(
    "keys",
    [b"h", b"hello", "ä".encode(), b"two words ", b"done\rnext", b"ab\x7f", b"\x1b[A retyped", b"x\x1b[D\x1b[C"],
)
def test_a_line_is_open_after_a_character(keys: bytes) -> None:
    assert after(keys)


@pytest.mark.parametrize(
    "keys", [b"", b"hello\r", b"hello\n", b"hello\x03", b"hello\x15", b"ab\x7f\x7f", b"a\x7f\x7f\x7f", b"\x7f"]
)
def test_a_line_is_closed_by_return_interrupt_kill_and_by_erasing_all_of_it(keys: bytes) -> None:
    assert not after(keys)


@pytest.mark.parametrize(
    "keys",
    [
        b"\x1b[A\x1b[B",  # arrows
        b"\x1bOP",  # F1
        b"\x1b[I\x1b[O",  # focus came and went
        b"\x1b[<35;10;20M",  # the mouse moved
        b"\x1b[?62;22c",  # what the terminal is
        b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07",  # its background, ended by BEL
        b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",  # and by ST
        b"\x1bP>|xterm(390)\x1b\\",  # its name
        b"\x1bf",  # Alt-f
        b"\t\x0c",  # completion, redraw
    ],
)
def test_what_a_terminal_says_by_itself_opens_no_line(keys: bytes) -> None:
    assert not after(keys)


def test_a_return_in_a_bracketed_paste_is_text() -> None:
    watch = LineWatch()
    watch.feed(b"\x1b[200~first\rsecond\r\x1b[201~")
    assert watch.open
    watch.feed(b"\r")
    assert not watch.open


def test_a_lone_escape_does_not_swallow_the_return_that_follows() -> None:
    assert not after(b"draft\x1b\r")


@given(st.binary(max_size=60), st.data())
def test_it_does_not_matter_where_the_keys_are_cut(keys: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(keys)))
    watch = LineWatch()
    watch.feed(keys[:cut])
    watch.feed(keys[cut:])
    assert watch.open == after(keys)
