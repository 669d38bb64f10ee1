"""A project in one line: what runs, what is wrong, and the one thing that is waited for most urgently."""

from __future__ import annotations

from dataclasses import asdict, replace

from brain_world import ADVERSARY, BUILDER, HOUR, LOGS, MINUTE, World, project
from loops.agents import port
from loops.supervisor.state import State
from loops.supervisor.summary import Summary, summary


def told(world: World) -> Summary:
    return summary(world.state, world.now)


def test_a_project_that_works_waits_for_nothing_since_its_phase_began() -> None:
    world = World(project(BUILDER, ADVERSARY, LOGS))
    world.works("builder", "adversary")
    world.tick(5 * MINUTE)

    found = told(world)

    assert (found.up, found.running, found.agents) == (True, 3, 3)
    assert (found.agent, found.what, found.wrong) == ("", "", {})
    assert found.since >= 5 * MINUTE


def test_a_limit_is_waited_for_since_it_was_met_first() -> None:
    world = World(project(BUILDER, ADVERSARY, LOGS))
    world.works("builder", "adversary")
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.tick(10 * MINUTE)

    found = told(world)

    assert found.agent == "builder"
    assert found.wrong == {"LIMIT": 1}
    assert found.running == 3
    assert 10 * MINUTE <= found.since < 11 * MINUTE


def test_who_asks_comes_before_who_waits_out_a_limit() -> None:
    world = World(project(BUILDER, ADVERSARY, LOGS))
    world.works("builder", "adversary")
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.tick(MINUTE)
    world.says("adversary", port.ApprovalAsked("a1", "rm -rf build"))

    found = told(world)

    assert found.agent == "adversary"
    assert "rm -rf build" in found.what
    assert found.wrong == {"ASKS": 1, "LIMIT": 1}
    assert list(found.wrong) == ["ASKS", "LIMIT"]


def test_a_disabled_agent_that_does_not_run_does_not_count() -> None:
    world = World(project(BUILDER, replace(ADVERSARY, enabled=False), LOGS))
    world.works("builder")

    found = told(world)

    assert (found.running, found.agents) == (2, 2)


def test_a_refused_edit_is_what_is_left_to_be_said() -> None:
    world = World(project(BUILDER, LOGS))
    world.works("builder")
    state = replace(world.state, refused_config="digest")

    assert "refused" in summary(state, world.now).what


def test_tokens_are_those_of_all_agents() -> None:
    world = World(project(BUILDER, ADVERSARY))
    world.works("builder", "adversary")
    world.says("builder", port.UsageReported(100, 20, None))
    world.says("adversary", port.UsageReported(3, 4, None))

    assert told(world).tokens == 127


def test_a_project_that_was_never_up_is_summed_up_too() -> None:
    found = summary(State(), 1000.0)

    assert asdict(found)["agents"] == 0
    assert (found.up, found.since) == (False, 0.0)
