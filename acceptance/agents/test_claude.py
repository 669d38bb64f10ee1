"""claude through the engine, headless.  Each test has its own project and room."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from loops.streams.recording import compare
from loops.supervisor import events as ev
from one_agent import NewReal, begin, sent, wrote
from real_project import RealProject, Times


def turns(project: RealProject, count: int) -> None:
    """Wait until so many turns have gone through."""
    project.wait_for(
        lambda: len([turn for turn in project.events(ev.TurnCompleted) if not turn.failed]) >= count,
        f"{count} turns went through",
    )


def prompts(project: RealProject) -> list[str]:
    """Every message that the agent was given."""
    return [message["message"]["content"] for message in sent(project) if message["type"] == "user"]


def test_a_turn_is_driven_to_its_end_and_its_recording_is_sound(new_real: NewReal) -> None:
    project = begin(new_real, "claude")
    turns(project, 1)
    assert wrote(project)
    assert b"MOCK-DONE" in project.log("one")
    project.loops("nudge", "one", "look at the second file")
    delivered = project.wait_event(ev.NudgeDelivered, "the nudge")
    turns(project, 2)
    assert prompts(project)[1].startswith(f"[nudge {delivered.id}]")
    for path in project.run_files("one", "raw/index"):
        assert compare(str(path.parents[1])) is None


@pytest.mark.parametrize("outcome", ["granted", "denied", "expired"])
def test_an_approval_has_three_outcomes(new_real: NewReal, outcome: str) -> None:
    times = Times(approval_timeout=1 if outcome == "expired" else 120)
    project = begin(new_real, "claude", permissions="ask", times=times)
    asked = project.wait_event(ev.QuestionAsked, "the question")
    assert "hello.txt" in asked.text
    assert not wrote(project)
    if outcome == "granted":
        project.loops("approve", "one")
    elif outcome == "denied":
        project.loops("deny", "one", "--reason", "use the other file")
    assert project.wait_event(ev.QuestionEnded, "its end").outcome == outcome
    project.wait_event(ev.TurnCompleted, "the end of the turn")
    assert wrote(project) == (outcome == "granted")


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_a_killed_agent_goes_on_in_its_conversation(new_real: NewReal, victim: str) -> None:
    project = begin(new_real, "claude")
    turns(project, 1)
    before = project.wait_event(ev.SessionStarting, "the first start").fresh_id
    os.kill(project.program("one") if victim == "program" else project.runner("one"), signal.SIGKILL)
    again = project.wait_event(ev.SessionStarting, "a second start", lambda event: event.incarnation == 2)
    assert again.conversation == before
    turns(project, 2)
    assert "this conversation goes on" in prompts(project)[1]
    assert not project.events(ev.ConversationDropped)


def test_a_conversation_that_is_lost_is_begun_afresh_once_and_it_is_said(new_real: NewReal) -> None:
    project = begin(new_real, "claude")
    turns(project, 1)
    project.loops("down", "one")
    shutil.rmtree(project.log_dir / "state" / "homes" / "one" / ".claude" / "projects")
    project.loops("up", "one")
    dropped = project.wait_event(ev.ConversationDropped, "the conversation given up")
    assert dropped.rule == "resume-failed"
    turns(project, 2)
    assert "could not be resumed" in project.complaints


def test_an_agent_that_may_only_read_writes_nothing_and_is_never_asked(new_real: NewReal) -> None:
    project = begin(new_real, "claude", permissions="read")
    project.wait_event(ev.TurnCompleted, "the end of the turn")
    assert not wrote(project)
    assert project.events(ev.QuestionAsked) == []
