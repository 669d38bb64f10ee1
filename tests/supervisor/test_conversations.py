"""Which conversation is the agent's, and what happens when it is not there, or somebody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain_world import HOUR, World, project
from loops.agents import port
from loops.config.model import Backend
from loops.supervisor import events as ev
from loops.supervisor.state import Life

GONE = port.Fatal("No conversation found", resume=True)


def resumed() -> World:
    """The Builder's session was killed and resumes its conversation."""
    world = World()
    world.says("builder", port.ConversationNamed("c1"), port.TurnStarted(), port.TurnEnded())
    world.tick(120)
    world.exits("builder", signal=9)
    assert world.happened(ev.SessionStarting, "builder")[-1].conversation == "c1"
    return world


def last_start(world: World) -> ev.SessionStarting:
    found: ev.SessionStarting = world.happened(ev.SessionStarting, "builder")[-1]
    return found


@pytest.mark.parametrize(("adapter", "ours"), [("claude", True), ("codex", False), ("opencode", False), ("pi", False)])
def test_only_a_backend_that_takes_an_id_of_our_choice_can_be_resumed_before_it_has_named_one(adapter: str, ours: bool):
    world = World(replace(project(), backends={"coder": Backend("coder", adapter=adapter, supports_resume=True)}))
    first = last_start(world).fresh_id
    assert bool(first) is ours
    world.exits("builder", code=1)
    world.tick(120)
    assert world.starts("builder") == 2
    assert last_start(world).conversation == first


def test_an_id_that_the_backend_chose_by_itself_is_journaled_and_resumed():
    world = resumed()
    assert [e.conversation for e in world.happened(ev.ConversationKnown)] == ["c1"]


def test_a_conversation_that_is_not_there_is_said_and_one_fresh_start_with_the_kickoff_follows():
    world = resumed()
    world.says("builder", GONE)
    world.tick(1)
    assert world.happened(ev.ConversationDropped)[-1].rule == "resume-failed"
    assert any("started afresh" in notice for notice in world.notices())
    assert (last_start(world).conversation, last_start(world).kickoff) == ("", "kickoff")
    assert last_start(world).fresh_id


def test_two_failed_resumes_without_a_turn_between_are_no_two_fresh_starts_in_a_row():
    world = resumed()
    world.says("builder", GONE)
    world.tick(1)
    starts = world.starts("builder")
    world.exits("builder", code=1)
    world.tick(10)
    world.says("builder", GONE)
    world.tick(60)
    assert world.starts("builder") == starts + 1
    assert world.life("builder") is Life.BACKOFF
    held = world.agent("builder").hold
    assert held is not None
    assert held.kind == "other"
    world.tick(HOUR)
    assert world.life("builder") is Life.RUNNING


def test_a_turn_between_makes_the_next_one_a_first_one():
    world = resumed()
    world.says("builder", GONE)
    world.tick(1)
    world.works("builder")
    world.tick(120)
    world.exits("builder", signal=9)
    world.says("builder", GONE)
    world.tick(30)
    assert world.agent("builder").hold is None
    assert world.life("builder") is Life.RUNNING


def test_another_id_than_the_one_to_resume_is_said_and_used_from_now_on():
    world = resumed()
    world.says("builder", port.ConversationNamed("c2"))
    said = world.happened(ev.ConversationChanged)[0]
    assert (said.asked, said.conversation) == ("c1", "c2")
    assert any("goes by c2" in notice for notice in world.notices())
    world.works("builder")
    world.tick(120)
    world.exits("builder", signal=9)
    assert last_start(world).conversation == "c2"


def test_a_conversation_that_is_another_agents_is_refused_and_a_fresh_one_begun():
    world = World()
    world.says("builder", port.ConversationNamed("c1"))
    world.says("adversary", port.ConversationNamed("c1"))
    refused = world.happened(ev.ConversationRefused)[0]
    assert (refused.agent, refused.owner) == ("adversary", "builder")
    world.tick(1)
    assert world.happened(ev.SessionStarting, "adversary")[-1].conversation == ""
    assert world.agent("adversary").conversation != "c1"


def test_also_one_that_the_other_agent_has_long_left():
    world = World()
    world.says("builder", port.ConversationNamed("c1"), port.ConversationNamed("c2"))
    world.crash()
    world.says("adversary", port.ConversationNamed("c1"))
    assert world.happened(ev.ConversationRefused)
