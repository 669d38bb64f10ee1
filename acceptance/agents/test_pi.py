"""pi through the engine, headless: what is its own."""

from __future__ import annotations

from loops.supervisor import events as ev
from one_agent import NewReal
from real_project import Real


def test_where_edits_are_free_a_command_is_still_asked_for(new_real: NewReal) -> None:
    project = new_real("pi")
    project.write([Real("one", "pi", permissions="edits")])
    project.loops("up")
    asked = project.wait_event(ev.QuestionAsked, "the question")
    assert "hello.txt" in asked.text
    project.loops("approve", "one")
    project.wait_event(ev.TurnCompleted, "a turn")
    assert (project.clone("one") / "hello.txt").exists()


def test_a_failed_run_that_pi_takes_for_a_success_is_a_failed_turn(new_real: NewReal) -> None:
    project = new_real("pi")
    project.write([Real("one", "pi", scenario="e401")])
    project.loops("up")
    assert project.wait_event(ev.TurnCompleted, "the turn").failed
    assert project.wait_event(ev.HoldBegan, "a hold").kind == "auth"


def test_a_cut_stream_that_pi_takes_for_a_success_is_a_failed_turn(new_real: NewReal) -> None:
    project = new_real("pi")
    project.write([Real("one", "pi", scenario="cut")])
    project.loops("up")
    assert project.wait_event(ev.TurnCompleted, "the turn").failed
    assert project.wait_normalized("one", "turn.failed")["data"]["class"] == "truncated"


def test_a_message_with_a_slash_is_no_command_of_pi(new_real: NewReal) -> None:
    project = new_real("pi")
    project.write([Real("one", "pi", prompt="/quit is what the manual says; write the greeting file.")])
    project.loops("up")
    project.wait_event(ev.TurnCompleted, "a turn")
    assert (project.clone("one") / "hello.txt").exists()
