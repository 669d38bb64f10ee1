"""What the agent may not do by itself: shown, told, answered by file or by a person, expired."""

from __future__ import annotations

from collections.abc import Callable

from runner_seat import Seat

Make = Callable[..., Seat]


def test_an_allowed_tool_runs(seat: Make) -> None:
    one = seat(kickoff="ask touch made").start()
    asked = one.signalled("approval.requested")
    assert asked["approval_id"] == "builder.1-a1"
    assert not (one.work / "made").exists()
    one.answer("builder.1-a1", allow=True)
    assert one.signalled("approval.granted")["approval_id"] == "builder.1-a1"
    one.signalled("turn.completed")
    assert (one.work / "made").exists()


def test_a_denied_tool_does_not_run_and_the_agent_reads_why(seat: Make) -> None:
    one = seat(kickoff="ask touch made; tool true").start()
    one.signalled("approval.requested")
    one.answer("builder.1-a1", allow=False, reason="not on a Sunday")
    assert one.signalled("approval.denied")["by"] == "human"
    one.signalled("turn.completed")
    assert not (one.work / "made").exists()
    one.sees("not on a Sunday")


def test_a_question_that_nobody_answers_expires_and_that_is_no_denial(seat: Make) -> None:
    one = seat(kickoff="ask touch made; tool true", approval_timeout=0.1).start()
    one.signalled("approval.expired")
    one.signalled("turn.completed")
    assert one.signals("approval.denied") == []
    assert not (one.work / "made").exists()


def test_a_person_answers_in_the_pane(seat: Make) -> None:
    one = seat(kickoff="ask touch one; ask touch two").start()
    one.signalled("approval.requested")
    one.type("/approve\r")
    one.signalled("approval.requested", 2)
    one.type("/deny keep it small\r")
    one.signalled("turn.completed")
    assert (one.work / "one").exists()
    assert not (one.work / "two").exists()
    one.sees("keep it small")


def test_an_answer_to_nothing_is_said(seat: Make) -> None:
    one = seat(kickoff="say hello").start()
    one.signalled("turn.completed")
    one.type("/approve\r")
    one.sees("nothing waits for an answer")


def test_an_interrupt_ends_the_turn_and_the_conversation_goes_on(seat: Make) -> None:
    one = seat(kickoff="hang").start()
    one.sees("hanging")
    one.type("\x03\x03\x03")
    one.sees("interrupted: Ctrl-C in the pane")
    one.paste("say still here")
    one.signalled("turn.completed", 2)  # the one that was interrupted is over as well
    assert one.received() == ["hang", "say still here"]
    assert len(one.events("warning")) == 1


def test_ctrl_c_without_a_turn_ends_nothing(seat: Make) -> None:
    one = seat(kickoff="say hello").start()
    one.signalled("turn.completed")
    one.type("\x03")
    one.sees("no turn runs")


def test_a_model_that_says_nothing_is_interrupted_and_the_provider_is_to_blame(seat: Make) -> None:
    one = seat(kickoff="hang", silent_after=1.0).start()
    assert one.signalled("turn.failed")["class"] == "provider_unavailable"
    one.sees("nothing was heard")
    one.paste("say still here")
    one.signalled("turn.completed")


def test_a_tool_may_be_silent_for_long(seat: Make) -> None:
    one = seat(kickoff="tool sleep 2; say done", silent_after=1.0).start()
    one.signalled("turn.completed")
    assert one.signals("loop.suspected") == []
