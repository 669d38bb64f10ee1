"""What is said to tmux: exact, quoted, and no more than is missing."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.sessions.tmux import Pane, commands, panes, quoted, session_name, strangers

RELAY = ["python", "attach.py", "/run/holder.sock"]


def pane(id: str, session: str, holder: str, dead: bool = False, attached: int = 0) -> Pane:
    return Pane(7, id, dead, attached, session, holder)


def test_what_is_there_already_needs_no_command() -> None:
    assert commands({"p-a": "a"}, [pane("%1", "p-a", "a")], RELAY, 24) == ""


def test_a_missing_view_is_made_with_its_relay() -> None:
    script = commands({"p-a": "a"}, [], RELAY, 24)
    (line,) = [line for line in script.splitlines() if line.startswith("new-session")]
    words = shlex.split(line)
    assert words[words.index("-s") + 1] == "p-a"
    assert words[-4:] == [*RELAY, "a"]
    assert "LOOPS_LIVE=1" in words
    assert "set-environment -t '=p-a:' -u LOOPS_LIVE" in script


def test_beyond_the_eager_ones_views_are_parked() -> None:
    script = commands({f"p-{n}": str(n) for n in range(5)}, [], RELAY, 2)
    made = [line for line in script.splitlines() if line.startswith("new-session")]
    assert ["LOOPS_LIVE=1" in line for line in made] == [True, True, False, False, False]


def test_a_view_that_is_not_wanted_any_more_is_ended_and_a_strangers_is_not() -> None:
    present = [pane("%1", "p-a", "a"), pane("%2", "human", ""), pane("%3", "p-a", "")]
    assert commands({}, present, RELAY, 24).splitlines() == ["kill-pane -t '%1'"]


def test_a_view_of_another_session_is_replaced() -> None:
    script = commands({"p-a": "b"}, [pane("%1", "p-a", "a")], RELAY, 24)
    assert script.count("kill-pane -t '%1'") == 1
    assert "loops-view-62" in script


def test_a_name_that_a_stranger_has_is_left_to_him() -> None:
    present = [pane("%1", "p-a", "")]
    assert commands({"p-a": "a"}, present, RELAY, 24) == ""
    assert strangers({"p-a": "a"}, present) == ["p-a"]


def test_a_dead_relay_is_started_again_where_somebody_needs_it() -> None:
    dead = [pane("%1", "p-1", "1", dead=True), pane("%2", "p-2", "2", dead=True), pane("%3", "p-3", "3", True, 1)]
    script = commands({"p-1": "1", "p-2": "2", "p-3": "3"}, dead, RELAY, 1)
    assert [line.split()[-1] for line in script.splitlines()] == ["'%1'", "'%3'"]
    assert script.count("respawn-pane") == 2


def test_a_view_that_was_left_is_parked_again_unless_somebody_came() -> None:
    script = commands({"p-1": "1", "p-2": "2"}, [pane("%1", "p-1", "1"), pane("%2", "p-2", "2")], RELAY, 1)
    assert script.splitlines() == [
        "if-shell -F -t '%2' '#{==:#{session_attached},0}' \"respawn-pane -k -t '%2'\"",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("cc-ci-builder", "cc-ci-builder"), ("a:b.c", "a_b_c"), ("=x", "_x"), ("-x", "_x"), ("$1", "_1"),
     ("a b\nc", "a_b_c"), ("#(rm x)", "_(rm_x)"), ("it's", "it_s"), ("träger漢", "träger漢")],
)  # fmt: skip
def test_a_name_is_made_harmless(text: str, name: str) -> None:
    assert session_name(text) == name


@given(st.text(max_size=30))
def test_a_harmless_name_stays_as_it_is(text: str) -> None:
    assert session_name(session_name(text)) == session_name(text)


@given(st.text(st.characters(exclude_characters="\0\n"), max_size=30))
def test_a_quoted_word_is_one_word(text: str) -> None:
    assert shlex.split(quoted(text)) == [text]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=30))
def test_a_listing_tells_our_panes_from_a_strangers(holder: str) -> None:
    made = commands({"p-a": holder}, [], ["relay"], 0).splitlines()[-1]
    found = panes(f"7:%1:1:0:p-a:{made}\n7:%2:0:2:human:sleep 100\nnonsense")
    assert found == [Pane(7, "%1", True, 0, "p-a", holder), Pane(7, "%2", False, 2, "human", "")]
