"""What goes over to the staged side, and what goes back when the cutover is taken back: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from loops.errors import LoopsError
from loops.projects.cutover.note import Reached
from loops.supervisor import events as ev
from loops.supervisor.state import State


def over(reached: Reached, live_phases: Sequence[str], staged_phases: Sequence[str]) -> int:
    """The index of the phase in which the staged project goes on; -1: in none.

    Phases are known by their ids: their order may have been changed on purpose.

    Raises:
        LoopsError: the live side's phase is not among the staged ones.
    """
    if reached.index is None or not live_phases:
        return -1
    at = min(reached.index, len(live_phases) - 1)
    if live_phases[at] not in staged_phases:
        raise LoopsError(
            f"the live side is in phase {live_phases[at]}, which the staged agents.toml does not have: migrate it again"
        )
    return list(staged_phases).index(live_phases[at])


def back(
    reached: Reached, state: State, since: Iterable[ev.Event], live_phases: Sequence[str], loops: Iterable[str]
) -> Reached:
    """What the live side goes on with.  *since*: the staged side's events after the carrying over; *loops*: its loop agents.

    As long as the phase is the same nothing of it changes, but for conversations that their backend itself goes on with
    under another id.  A conversation that could not be resumed never replaces the one that was handed over.
    """
    chains = _chains(reached.conversations, since)
    phase = state.loop.phase
    if reached.index is None or not live_phases or phase not in live_phases:
        return Reached(reached.index, reached.complete, chains)
    index = live_phases.index(phase)
    moved = (index, state.loop.complete) != (min(reached.index, len(live_phases) - 1), reached.complete)
    if not moved:
        return Reached(reached.index, reached.complete, chains)
    for name in loops:  # its old conversation is about a phase that is over: the new one, or a fresh start
        agent = state.agents.get(name)
        if name in chains and agent is not None:
            chains[name] = agent.conversation if agent.phase == phase else ""
    return Reached(index, state.loop.complete, chains)


def _chains(conversations: Mapping[str, str], since: Iterable[ev.Event]) -> dict[str, str]:
    """Each conversation under the id by which its backend goes on with it.  A fresh one is no continuation of any."""
    chains = dict(conversations)
    for event in since:
        if isinstance(event, ev.ConversationChanged) and chains.get(event.agent) == event.asked:
            chains[event.agent] = event.conversation
    return chains
