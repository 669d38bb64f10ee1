"""The line of input: keys in, lines out, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.runner.editor import Editor, Key
from loops.runner.terminal import cells, tail
from loops.sessions.keys import LineWatch
from loops.sessions.send import bracketed

PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (b"hello\r", ["hello"]),
        (b"a\x7fb\r", ["b"]),
        (b"gone\x15kept\r", ["kept"]),
        (b"one two\x17three\r", ["one three"]),
        ("grün ❯ 漢\r".encode(), ["grün ❯ 漢"]),
        (b"\r\n", ["", ""]),
        (PASTE + b"a\rb\x03c\td" + PASTED + b"\r", ["a\nbc\td"]),
        (b"\x03", [Key.INTERRUPT]),
        (b"half\x03rest\r", [Key.INTERRUPT, "rest"]),
        (b"\x04", [Key.END]),
        (b"text\x04\r", ["text"]),
        (b"\x0c", [Key.REDRAW]),
        (b"a\x1b[A\x1b[1;5C\x1bOPb\r", ["ab"]),
        (b"a\x1b]0;title\x07b\x1bP1$r\x1b\\c\r", ["abc"]),
        (b"a\x1b\r", ["a"]),
        (b"\xff\xfe\r", ["\ufffd\ufffd"]),
    ],
)
def test_keys_become_lines(keys: bytes, found: list[str | Key]) -> None:
    assert Editor().feed(keys) == found
    editor = Editor()
    assert [entry for key in keys for entry in editor.feed(bytes([key]))] == found


@given(st.text(max_size=200))
def test_what_the_engine_pastes_arrives_as_it_was_sent(text: str) -> None:
    pasted = bracketed(text)
    editor = Editor()
    assert editor.feed(pasted) == []
    assert editor.feed(b"\r") == [pasted[6:-6].decode().replace("\r", "\n")]


@given(
    st.lists(
        st.sampled_from([b"a", b"\xc3\xa9", b"\x7f", b"\r", b"\x15", b"\x03", PASTE + b"p\rq" + PASTED, b"\x1b[A"])
    )
)
def test_a_line_is_open_for_the_holder_when_it_is_open_here(keys: list[bytes]) -> None:
    editor, watch = Editor(), LineWatch()
    for key in keys:
        editor.feed(key)
        watch.feed(key)
    assert watch.open == bool(editor.text)


@given(st.binary(max_size=300))
def test_no_keys_break_it(keys: bytes) -> None:
    editor = Editor()
    editor.feed(keys)
    editor.feed(b"\x1b[201~\x1b\x03")
    assert editor.text == ""


@given(st.text(max_size=60), st.integers(min_value=1, max_value=30))
def test_the_end_of_a_long_line_fits(text: str, columns: int) -> None:
    shown = tail(text, columns)
    assert sum(map(cells, shown)) <= columns
    assert text.endswith(shown.removeprefix("…"))
