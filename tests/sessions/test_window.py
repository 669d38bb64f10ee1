"""A person's side of the relay: what is taken out of the keys, and what a replay may not repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.sessions.window import _QUERIES, DETACH_WITHIN, Keys

CTRL_BACKSLASH = [b"\x1c", b"\x1b[92;5u", b"\x1b[27;5;92~"]


@pytest.mark.parametrize("key", CTRL_BACKSLASH)
def test_ctrl_backslash_twice_detaches_in_every_encoding(key: bytes) -> None:
    keys = Keys()
    assert keys.feed(b"abc" + key, 0.0) == b"abc"
    assert not keys.detach
    assert keys.feed(key, 0.5) == b""
    assert keys.detach


def test_a_single_ctrl_backslash_reaches_the_agent_with_the_next_key() -> None:
    keys = Keys()
    assert keys.feed(b"\x1c", 0.0) == b""
    assert keys.feed(b"x", 0.1) == b"\x1cx"


def test_a_ctrl_backslash_that_stays_alone_reaches_the_agent_after_a_while() -> None:
    keys = Keys()
    keys.feed(b"\x1c", 5.0)
    assert keys.overdue(5.1) == b""
    assert keys.patience(5.4) == pytest.approx(DETACH_WITHIN - 0.4)
    assert keys.overdue(5.0 + DETACH_WITHIN) == b"\x1c"
    assert keys.patience(9.0) is None


@given(st.lists(st.sampled_from([b"a", b"\x1c", b"\x1b[92;5u", b"\r", b"\x1b[A"]), max_size=20))
def test_no_key_is_lost_or_reordered_unless_the_person_leaves(pressed: list[bytes]) -> None:
    keys, passed = Keys(), b""
    for key in pressed:
        passed += keys.feed(key, 0.0)
    if not keys.detach:
        assert passed + keys.overdue(DETACH_WITHIN) == b"".join(pressed)


@pytest.mark.parametrize(
    "query",
    [b"\x1b[c", b"\x1b[0c", b"\x1b[>c", b"\x1b[=c", b"\x1b[6n", b"\x1b[?6n", b"\x1b[>0q", b"\x1b[?u", b"\x1b[?2026$p",
     b"\x1b[14t", b"\x1b[18t", b"\x1b]11;?\x07", b"\x1b]10;?\x1b\\", b"\x1b]4;1;?\x07", b"\x1bP+q544e\x1b\\", b"\x1bZ"],
)  # fmt: skip
def test_a_replay_asks_the_terminal_nothing(query: bytes) -> None:
    assert _QUERIES.sub(b"", b"before" + query + b"after") == b"beforeafter"


def test_a_replay_keeps_what_only_shows() -> None:
    shown = b"\x1b[2J\x1b[H\x1b[1;31mred\x1b[0m\x1b]0;title\x07\x1b[?1049h\x1b[>4;2m\x1b[<u\x1b[2 q"
    assert _QUERIES.sub(b"", shown) == shown
