"""Bytes to lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from loops.runner.lines import Lines


@given(st.lists(st.binary(max_size=40)))
def test_lines_come_out_whole_however_they_are_cut(pieces: list[bytes]) -> None:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    whole = b"".join(pieces).split(b"\n")
    assert found == whole[:-1]
    assert lines.rest() == whole[-1]
    assert lines.rest() == b""


def test_only_a_newline_ends_a_line() -> None:
    assert Lines().feed("a\rb\u2028c\x0b\x85\n".encode()) == ["a\rb\u2028c\x0b\x85".encode()]
