"""What goes over to the staged side, and what comes back from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loops.errors import LoopsError
from loops.projects.cutover.handover import back, over
from loops.projects.cutover.note import Reached
from loops.supervisor import events as ev
from loops.supervisor.state import AgentState, LoopState, State

PHASES = ("1a", "1b", "1c")
NOTED = Reached(1, False, {"builder": "b-1", "overseer": "o-1"})


def staged(phase: str, *, complete: bool = False, **conversations: str) -> State:
    agents = {name: AgentState(name, conversation=id, phase=phase) for name, id in conversations.items()}
    return State(agents=agents, loop=LoopState(index=PHASES.index(phase), phase=phase, complete=complete))


def test_the_phase_is_found_by_its_id_not_by_its_number() -> None:
    assert over(NOTED, PHASES, ("0", "1a", "1b", "1c")) == 2


def test_a_phase_that_the_staged_side_does_not_have_is_refused() -> None:
    with pytest.raises(LoopsError, match="1b"):
        over(NOTED, PHASES, ("1a", "1c"))


def test_without_phases_there_is_none_to_carry() -> None:
    assert over(replace(NOTED, index=None), PHASES, PHASES) == -1
    assert over(NOTED, (), ()) == -1


def test_an_index_behind_the_end_is_the_last_phase() -> None:
    assert over(replace(NOTED, index=3), PHASES, PHASES) == 2


def test_nothing_comes_back_changed_while_the_phase_is_the_same() -> None:
    assert back(NOTED, staged("1b", builder="b-1", overseer="o-1"), [], PHASES, ["builder"]) == NOTED


def test_a_conversation_that_was_refused_never_replaces_the_one_that_was_handed_over() -> None:
    lost = [ev.ConversationDropped("builder", 1.0, "b-1", "gone", "resume-failed")]

    found = back(NOTED, staged("1b", builder="fresh", overseer="o-1"), lost, PHASES, ["builder"])

    assert found.conversations["builder"] == "b-1"


def test_a_conversation_that_goes_by_another_id_comes_back_by_that() -> None:
    changed = [
        ev.ConversationChanged("builder", 1.0, "b-1", "b-2"),
        ev.ConversationChanged("builder", 2.0, "b-2", "b-3"),
    ]

    found = back(NOTED, staged("1b", builder="b-3", overseer="o-1"), changed, PHASES, ["builder"])

    assert found.conversations == {"builder": "b-3", "overseer": "o-1"}


def test_a_phase_that_was_reached_on_the_staged_side_comes_back_with_its_conversations() -> None:
    found = back(NOTED, staged("1c", builder="b-9", overseer="o-1"), [], PHASES, ["builder"])

    assert found == Reached(2, False, {"builder": "b-9", "overseer": "o-1"})


def test_an_agent_that_has_none_in_the_new_phase_begins_afresh() -> None:
    state = staged("1c", overseer="o-1")
    old = replace(state, agents={**state.agents, "builder": AgentState("builder", conversation="b-1", phase="1b")})

    found = back(NOTED, old, [], PHASES, ["builder"])

    assert found.conversations["builder"] == ""


def test_the_end_of_the_plan_comes_back() -> None:
    found = back(
        replace(NOTED, index=2), staged("1c", complete=True, builder="b-1", overseer="o-1"), [], PHASES, ["builder"]
    )

    assert (found.index, found.complete) == (2, True)
