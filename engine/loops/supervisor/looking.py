"""Looks at sessions: asks for the newest output, renders it, and tells what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from loops.agents import port
from loops.sessions import client as held
from loops.supervisor import commission
from loops.supervisor.action import Look
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Looked, Observation
from loops.supervisor.reactor import Reactor
from loops.supervisor.sending import Sending
from loops.supervisor.state import AgentState, State, Turn

SETTLED = 1.0
"""Seconds of silence after which a screen is worth reading."""
RESTS = 10.0
"""Seconds without any output or event after which a screen that nobody knows is a question."""
LOOK_WITHIN = 10.0
"""Seconds for the answer to a look; then it counts as lost, and another may be asked for."""


class Looking:
    """The looks under way: one a session."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        holder: held.HolderClient,
        sending: Sending,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._holder = holder
        self._sending = sending
        self._state = state
        self._see = see
        self._looks: dict[int, str] = {}
        self._looking: set[str] = set()

    def begin_anew(self) -> None:
        """An answer that was under way went with the earlier holder."""
        self._looks.clear()
        self._looking.clear()

    def look(self, act: Look) -> None:
        """Ask for the newest output; the screen is rendered when it comes."""
        session = self._holder.sessions().get(act.agent)
        if act.agent in self._looking or session is None or not session.alive:
            return
        tag = self._holder.ask_tail(act.agent)
        self._looking.add(act.agent)
        self._looks[tag] = act.agent
        self._reactor.at(f"look {act.agent}", self._clock.now() + LOOK_WITHIN, partial(self.over, act.agent))

    def is_looking(self, name: str) -> bool:
        """Whether the answer to a look is under way."""
        return name in self._looking

    def over(self, name: str) -> None:
        """The look has its answer, or will have none."""
        self._looking.discard(name)
        self._reactor.cancel(f"look {name}")

    def tail(self, event: held.Tail) -> None:
        """The newest output has come: read it, and tell what it shows."""
        name = self._looks.pop(event.tag, "")
        self.over(name)
        state = self._state()
        agent = state.agents.get(name)
        session = self._holder.sessions().get(name)
        if agent is None or session is None or state.config is None or not agent.alive:
            return
        adapter = commission.adapter_of(state.config, agent)
        signals: tuple[port.Signal, ...] = ()
        last = self._clock.from_boottime(session.last_output)
        if adapter is not None and _tells(adapter, agent):
            from loops.sessions.screen import render

            screen = render(event.data, commission.ROWS, commission.COLUMNS)
            signals = in_steady_time(self._clock, tuple(adapter.read_screen(screen, self._clock.wall())))
            if adapter.structured and not signals:
                signals = self._at_rest(name, screen, last)
            for signal in signals:
                if isinstance(signal, port.Working):
                    self._sending.saw(name, port.TurnStarted())
                elif isinstance(signal, port.DialogShown):
                    self._sending.saw(name, signal)
        self._see(Looked(self._clock.now(), name, agent.incarnation, signals, last))

    def _at_rest(self, name: str, screen: port.Screen, last: float) -> tuple[port.Signal, ...]:
        """A screen that rests although nothing was ever reported shows a question that nobody knows."""
        rests = last + RESTS
        if self._clock.now() < rests:
            self._reactor.at(f"rest {name}", rests, partial(self.soon, name))
            return ()
        shown = "\n".join(line for line in screen.lines if line.strip())
        return (port.DialogShown(shown),) if shown else ()

    def watch(self, name: str) -> None:
        """Follow the output's edges where the screen is the only witness."""
        state = self._state()
        agent = state.agents.get(name)
        if agent is None or state.config is None:
            return
        adapter = commission.adapter_of(state.config, agent)
        if adapter is not None and adapter.screens:
            self._holder.watch(name, SETTLED)

    def soon(self, name: str) -> None:
        """Something was printed, or nothing for a while: look, where the screen tells something."""
        state = self._state()
        agent = state.agents.get(name)
        if agent is None or state.config is None:
            return
        adapter = commission.adapter_of(state.config, agent)
        if adapter is not None and _tells(adapter, agent):
            self.look(Look(name, agent.incarnation))


def in_steady_time(clock: Clock, signals: tuple[port.Signal, ...]) -> tuple[port.Signal, ...]:
    """Turn the wall times that an agent or a provider named into steady ones."""
    return tuple(_steady(clock, signal) for signal in signals)


def _steady(clock: Clock, signal: port.Signal) -> port.Signal:
    if isinstance(signal, port.TurnEnded | port.Idle) and signal.waiting_until is not None:
        return replace(signal, waiting_until=clock.steady(signal.waiting_until))
    if isinstance(signal, port.LimitReached) and signal.resets_at is not None:
        return replace(signal, resets_at=clock.steady(signal.resets_at))
    return signal


def _tells(adapter: port.Adapter, agent: AgentState) -> bool:
    """Whether the screen is evidence now: always, or only until the agent reports by itself."""
    return adapter.screens and (not adapter.structured or agent.turn is Turn.UNKNOWN)
