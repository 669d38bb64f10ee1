"""Approvals: an agent waits, a person answers, and each outcome is its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain_world import BUILDER, HOUR, START, World, agent, project
from loops.agents import port
from loops.config.model import Kind
from loops.supervisor import approvals, table
from loops.supervisor import events as ev
from loops.supervisor.action import Answer, End, Send
from loops.supervisor.explain import sentence
from loops.supervisor.state import Life

A1 = "builder.1-a1"


def asking(*ids: str) -> World:
    world = World(project(BUILDER, replace(BUILDER, name="adversary")))
    world.works("builder")
    for id in ids or (A1,):
        world.says("builder", port.ApprovalAsked(id, "Bash: rm -rf build"))
    return world


def test_a_waiting_approval_is_noticed_once_and_shown_with_the_way_to_answer_it():
    world = asking()
    world.says("builder", port.ApprovalAsked(A1, "Bash: rm -rf build"))
    assert len([n for n in world.notices() if "loops approve builder.1-a1" in n]) == 1
    row = table.rows(world.state, world.now)[0]
    assert (row.state, row.doing) == ("ASKS", "approval: Bash: rm -rf build (loops approve builder.1-a1)")


@pytest.mark.parametrize(("verb", "allow"), [("approve", True), ("deny", False)])
def test_an_answer_is_journaled_with_who_gave_it_then_brought_to_the_agent(verb: str, allow: bool):
    world = asking()
    world.told(verb, "builder", approval=A1, detail="because")
    said = world.happened(ev.ApprovalAnswered)[0]
    assert (said.id, said.allow, said.by, said.reason) == (A1, allow, "human", "because")
    assert world.acted(Answer) == [Answer("builder", 1, A1, allow, "because")]
    outcome = "granted" if allow else "denied"
    world.says("builder", port.ApprovalEnded(A1, outcome))
    ended = world.happened(ev.QuestionEnded)[-1]
    assert (ended.outcome, ended.by, ended.reason) == (outcome, "human", "because")
    assert not world.agent("builder").approvals


@pytest.mark.parametrize(("verb", "held"), [("deny", False), ("", True)], ids=["by a person", "by a policy"])
def test_a_turn_of_which_everything_was_denied_blocks_the_agent_unless_a_person_did_it(verb: str, held: bool):
    world = asking()
    if verb:
        world.told(verb, "builder", approval=A1)
    world.says("builder", port.ApprovalEnded(A1, "denied"))
    world.says("builder", port.TurnEnded(failed=True), port.Blocked("denied", "every action was denied"))
    assert (world.agent("builder").hold is not None) == held


def test_an_answer_is_taken_once():
    world = asking()
    world.told("approve", "builder", approval=A1)
    world.told("deny", "builder", approval=A1)
    assert [a.allow for a in world.acted(Answer)] == [True]


def test_a_supervisor_that_was_killed_at_the_answer_brings_it_again_and_the_same():
    world = asking()
    world.told("approve", "builder", approval=A1, detail="yes")
    world.crash()
    world.begin()
    assert world.acted(Answer) == [Answer("builder", 1, A1, True, "yes")] * 2


def test_an_answer_that_the_agent_took_up_is_not_brought_again():
    world = asking()
    world.told("approve", "builder", approval=A1)
    world.says("builder", port.ApprovalEnded(A1, "granted"))
    world.crash()
    world.begin()
    assert len(world.acted(Answer)) == 1


@pytest.mark.parametrize(
    ("outcome", "words"), [("granted", "was granted"), ("denied", "was denied"), ("expired", "nobody answered in time")]
)
def test_each_outcome_is_its_own_and_explained(outcome: str, words: str):
    world = asking()
    world.says("builder", port.ApprovalEnded(A1, outcome))
    ended = world.happened(ev.QuestionEnded)[-1]
    assert ended.outcome == outcome
    assert words in sentence(ended)


def test_several_approvals_at_once_wait_side_by_side():
    world = asking(A1, "builder.1-a2")
    world.told("approve", "builder", approval="builder.1-a2")
    assert [a.id for _, a in approvals.waiting(world.state)] == [A1]
    assert world.agent("builder").asks


def test_an_agent_that_waits_for_an_approval_neither_hangs_nor_stalls_nor_is_nudged():
    world = asking()
    world.told("nudge", "builder", detail="hello")
    world.tick(5 * HOUR)
    assert world.life("builder") is Life.RUNNING
    assert not world.acted(Send, "builder")
    assert not world.acted(End, "builder")


def test_the_silence_before_the_answer_does_not_count_after_it():
    world = asking()
    world.tick(5 * HOUR)
    world.told("approve", "builder", approval=A1)
    world.tick(60)
    assert not world.acted(End, "builder")


def test_an_approval_ends_with_its_session():
    world = asking()
    world.exits("builder", signal=9)
    assert [e.outcome for e in world.happened(ev.QuestionEnded)] == ["ended"]
    assert not world.agent("builder").approvals


def test_it_expires_after_the_configured_time():
    world = World(project(BUILDER, approval_timeout=600.0))
    world.works("builder")
    world.says("builder", port.ApprovalAsked(A1, "x"))
    assert world.agent("builder").approvals[0].expires == START + 600.0


# ---- ids -----------------------------------------------------------------------------------------------------------------


def two_asking() -> World:
    world = World(project(BUILDER, agent("orchestrator", Kind.PERSISTENT)))
    world.works("builder", "orchestrator")
    world.says("builder", port.ApprovalAsked("builder.1-a1", "x"), port.ApprovalAsked("builder.1-a12", "y"))
    world.says("orchestrator", port.ApprovalAsked("orchestrator.1-a1", "z"))
    return world


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("builder.1-a1", "builder.1-a1"),
        ("a12", "builder.1-a12"),
        ("1-a12", "builder.1-a12"),
        ("orchestrator", "orchestrator.1-a1"),
    ],
)
def test_a_short_form_that_is_unique_may_be_typed(typed: str, found: str):
    pair = approvals.find(two_asking().state, typed)
    assert not isinstance(pair, str)
    assert pair[1].id == found


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("a1", "'a1' is short for builder.1-a1, orchestrator.1-a1: name one of them"),
        ("builder", "is short for builder.1-a1, builder.1-a12"),
        ("a9", "was answered, has expired, or never was; waiting: builder.1-a1, builder.1-a12, orchestrator.1-a1"),
        ("", "no approval ''"),
    ],
)
def test_other_words_are_refused_with_the_open_ids(typed: str, complaint: str):
    said = approvals.find(two_asking().state, typed)
    assert isinstance(said, str)
    assert complaint in said


def test_one_that_is_answered_already_is_told_so():
    world = asking()
    world.told("deny", "builder", approval=A1)
    assert "already answered (denied by human)" in str(approvals.find(world.state, "a1"))
