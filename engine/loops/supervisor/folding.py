"""The machinery of the fold: a state that is being changed, and the table of who changes it for which event.

Only the handlers of `loops.supervisor.fold` and of the modules that it imports change a state, and only through `Fold`:
it copies the agents' table once and replaces frozen values in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeVar

from loops.supervisor.event import Event
from loops.supervisor.state import AgentState, LoopState, State


class Fold:
    """A state that is being changed by events."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.agents: Mapping[str, AgentState] = state.agents
        self.loop: LoopState = state.loop
        self._steady = state.steady
        self._own: dict[str, AgentState] | None = None
        self._changed = False

    def agent(self, name: str) -> AgentState:
        return self.agents.get(name) or AgentState(name)

    def put(self, agent: AgentState) -> None:
        """Replace one agent's facts."""
        if self._own is None:  # most steps change no agent, and a table of a thousand is not copied for nothing
            self.agents = self._own = dict(self.agents)
        self._own[agent.name] = agent

    def change(self, name: str, **facts: Any) -> None:
        self.put(changed(self.agent(name), **facts))

    def apply(self, event: Event) -> None:
        """Take one event in."""
        self._changed = True
        self._steady = max(self._steady, getattr(event, "at", 0.0))
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def finish(self) -> State:
        """Return the state as frozen facts: the very same object when no event came."""
        if not self._changed:
            return self.state
        return replace(self.state, agents=self.agents, loop=self.loop, steady=self._steady)


_FIELDS = tuple(f.name for f in fields(AgentState))
_PLACE = {name: place for place, name in enumerate(_FIELDS)}
_values = attrgetter(*_FIELDS)


_set: tuple[Callable[[AgentState, Any], None], ...] = tuple(vars(AgentState)[name].__set__ for name in _FIELDS)


def changed(agent: AgentState, **facts: Any) -> AgentState:
    """`dataclasses.replace` for agents, several times as fast: it is most of the cost of an event."""
    copy = AgentState.__new__(AgentState)  # filled slot by slot: a frozen class's own __init__ takes half as long again
    for put, value in zip(_set, _values(agent), strict=True):
        put(copy, value)
    for name, value in facts.items():
        _set[_PLACE[name]](copy, value)
    return copy


_HANDLERS: dict[type[Event], Callable[[Fold, Any], None]] = {}
E = TypeVar("E", bound=Event)


def on(kind: type[E]) -> Callable[[Callable[[Fold, E], None]], Callable[[Fold, E], None]]:
    """Register the handler of one kind of event."""

    def register(handler: Callable[[Fold, E], None]) -> Callable[[Fold, E], None]:
        _HANDLERS[kind] = handler
        return handler

    return register
