"""The runner beside a terminal interface: it never touches the terminal, and knows by hooks what happens there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runner_seat import CONVERSATION, Seat, alive, read_lines, until

STANDIN = Path(__file__).with_name("standin_tui.py")
LIMIT = "You've hit your 5-hour limit · resets 8:31am (UTC)"
Make = Callable[..., Seat]


@pytest.fixture
def tui(tmp_path: Path) -> Iterator[Make]:
    """Makes seats before the stand-in; a later one finds the home of the earlier."""
    made: list[Seat] = []

    def make(**order: Any) -> Seat:
        one = Seat(tmp_path, mode="tui", hook_socket=str(tmp_path / "a.hook"), permissions="ask", **order)
        first = one.bin.read_text().split("\n", 1)[0]
        one.bin.write_text(f"{first}\n{STANDIN.read_text()}")
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def test_the_kickoff_is_its_first_turn_and_nobody_was_asked_anything(tui: Make) -> None:
    one = tui(kickoff="say hello").start()
    ended = one.signalled("turn.completed")
    assert ended["text"] == "hello"
    assert one.signals("session.started")[0]["conversation"] == CONVERSATION
    assert [each["state"] for each in one.signals("state.changed")][:1] == ["working"], "not ready before the kickoff"
    assert [event["data"]["by"] for event in one.events("approval.granted")] == ["preseed"]
    assert one.starts()[0]["tty"]


def test_without_a_kickoff_it_says_that_it_waits(tui: Make) -> None:
    one = tui().start()
    until(lambda: one.signals("state.changed"), "a state")
    assert one.signals("state.changed")[0]["state"] == "waiting_input"


def test_a_pasted_nudge_is_the_agents_to_read_and_its_turn_bears_the_name(tui: Make) -> None:
    one = tui(kickoff="say hello").start()
    one.signalled("turn.completed")
    one.paste("[nudge n7] say two\nlines")
    assert one.signalled("turn.started", 2)["nudge"] == "n7"
    one.signalled("turn.completed", 2)
    assert one.received() == ["say hello", "[nudge n7] say two\nlines"]


@pytest.mark.parametrize(("allow", "outcome"), [(True, "granted"), (False, "denied")])
def test_an_approval_is_answered_through_the_hook(tui: Make, allow: bool, outcome: str) -> None:
    one = tui(kickoff="ask rm -r build").start()
    asked = one.signalled("approval.requested")
    assert (asked["tool"], asked["text"]) == ("Bash", "rm -r build")

    one.answer(asked["approval_id"], allow, "because")

    assert one.signalled(f"approval.{outcome}")["reason"] == "because"
    until(lambda: one.events("turn.completed") or one.events("turn.failed"), "the end of the turn")
    decision = {"behavior": "allow"} if allow else {"behavior": "deny", "message": "because"}
    assert read_lines(one.home / ".claude" / "answers") == [decision]


def test_an_approval_that_nobody_answers_expires_and_is_refused(tui: Make) -> None:
    one = tui(kickoff="ask rm -r build", approval_timeout=0.2).start()
    one.signalled("approval.expired")
    found = until(lambda: read_lines(one.home / ".claude" / "answers"), "the answer")
    assert found[0]["behavior"] == "deny"


def test_a_limit_after_which_it_goes_on_by_itself_is_told_as_such(tui: Make) -> None:
    one = tui(kickoff=f"limit {LIMIT}").start()
    failed = one.signalled("turn.failed")
    assert (failed["class"], failed["retrying"]) == ("limit_reached", True)


def test_the_programs_end_is_the_runners(tui: Make) -> None:
    assert tui(kickoff="die 3").start().ends() == 3


def test_a_killed_program_is_told_as_a_shell_would_and_leaves_a_usable_terminal(tui: Make) -> None:
    one = tui(kickoff="hang").start()
    one.sees("hanging")
    os.kill(one.starts()[0]["pid"], signal.SIGKILL)
    assert one.ends() == 137
    assert "\x1b[?2004l" in one.shown
    assert one.events("run.ended")[0]["data"]["signal"] == 9


def test_a_conversation_that_is_not_there_is_said(tui: Make) -> None:
    one = tui(kickoff="say hello", conversation=CONVERSATION, fresh_id="").start()
    assert one.ends() == 1
    assert one.signals("error")[0]["class"] == "resume_failed"
    assert not one.signals("session.resumed")


def test_a_conversation_that_is_there_is_resumed(tui: Make) -> None:
    first = tui(kickoff="say hello").start()
    first.signalled("turn.completed")
    first.signal(signal.SIGTERM)
    first.ends()
    second = tui(kickoff="say again", conversation=CONVERSATION, fresh_id="", run="builder.2").start()
    assert second.signalled("session.resumed")["conversation"] == CONVERSATION


def test_a_task_ends_after_its_turn(tui: Make) -> None:
    assert tui(kickoff="say done", task=True).start().ends() == 0


def test_a_polite_end_is_handed_on_and_nothing_stays(tui: Make) -> None:
    one = tui(kickoff="hang").start()
    one.sees("hanging")
    one.signal(signal.SIGTERM)
    assert one.ends() == 143
    assert not alive(one.starts()[0]["pid"])
    assert not os.path.exists(one.order.hook_socket)


def test_a_killed_runner_takes_the_program_with_it(tui: Make) -> None:
    one = tui(kickoff="hang").start()
    one.sees("hanging")
    one.signal(signal.SIGKILL)
    one.ends()
    until(lambda: not alive(one.starts()[0]["pid"]), "the program's end")


def test_an_agent_that_stops_itself_is_woken(tui: Make) -> None:
    one = tui(kickoff="stop").start()
    assert one.signalled("turn.completed")["text"] == "awake again"


def test_a_program_that_is_not_there_is_named_with_the_remedy(tui: Make) -> None:
    one = tui(bin="/no/such/claude").start()
    assert one.ends() == 127
    assert "/no/such/claude" in one.shown
    assert "loops doctor" in one.shown
