"""Holds: limits that end by themselves, providers that are away, and blocks that somebody outside must lift."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain_world import BUILDER, HOUR, MINUTE, World, project, with_agents
from hypothesis import given
from hypothesis import strategies as st
from loops.agents import port
from loops.config.model import Backend
from loops.supervisor import events as ev
from loops.supervisor import table
from loops.supervisor.action import End, Send, Start
from loops.supervisor.remedies import REMEDIES
from loops.supervisor.state import Life, NudgeKind, Turn

AUTH = port.Blocked("auth", "Invalid API key · Please run /login")


def working(**watchdog: object) -> World:
    world = World(project(BUILDER, **watchdog))
    world.now += 1.0
    world.works("builder")
    world.now += 5.0
    return world


def blocked(signal: port.Blocked = AUTH) -> World:
    world = working()
    world.says("builder", port.TurnEnded(failed=True), signal)
    return world


def hold(world: World) -> str:
    found = world.agent("builder").hold
    return found.kind if found is not None else ""


# ---- blocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(REMEDIES))
def test_a_block_has_its_name_a_notice_and_a_remedy(kind: str):
    world = blocked(port.Blocked(kind, "no"))
    assert hold(world) == kind
    assert world.notices() == ["builder: no"]
    row = table.rows(world.state, world.now)[0]
    assert (row.state, row.hold) == ("BLOCKED", kind)
    assert row.doing.startswith(f"{kind}: ")


def test_the_remedy_names_the_command_of_the_backends_own_login():
    base = project(BUILDER)
    world = World(replace(base, backends={"coder": Backend("coder", adapter="claude", supports_resume=True)}))
    world.works("builder")
    world.says("builder", AUTH)
    doing = table.rows(world.state, world.now)[0].doing
    assert doing == "auth: log in with `claude /login`, then `loops nudge builder go on`"


def test_a_kind_of_a_later_backend_is_a_block_all_the_same():
    assert hold(blocked(port.Blocked("of a later day", "no"))) == "other"


def test_a_blocked_agent_is_not_nudged_and_is_probed_once_an_hour():
    world = blocked()
    world.claims()
    world.tick(3 * HOUR + MINUTE)
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.PROBE]
    world.takes("builder")
    world.now += 1
    world.says("builder", port.TurnEnded(failed=True), AUTH)
    world.tick(HOUR + MINUTE)
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.PROBE] * 2
    assert len(world.notices()) == 1


def test_a_failed_turn_proves_nothing_and_a_turn_that_goes_through_ends_the_block():
    world = blocked()
    world.now += 5
    world.says("builder", port.TurnStarted(), port.TurnEnded(failed=True))
    assert hold(world) == "auth"
    world.says("builder", port.TurnStarted(), port.TurnEnded())
    assert hold(world) == ""
    assert world.happened(ev.HoldEnded)[-1].rule == "unblocked"


def test_the_operators_message_ends_a_block_at_once_and_is_brought():
    world = blocked()
    world.told("nudge", "builder", detail="go on")
    assert hold(world) == ""
    assert [n.text for n in world.sent("builder")] == ["go on"]


def test_the_operators_message_ends_no_limit():
    world = working()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.told("nudge", "builder", detail="go on")
    assert hold(world) == "limit"
    assert not world.sent("builder")


def test_down_and_up_end_a_block():
    world = blocked()
    world.told("down", "builder")
    world.told("up", "builder")
    assert hold(world) == ""
    assert world.life("builder") is Life.RUNNING


def test_an_edit_of_the_agents_own_entry_starts_it_with_what_the_file_says_now():
    world = blocked(port.Blocked("model_not_found", "no such model"))
    world.edit(with_agents(world.config, builder={"model": "large"}))
    assert hold(world) == ""
    assert world.agent("builder").model == "large"
    assert world.rules("builder").count("reconfigured") == 2


def test_an_edit_of_something_else_ends_no_block():
    world = World(project())
    world.works("builder")
    world.says("builder", AUTH)
    world.edit(with_agents(world.config, adversary={"model": "large"}))
    assert hold(world) == "auth"


def test_a_blocked_agent_that_ends_is_started_again_as_the_probe():
    world = blocked()
    world.exits("builder", code=1)
    world.tick(50 * MINUTE)
    assert world.life("builder") is Life.BACKOFF
    world.tick(11 * MINUTE)
    assert world.starts("builder") == 2


# ---- providers ---------------------------------------------------------------------------------------------------------


def test_a_provider_that_is_away_is_named_from_the_first_retry_while_the_agent_tries_by_itself():
    world = working()
    world.says("builder", port.ProviderUnavailable("529 overloaded"))
    assert hold(world) == "provider"
    assert world.agent("builder").turn is Turn.WORKING
    row = table.rows(world.state, world.now)[0]
    assert (row.state, row.hold) == ("PROVIDER", "provider_unavailable")
    assert row.doing.startswith("tries again by itself since ")
    world.told("nudge", "builder", detail="hello")
    world.tick(20 * MINUTE)
    assert not world.acted(Send)
    assert not world.acted(End)


def test_the_same_turns_success_ends_it():
    world = working()
    world.says("builder", port.ProviderUnavailable("529"))
    world.now += 10
    world.says("builder", port.TurnEnded())
    assert hold(world) == ""
    assert not world.acted(Send)


def test_the_same_turns_failure_does_not_and_one_probe_follows():
    world = working()
    world.says("builder", port.ProviderUnavailable("529"))
    world.now += 10
    world.says("builder", port.TurnEnded(failed=True), port.ProviderUnavailable("529"))
    assert hold(world) == "provider"
    world.tick(MINUTE)
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.PROBE]


def hang(world: World) -> None:
    """The turn under way, or the one that the restart begins, hangs until it is ended."""
    before = len(world.acted(End, "builder"))
    world.works("builder")
    world.tick(world.config.watchdog.hang_after + MINUTE)
    assert len(world.acted(End, "builder")) == before + 1


def test_two_hangs_in_a_row_without_a_word_of_the_model_are_the_providers_fault():
    world = working()
    hang(world)
    assert hold(world) == ""
    world.works("builder")
    world.tick(world.config.watchdog.hang_after + 1)
    assert world.rules("builder").count("provider-silent") == 1
    assert hold(world) == "provider"
    assert world.life("builder") is Life.BACKOFF
    world.tick(MINUTE)
    assert world.life("builder") is Life.RUNNING


def test_the_pauses_after_further_hangs_grow():
    world = working()
    for _ in range(6):
        hang(world)
    pauses = [e.until - e.at for e in world.happened(ev.HoldBegan) if e.rule == "provider-silent"]
    assert pauses == [15.0, 30.0, 60.0, 120.0, 240.0]
    assert len([n for n in world.notices() if "growing pauses" in n]) == 1


def test_a_word_of_the_model_between_two_hangs_clears_the_provider():
    world = working()
    hang(world)
    world.works("builder")
    world.says("builder", port.UsageReported(10, 1))
    hang(world)
    assert "provider-silent" not in world.rules("builder")


# ---- a backend that goes on by itself ------------------------------------------------------------------------------------

resets = st.floats(60.0, 5 * HOUR)


@given(resets, st.floats(0.0, 44.0), st.floats(1.0, 2 * HOUR), st.booleans())
def test_a_backend_that_resumes_by_itself_after_a_limit_is_not_nudged(
    reset: float, late: float, length: float, named: bool
):
    """It starts a turn of its own within the slack; whether that is told by an event or by the screen is the same."""
    world = working()
    world.says("builder", port.LimitReached("limit", world.now + reset, structured=True))
    world.tick(reset + late)
    world.says("builder", port.TurnStarted() if named else port.Working())
    for _ in range(int(length // 300)):
        world.tick(300.0)
        world.says("builder", port.Working())
    world.tick(length % 300)
    world.says("builder", port.TurnEnded(world.now + HOUR))
    world.tick(HOUR)
    assert hold(world) == ""
    assert not world.acted(Send)
    assert len(world.acted(Start)) == 1


@given(resets, st.floats(0.0, 1200.0))
def test_one_that_tries_again_in_the_same_turn_at_the_reset_is_not_nudged(reset: float, late: float):
    world = working()
    world.says("builder", port.LimitReached("limit", world.now + reset, structured=True, retries=True))
    assert world.agent("builder").turn is Turn.WORKING
    world.claims()
    world.tick(reset + late)
    assert not world.acted(Send)
    assert not world.acted(End)
    world.says("builder", port.TurnEnded(world.now + HOUR))
    assert hold(world) == ""
    assert world.happened(ev.HoldEnded)[-1].why == "a turn went through"


def test_one_that_says_it_would_and_does_not_is_ended_as_any_hang():
    world = working()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True, retries=True))
    world.tick(2 * HOUR)
    assert world.rules("builder").count("hang") == 1


@pytest.mark.parametrize("signal", [port.ProviderUnavailable("reset by peer"), port.Blocked("other", "cut off")])
def test_what_an_agent_says_of_a_turn_that_its_end_cut_off_holds_nothing_back(signal: port.Signal):
    world = World(project(BUILDER))
    world.works("builder")
    world.ends = False
    world.told("down", "builder")
    world.says("builder", port.TurnEnded(failed=True), signal)
    assert world.agent("builder").life is Life.ENDING
    assert world.agent("builder").hold is None
