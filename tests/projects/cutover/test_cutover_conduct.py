"""A cutover ends on one of the two sides, or says where it stopped; two supervisors never run at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cutover_world import BrokenOff, Pages, World, plan
from hypothesis import given
from hypothesis import strategies as st
from loops.projects.cutover.conduct import Answer, Conductor, Outcome
from loops.projects.cutover.plan import Command, Plan, Side, Step, decode, encode
from loops.projects.cutover.position import Course, Mark, Position

PLANS = st.builds(plan, unit=st.sampled_from(["", "live.service"]), unit_starts=st.booleans())
NUMBERS = st.frozensets(st.integers(0, 60), max_size=4)


def conductor(the_plan: Plan, world: World, pages: Pages | None = None) -> Conductor:
    return Conductor(the_plan, pages or Pages(), world, world)


def check_end(world: World, start: World, position: Position) -> None:
    assert not world.both
    match position.course:
        case Course.ARRIVED:
            assert world.standing.supervises == {Side.STAGED}
            assert world.standing.agents == {Side.STAGED}
        case Course.RETURNED:
            assert world.standing == start.standing
        case Course.STUCK:
            assert position.why.startswith("step ")
            assert position.done
        case _:
            raise AssertionError(f"it ended nowhere: {position}")


@given(PLANS)
def test_every_step_can_be_taken_back(the_plan: Plan) -> None:
    assert the_plan.irreversible() == ()
    assert all(step.back.checks for step in the_plan.steps if step.back.commands)


@given(PLANS)
def test_every_command_that_changes_something_has_a_check_after_it(the_plan: Plan) -> None:
    assert all(step.after for step in the_plan.steps)


@given(PLANS)
def test_forward_then_back_returns_to_the_start(the_plan: Plan) -> None:
    world, start, pages = World(), World(), Pages()

    there = conductor(the_plan, world, pages).forward()
    arrived = world.standing
    home = conductor(the_plan, world, pages).back(ask=False)

    assert there.course is Course.ARRIVED
    assert arrived.supervises == {Side.STAGED}
    assert home.course is Course.RETURNED
    assert world.standing == start.standing


@given(PLANS)
def test_a_plan_is_the_same_after_json(the_plan: Plan) -> None:
    assert decode(encode(the_plan)) == the_plan
    assert decode(encode(the_plan)).digest == the_plan.digest


@pytest.mark.parametrize("unit", ["", "live.service"])
@pytest.mark.parametrize("number", range(50))
def test_whatever_fails_on_the_way_there_it_comes_back(unit: str, number: int) -> None:
    world = World(fails=frozenset({number}))

    end = conductor(plan(unit=unit), world).forward()

    assert end.course in (Course.RETURNED, Course.ARRIVED)
    check_end(world, World(), end)


@given(PLANS, NUMBERS, NUMBERS, NUMBERS)
def test_whatever_fails_it_ends_on_a_side_or_says_where_it_stopped(
    the_plan: Plan, fails: frozenset[int], half: frozenset[int], returns: frozenset[int]
) -> None:
    world = World(fails=fails, half=half, returns=returns)

    end = conductor(the_plan, world).forward()

    check_end(world, World(), end)


@given(PLANS, NUMBERS, NUMBERS, st.lists(st.tuples(st.integers(0, 25), st.booleans(), st.booleans()), max_size=4))
def test_a_cutover_that_is_killed_anywhere_can_go_on_or_back(
    the_plan: Plan, fails: frozenset[int], returns: frozenset[int], kills: list[tuple[int, bool, bool]]
) -> None:
    world, pages = World(fails=fails, returns=returns), Pages()
    end = Position()
    for number, before, back in [*kills, (-1, False, True)]:
        world.breaks = world.count + number if before and number >= 0 else -1
        world.breaks_after = world.count + number if not before and number >= 0 else -1
        each = conductor(the_plan, world, pages)
        forward = each.position.course in (Course.NOWHERE, Course.FORWARD, Course.RETURNED) and not back
        try:
            end = each.forward() if forward or each.position.course is Course.NOWHERE else each.back(ask=False)
        except BrokenOff:
            assert not world.both
            continue

    check_end(world, World(), end)


def test_two_supervisors_are_kept_apart_right_before_the_start_not_by_order_alone() -> None:
    the_plan = plan()
    up = the_plan.steps[[step.id for step in the_plan.steps].index("up")]
    blind = replace(the_plan, steps=(replace(up, before=()),))
    world = World()

    end = conductor(blind, world).forward()

    assert not world.both
    assert "live side still lives" in next(e.detail for e in world_entries(blind) if e.mark is Mark.FAILED)
    assert end.course is Course.RETURNED


def world_entries(the_plan: Plan) -> list:  # type: ignore[type-arg]
    pages = Pages()
    conductor(the_plan, World(), pages).forward()
    return pages.entries


class Hesitant(World):
    """Says something else before one step."""

    def __init__(self, at: str, says: Answer) -> None:
        super().__init__()
        self.at, self.says = at, says

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        return self.says if step.id == self.at else Answer.YES


def test_no_leaves_things_as_they_are_and_a_later_run_goes_on() -> None:
    world, pages = Hesitant("up", Answer.NO), Pages()

    paused = conductor(plan(), world, pages).forward()
    standing = world.standing
    world.says = Answer.YES
    end = conductor(plan(), world, pages).forward()

    assert paused.course is Course.FORWARD
    assert paused.done[-1] == "boot"
    assert standing.agents == frozenset()
    assert end.course is Course.ARRIVED
    assert [e.step for e in pages.entries if e.mark is Mark.DONE] == [step.id for step in plan().steps]


def test_back_takes_back_what_was_done() -> None:
    world = Hesitant("up", Answer.BACK)

    end = conductor(plan(), world).forward()

    assert end.course is Course.RETURNED
    assert world.standing == World().standing


def test_a_live_side_that_came_back_during_an_interruption_turns_it_around() -> None:
    world, pages = Hesitant("up", Answer.NO), Pages()
    conductor(plan(unit=""), world, pages).forward()
    world.live = world.live_agents = True  # the machine was rebooted, and something started it
    world.says = Answer.YES

    end = conductor(plan(unit=""), world, pages).forward()

    assert not world.both
    assert end.course is Course.RETURNED
    assert world.standing.supervises == {Side.LIVE}


def test_what_no_longer_holds_is_seen_before_anybody_is_asked_to_go_on() -> None:
    world, pages = Hesitant("carry", Answer.NO), Pages()
    conductor(plan(unit=""), world, pages).forward()
    world.live = world.live_agents = True
    asked: list[str] = []
    world.ask = lambda step, *_, **__: asked.append(step.id) or Answer.YES  # type: ignore[method-assign,func-returns-value]

    end = conductor(plan(unit=""), world, pages).forward()

    assert end.course is Course.RETURNED
    assert asked == []


def test_a_live_side_that_runs_already_is_not_started_a_second_time() -> None:
    world, pages = Hesitant("carry", Answer.NO), Pages()
    conductor(plan(unit=""), world, pages).forward()
    world.live = world.live_agents = True

    end = conductor(plan(unit=""), world, pages).back(ask=False)

    assert end.course is Course.RETURNED
    assert not any("launch.py start" in entry.command for entry in pages.entries)


def test_the_record_has_an_intent_before_every_command_of_a_step() -> None:
    pages = Pages()
    the_plan = plan()

    conductor(the_plan, World(), pages).forward()

    acting = {str(command): step.id for step in the_plan.steps for command in step.commands}
    intended = ""
    for entry in pages.entries:
        if entry.mark is Mark.DOING:
            intended = entry.step
        if entry.mark is Mark.RAN and entry.command in acting:
            assert intended == acting[entry.command]


class Powerless(World):
    """Nobody may change units here."""

    def _do(self, words: tuple[str, ...]) -> int:
        return 1 if words[:1] == ("systemctl",) and "is-enabled" not in words else World._do(self, words)


def test_a_step_that_failed_before_it_did_anything_needs_no_command_to_be_taken_back() -> None:
    world, start = Powerless(), World()

    end = conductor(plan(), world).forward()

    assert end.course is Course.RETURNED
    assert world.standing == start.standing


def test_a_unit_that_starts_nothing_at_boot_is_found_while_the_live_side_runs() -> None:
    world, pages = World(live_unit=False), Pages()

    end = conductor(plan(), world, pages).forward()

    assert end.course is Course.RETURNED
    assert {entry.step for entry in pages.entries if entry.mark is Mark.DOING} == {"preflight"}
    assert "starts it at boot" in end.why


def test_a_staged_project_that_was_edited_on_the_way_is_not_started() -> None:
    class Edited(World):
        def _do(self, words: tuple[str, ...]) -> int:
            return 1 if words[:2] == ("loops", "parity") and self.carried else World._do(self, words)

    world, start, pages = Edited(), World(), Pages()

    end = conductor(plan(), world, pages).forward()

    assert end.course is Course.RETURNED
    assert world.standing == start.standing
    assert not any(entry.command.startswith("loops up") for entry in pages.entries)


def test_what_differs_is_named_and_not_only_counted() -> None:
    class Unequal(World):
        def run(self, command: Command) -> Outcome:
            if "parity" in command.words:
                return Outcome(
                    1, "CLASS  PLACE\nDIFFERENT  agent builder: model  a  b\nsame  x\n1\n2\n3\nNO PARITY: 1\n", 1.0
                )
            return World.run(self, command)

    end = conductor(plan(), Unequal()).forward()

    assert "DIFFERENT  agent builder: model  a  b / NO PARITY: 1" in end.why
