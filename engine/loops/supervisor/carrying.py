"""Takes a project over from another supervisor: writes into its journal, while nobody supervises it, where the work stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loops.config import encode
from loops.config.model import Config, Kind
from loops.errors import LoopsError
from loops.places import State as StatePlaces
from loops.supervisor import events as ev
from loops.supervisor.clock import Clock
from loops.supervisor.decide import decide
from loops.supervisor.fold import fold
from loops.supervisor.ledger import Ledger
from loops.supervisor.observation import ConfigRead
from loops.supervisor.state import State


@dataclass(frozen=True, slots=True)
class Carried:
    """Where the work stands.  ``index``: of the phase, from 0; None: there are no phases."""

    source: str
    """Whose it was, for the journal's reader."""
    index: int | None = None
    complete: bool = False
    conversations: Mapping[str, str] = field(default_factory=dict)
    """By agent, as far as they are known; an agent that is not here begins afresh."""


def carry(config: Config, carried: Carried) -> State:
    """Write *carried* into the journal of the project, which must be down; return the state after it.

    Raises:
        LoopsError: agents.toml has no such phase or agent.
        JournalError: somebody supervises the project, or its journal is broken.
    """
    _check(config, carried)
    ledger = Ledger(StatePlaces(config.log_dir).journal, f"urn:loops:project:{config.session_prefix}")
    try:
        if ledger.state.up:
            raise LoopsError(f"{config.path} was not brought down, and would go on by itself: `loops down` first")
        at = Clock(ledger.state.steady).now()
        _, events, _ = decide(ledger.state, ConfigRead(at, config, encode(config)))
        events += _events(config, carried, at)
        ledger.append(events)
        ledger.commit()
        return fold(ledger.state, events)
    finally:
        ledger.close()


def _events(config: Config, carried: Carried, at: float) -> Iterator[ev.Event]:
    phases = config.loop.phases
    phase = ""
    if carried.index is not None:
        phase = phases[carried.index].id
        done = tuple(each.id for each in (phases if carried.complete else phases[: carried.index]))
        yield ev.PlaceCarried(phase, at, carried.index, done, carried.complete, carried.source)
    for agent in config.agents.values():
        if agent.kind is not Kind.SERVICE:
            of = phase if agent.kind is Kind.LOOP else ""
            yield ev.ConversationCarried(agent.name, at, carried.conversations.get(agent.name, ""), of, carried.source)


def _check(config: Config, carried: Carried) -> None:
    phases, wrong = config.loop.phases, []
    if carried.index is not None and not 0 <= carried.index < len(phases):
        wrong.append(f"it stands at phase number {carried.index + 1}, and there are {len(phases)}")
    wrong += [
        f"{name} has a conversation, and there is no such agent"
        for name in carried.conversations
        if name not in config.agents
    ]
    owners: dict[str, str] = {}
    for name, id in carried.conversations.items():
        if id and id in owners:
            wrong.append(f"{owners[id]} and {name} have the same conversation {id}: one of them must begin afresh")
        owners[id] = name
    if wrong:
        raise LoopsError(f"{carried.source} cannot be carried into {config.path}: {'; '.join(wrong)}")
