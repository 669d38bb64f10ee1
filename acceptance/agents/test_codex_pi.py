"""codex and pi through the engine, headless: what holds for both of them.  Each test has its own project and room."""

from __future__ import annotations

import os
import signal

import pytest
from loops.supervisor import events as ev
from one_agent import NewReal, begin, conversations, sent, turns, worked, wrote
from real_project import RealProject, Times

PROMPTS = {"codex": "turn/start", "pi": "prompt"}


@pytest.fixture(params=("codex", "pi"))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def prompts(project: RealProject) -> list[str]:
    """Every message that began a turn."""
    found = []
    for message in sent(project):
        if message.get("method") == "turn/start":
            found.append(message["params"]["input"][0]["text"].strip())
        elif message.get("type") == "prompt":
            found.append(message["message"].strip())
    return found


def test_a_turn_is_driven_to_its_end_and_its_conversation_is_known(new_real: NewReal, backend: str) -> None:
    project = worked(new_real, backend)
    assert wrote(project)
    assert prompts(project)[0].endswith("Write the greeting file.")
    ((how, conversation),) = conversations(project)
    assert how == "started"
    assert project.wait_event(ev.ConversationKnown, "the conversation").conversation == conversation
    used = project.wait_event(ev.UsageUpdated, "tokens of the first request")
    assert (used.input_tokens, used.cached_tokens, used.output_tokens) == (1200, 1000, 34)
    assert b"MOCK-DONE" in project.log("one")


def test_a_nudge_is_a_message_of_the_protocol(new_real: NewReal, backend: str) -> None:
    project = worked(new_real, backend)
    project.loops("nudge", "one", "look at the second file")
    delivered = project.wait_event(ev.NudgeDelivered, "the nudge")
    turns(project, 2)
    assert "look at the second file" in prompts(project)[1]
    assert any(turn.nudge == delivered.id for turn in project.events(ev.TurnStarted))


def test_nudges_that_come_while_a_turn_runs_wait_for_its_end(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, scenario="slow")
    project.wait_event(ev.TurnStarted, "the first turn")
    project.loops("nudge", "one", "the second thing")
    turns(project, 2)
    assert [len(prompts(project)), len(project.events(ev.NudgeDelivered))] == [2, 1]


def test_what_was_approved_is_done(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, permissions="ask")
    asked = project.wait_event(ev.QuestionAsked, "the question")
    assert "hello.txt" in asked.text
    assert not wrote(project)
    project.loops("approve", "one")
    turns(project, 1)
    assert wrote(project)
    assert project.wait_event(ev.QuestionEnded, "its end").outcome == "granted"


def test_what_was_denied_is_not_done_and_the_agent_hears_why(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, permissions="ask")
    project.wait_event(ev.QuestionAsked, "the question")
    project.loops("deny", "one", "--reason", "use the other file")
    turns(project, 1)
    assert not wrote(project)
    assert [event.outcome for event in project.events(ev.QuestionEnded)] == ["denied"]
    assert not project.events(ev.HoldBegan), "nobody is held back for what a person has denied"
    said = [event["data"].get("text", "") for event in project.normalized("one") if event["type"] == "message.user"]
    assert any("use the other file" in text for text in said)
    assert len(project.events(ev.TurnStarted)) == 1, "the reason is a word into the turn, no turn of its own"


def test_a_question_that_nobody_answers_expires_and_refuses(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, permissions="ask", times=Times(approval_timeout=1))
    ended = project.wait_event(ev.QuestionEnded, "the end of the question")
    assert ended.outcome == "expired"
    turns(project, 1)
    assert not wrote(project)


def test_an_agent_that_may_only_read_writes_nothing_and_is_never_asked(new_real: NewReal, backend: str) -> None:
    project = worked(new_real, backend, permissions="read")
    assert not wrote(project)
    assert project.events(ev.QuestionAsked) == []


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_a_killed_agent_goes_on_in_its_conversation(new_real: NewReal, backend: str, victim: str) -> None:
    project = worked(new_real, backend)
    ((_, conversation),) = conversations(project)
    os.kill(getattr(project, victim)("one"), signal.SIGKILL)
    project.wait_event(ev.SessionStarting, "a second start", lambda event: event.incarnation == 2)
    project.wait_for(lambda: len(conversations(project)) == 2, "the second run's conversation")
    assert conversations(project)[1] == ("resumed", conversation)
    project.loops("nudge", "one", "go on")
    project.wait_event(ev.NudgeDelivered, "the nudge")
    project.wait_for(lambda: any("go on" in text for text in prompts(project)), "the nudge as a message")


def test_a_killed_supervisor_is_missed_by_nobody(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, scenario="slow")
    project.wait_event(ev.TurnStarted, "the first turn")
    before = project.wait_for(lambda: project.supervisor, "a supervisor that answers")
    os.kill(before, signal.SIGKILL)
    project.wait_for(lambda: project.supervisor not in (0, before), "another supervisor")
    turns(project, 1)
    assert wrote(project)
    assert len(project.events(ev.SessionStarting)) == 1, "the agent was not started again"
    project.loops("nudge", "one", "go on")
    turns(project, 2)


def test_a_conversation_that_is_lost_is_begun_afresh_once_and_it_is_said(new_real: NewReal, backend: str) -> None:
    project = worked(new_real, backend)
    ((_, conversation),) = conversations(project)
    project.loops("down", "one")
    for kept in project.log_dir.glob(f"state/homes/one/**/*{conversation}*"):
        kept.unlink()
    for kept in project.log_dir.glob("state/homes/one/.codex/*.sqlite*"):
        kept.unlink()
    project.loops("up", "one")
    dropped = project.wait_event(ev.ConversationDropped, "the conversation given up")
    assert (dropped.conversation, dropped.rule) == (conversation, "resume-failed")
    project.wait_for(lambda: len(conversations(project)) == 2, "a fresh conversation")
    how, fresh = conversations(project)[1]
    assert how == "started"
    assert fresh != conversation
    turns(project, 2)
    assert "could not be resumed" in project.complaints


def test_another_model_takes_effect_in_the_resumed_conversation(new_real: NewReal, backend: str) -> None:
    project = worked(new_real, backend)
    ((_, conversation),) = conversations(project)
    project.loops("down", "one")
    other = "other-model" if backend == "codex" else "mock/other-model"
    project.loops("up", "one", "--model", other)
    project.wait_for(lambda: len(conversations(project)) == 2, "the resumed conversation")
    assert conversations(project)[1] == ("resumed", conversation)
    project.loops("nudge", "one", "go on")
    turns(project, 2)
    assert project.provider.requests(backend)[-1]["model"] == "other-model"


def test_nobody_at_the_provider_is_told_and_ends_when_somebody_is(new_real: NewReal, backend: str) -> None:
    project = begin(new_real, backend, scenario="e500")
    hold = project.wait_event(ev.HoldBegan, "a hold")
    assert hold.kind == "provider"
    project.provider.control(backend, "ok")
    project.wait_event(ev.HoldEnded, "the end of the hold")
    project.wait_for(lambda: wrote(project), "the work done")
