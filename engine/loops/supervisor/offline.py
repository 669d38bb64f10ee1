"""What is said to a project whose supervisor does not run: decided and journaled here, carried out by the next one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from loops.config import encode
from loops.config.model import Config
from loops.errors import JournalError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import tree
from loops.supervisor import commission
from loops.supervisor.clock import Clock
from loops.supervisor.decide import decide
from loops.supervisor.ledger import Ledger, peek
from loops.supervisor.observation import Carried, ConfigRead, Observation, Told
from loops.supervisor.state import AgentState, Life, State


def tell(config: Config, verb: str, detail: str = "") -> State:
    """Take the operator's word in; return the state after it.

    The acts that would follow are dropped: their intent is in the journal, and a supervisor that starts acts on it.

    Raises:
        JournalError: somebody else writes the journal, or it is broken.
    """
    return _take_in(config, lambda at: Told(at, verb, detail=detail))


def carry(
    config: Config,
    source: str,
    index: int,
    conversations: tuple[tuple[str, str], ...],
    *,
    complete: bool,
    again: bool = False,
) -> State:
    """Take over what another supervisor had reached (`observation.Carried`); return the state after it.

    Raises:
        JournalError: somebody else writes the journal, or it is broken.
    """
    return _take_in(config, lambda at: Carried(at, source, index, complete, conversations, again))


def _take_in(config: Config, seen: Callable[[float], Observation]) -> State:
    ledger = Ledger(StatePlaces(config.log_dir).journal, f"urn:loops:project:{config.session_prefix}")
    try:
        at = Clock(ledger.state.steady).now()
        state, events, _ = decide(ledger.state, ConfigRead(at, config, encode(config)))
        state, more, _ = decide(state, seen(at))
        ledger.append([*events, *more])
        ledger.commit()
        with suppress(JournalError):  # for those who look at no more of the journal
            ledger.keep_snapshot(state, least=0)
    finally:
        ledger.close()
    return state


def at_rest(config: Config, runtime: Runtime) -> State:
    """The state without a supervisor: agents.toml, what the journal says, and which of its sessions live all the same."""
    directory = StatePlaces(config.log_dir).journal
    known = peek(directory)
    agents = {name: _as_it_is(known.agents.get(name), name, runtime) for name in config.agents}
    return replace(known, config=config, agents=agents)


def _as_it_is(agent: AgentState | None, name: str, runtime: Runtime) -> AgentState:
    if agent is None:
        return AgentState(name)
    if agent.pid and tree.carries(agent.pid, commission.marker(runtime, name, agent.incarnation)):
        return agent  # the holder has it still
    return replace(agent, life=Life.OFF, pid=0, why="")
