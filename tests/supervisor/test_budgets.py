"""Budgets of an agent, a phase and the project: what counts, who is stopped, and how they go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain_world import (
    ADVERSARY,
    BUILDER,
    DAY,
    HOUR,
    LOGS,
    MINUTE,
    ORCHESTRATOR,
    PHASE_1,
    PHASE_2,
    START,
    World,
    project,
)
from hypothesis import given
from hypothesis import strategies as st
from loops.agents import port
from loops.config.model import Budget, Config, Watch
from loops.supervisor import events as ev
from loops.supervisor import table
from loops.supervisor.action import End, Send
from loops.supervisor.state import Life

TEAM = (BUILDER, ADVERSARY, ORCHESTRATOR, LOGS)
MEMBERS = ("builder", "adversary", "orchestrator")


def own(**limits: float) -> Config:
    return project(replace(BUILDER, budget=Budget(**limits)), ADVERSARY)  # type: ignore[arg-type]


def shared(**limits: float) -> Config:
    return project(*TEAM, budget=Budget(**limits))  # type: ignore[arg-type]


def of_phase(**limits: float) -> Config:
    return project(*TEAM, phases=(replace(PHASE_1, budget=Budget(**limits)), PHASE_2))  # type: ignore[arg-type]


def uses(world: World, name: str, tokens: int, usd: float | None = None) -> None:
    world.says(name, port.UsageReported(tokens, 0, usd))


def stopped(world: World) -> set[str]:
    return {name for name, agent in world.state.agents.items() if agent.over is not None}


# ---- who is stopped, and what is said ------------------------------------------------------------------------------------


def test_at_its_own_limit_an_agent_is_ended_politely_and_told_with_the_budgets_name():
    world = World(own(tokens=100))
    world.works("builder")
    uses(world, "builder", 110)
    assert world.life("builder") is Life.OFF
    assert world.life("adversary") is Life.RUNNING
    exceeded = world.happened(ev.BudgetExceeded)[0]
    assert (exceeded.scope, exceeded.measure, exceeded.limit) == ("agent", "tokens", 100)
    assert world.acted(End)[0].grace == world.config.watchdog.stop_grace
    assert "its budget is used up: 110 tokens" in world.notices()[-1]
    assert table.rows(world.state, world.now)[0].state == "OVER BUDGET"


def test_money_counts_as_far_as_it_is_known():
    world = World(own(usd=1.0))
    world.works("builder")
    uses(world, "builder", 10**9, None)
    assert not stopped(world)
    uses(world, "builder", 1, 1.0)
    assert stopped(world) == {"builder"}


def test_the_projects_budget_stops_every_agent_and_no_service():
    world = World(shared(tokens=1000))
    uses(world, "builder", 600)
    uses(world, "adversary", 400)
    assert stopped(world) == set(MEMBERS)
    assert world.life("cleanlogs") is Life.RUNNING
    assert len([n for n in world.notices() if "budget" in n]) == 1


def test_a_phases_budget_stops_the_loop_agents_alone():
    world = World(of_phase(tokens=1000))
    uses(world, "orchestrator", 5000)
    assert not stopped(world)
    uses(world, "builder", 700)
    uses(world, "adversary", 300)
    assert stopped(world) == {"builder", "adversary"}
    assert world.life("orchestrator") is Life.RUNNING


def test_nothing_is_typed_into_an_agent_whose_next_turn_would_reach_the_limit():
    world = World(own(tokens=1000))
    world.works("builder")
    uses(world, "builder", 450)
    world.says("builder", port.TurnEnded())
    uses(world, "builder", 100)
    assert not stopped(world)
    uses(world, "builder", 350)
    world.told("nudge", "builder", detail="more")
    assert stopped(world) == {"builder"}
    assert not world.acted(Send, "builder")
    assert "operator" in world.waiting("builder")


# ---- what is in flight ---------------------------------------------------------------------------------------------------

sizes = st.tuples(*[st.integers(1, 500)] * 3)
steps = st.lists(st.tuples(st.sampled_from(MEMBERS), st.booleans()), max_size=200)


@given(sizes, st.integers(2, 20), steps)
def test_several_agents_at_once_do_not_overrun_a_budget(
    size: tuple[int, int, int], rounds: int, order: list[tuple[str, bool]]
):
    """Each works in requests of one size; once each has made its first, the sum never passes the limit."""
    limit = sum(size) * rounds
    each = dict(zip(MEMBERS, size, strict=True))
    world = World(shared(tokens=limit))
    world.works(*MEMBERS)
    for name, turn_ends in [(name, False) for name in MEMBERS] + order:
        if world.agent(name).over is not None:
            continue
        uses(world, name, each[name])
        if turn_ends and world.agent(name).runs:
            world.says(name, port.TurnEnded(), port.TurnStarted())
        spent = world.state.spent.tokens
        assert spent <= limit
        if stopped(world):
            assert stopped(world) == set(MEMBERS)
            assert spent + sum(size) >= limit, "stopped although all that was in flight had room"
            assert all(world.life(member) is Life.OFF for member in MEMBERS)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_one_agent_overruns_its_budget_by_one_request_at_most(requests: list[int]):
    world = World(own(tokens=1000))
    world.works("builder")
    for tokens in requests:
        before = world.state.spent.tokens
        if world.agent("builder").over is None:
            uses(world, "builder", tokens)
            assert before < 1000
    assert world.state.spent.tokens < 1000 + max(requests)


# ---- time ----------------------------------------------------------------------------------------------------------------


def test_time_is_up_to_the_second():
    world = World(project(replace(BUILDER, watch=Watch.HEAL, budget=Budget(wall=HOUR))))
    world.tick(2 * HOUR)
    assert [at for at, act in world.all if isinstance(act, End)] == [START + HOUR]
    assert world.happened(ev.BudgetExceeded)[0].measure == "wall"


@given(st.lists(st.tuples(st.floats(1.0, 1000.0), st.floats(0.0, 5000.0)), max_size=8))
def test_only_running_time_counts_for_an_agent(parts: list[tuple[float, float]]):
    world = World(own(wall=2000.0))
    ran = 0.0
    for run, pause in parts:
        before = world.now
        world.tick(run)
        if stopped(world):
            end = world.happened(ev.BudgetExceeded)[0].at
            assert ran + end - before == pytest.approx(2000.0, abs=0.01)
            return
        ran += run
        assert ran < 2000.01
        world.told("down", "builder")
        world.tick(pause)
        world.crash()
        world.begin()
        world.told("up", "builder")


def test_the_projects_time_runs_while_any_agent_runs():
    world = World(shared(wall=HOUR))
    world.tick(30 * MINUTE)
    world.told("down", "builder")
    world.tick(10 * MINUTE)
    world.told("down")
    world.tick(DAY)
    world.told("up")
    world.tick(19 * MINUTE)
    assert not stopped(world)
    world.tick(MINUTE)
    assert stopped(world) == set(MEMBERS)


def test_the_time_of_a_phase_goes_on_while_nothing_runs():
    world = World(of_phase(wall=HOUR))
    world.told("down")
    world.tick(59 * MINUTE)
    world.told("up")
    world.tick(59.0)
    assert not stopped(world)
    world.tick(1.0)
    assert stopped(world) == {"builder", "adversary"}


def test_the_time_in_which_the_machine_was_off_does_not_count():
    world = World(own(wall=HOUR))
    world.tick(10 * MINUTE)
    world.works("builder")
    world.now += DAY
    world.reboot()
    assert world.life("builder") is Life.RUNNING
    world.tick(49 * MINUTE)
    assert not stopped(world)


# ---- how they go on --------------------------------------------------------------------------------------------------------


def raised(config: Config, **limits: float) -> Config:
    watchdog = replace(config.watchdog, budget=Budget(**limits))  # type: ignore[arg-type]
    return replace(config, watchdog=watchdog, digest=config.digest + "+")


def test_a_raised_budget_lets_them_go_on_where_they_were():
    world = World(shared(tokens=1000))
    world.says("builder", port.ConversationNamed("c1"))
    world.works(*MEMBERS)
    uses(world, "builder", 1000)
    world.tick(DAY)
    world.edit(raised(world.config, tokens=1000))
    assert stopped(world) == set(MEMBERS)
    world.edit(raised(world.config, tokens=2000))
    assert not stopped(world)
    assert world.happened(ev.SessionStarting, "builder")[-1].conversation == "c1"
    uses(world, "adversary", 1000)
    assert stopped(world) == set(MEMBERS)


def test_a_budget_that_was_raised_too_little_lets_nobody_go_on():
    world = World(shared(tokens=1000))
    uses(world, "builder", 5000)
    world.edit(raised(world.config, tokens=4000))
    assert stopped(world) == set(MEMBERS)


def test_one_that_is_taken_out_of_the_file_lets_them_go_on():
    world = World(shared(tokens=1000))
    uses(world, "builder", 5000)
    world.edit(raised(world.config))
    assert not stopped(world)


def test_the_operators_up_grants_the_same_budget_once_more():
    world = World(own(tokens=1000))
    world.works("builder")
    uses(world, "builder", 1200)
    world.told("up", "builder")
    world.works("builder")
    uses(world, "builder", 400)
    assert not stopped(world)
    uses(world, "builder", 400)
    assert stopped(world) == {"builder"}


def test_another_agents_up_does_not_wake_one_that_is_over_its_own():
    world = World(own(tokens=1000))
    uses(world, "builder", 1200)
    world.told("up", "adversary")
    assert stopped(world) == {"builder"}


def test_a_new_phase_has_a_budget_of_its_own():
    world = World(of_phase(tokens=1000))
    uses(world, "builder", 1200)
    assert stopped(world) == {"builder", "adversary"}
    world.told("phase", detail="next")
    assert not stopped(world)
    assert world.life("builder") is Life.RUNNING
    assert world.agent("builder").phase == "2"


def test_a_crash_of_the_supervisor_forgets_no_budget():
    world = World(shared(tokens=1000))
    uses(world, "builder", 1200)
    world.crash()
    world.begin(up=True)
    assert stopped(world) == set(MEMBERS)
    assert world.life("builder") is Life.OFF
