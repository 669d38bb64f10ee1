"""Types nudges into sessions and verifies that their turns begin (`loops.sessions.send`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from loops.agents import port
from loops.errors import LoopsError, SessionError
from loops.places import Runtime
from loops.sessions import client as held
from loops.sessions import send as verified
from loops.supervisor import commission
from loops.supervisor.action import Send
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Observation, Sent
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import State, Turn


class Sending:
    """The sends under way: one a session."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        runtime: Runtime,
        holder: held.HolderClient,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._runtime = runtime
        self._holder = holder
        self._state = state
        self._see = see
        self._sendings: dict[str, verified.Sending] = {}

    def send(self, act: Send) -> None:
        """Type a nudge; asked again for the same nudge and incarnation, nothing is typed twice."""
        state = self._state()
        agent = state.agents.get(act.agent)
        config = state.config
        spec = config.agents.get(act.agent) if config is not None else None
        adapter = commission.adapter_of(config, agent) if config is not None and agent is not None else None
        if config is None or agent is None or spec is None or adapter is None or agent.incarnation != act.incarnation:
            self._see(Sent(self._clock.now(), act.agent, act.nudge.id, "gone"))
            return
        try:
            typing = adapter.typing(commission.message(config, self._runtime, spec, agent, act.nudge))
            sending, steps = verified.begin(act.nudge.id, act.incarnation, typing, self._clock.now())
        except LoopsError as error:
            self._see(Sent(self._clock.now(), act.agent, act.nudge.id, str(error)))
            return
        self._sendings[act.agent] = sending
        self._carry(act.agent, steps)

    def _carry(self, name: str, steps: list[verified.Step]) -> None:
        sending = self._sendings[name]
        for step in steps:
            if isinstance(step, verified.Write):
                with suppress(SessionError):  # no holder now: asked for again when there is one, under the same id
                    self._holder.write(name, sending.incarnation, step.write_id, step.data, guard=step.guard)
            else:
                del self._sendings[name]
                self._reactor.cancel(f"send {name}")
                self._see(Sent(self._clock.now(), name, sending.id, _OUTCOMES[step.outcome]))
                return
        when = verified.due(sending)
        self._reactor.at(f"send {name}", when, partial(self.saw, name, verified.Tick()))

    def saw(self, name: str, seen: verified.Seen) -> None:
        """Tell the send that is under way in this session, if any."""
        sending = self._sendings.get(name)
        if sending is None:
            return
        self._sendings[name], steps = verified.advance(sending, seen, self._clock.now())
        self._carry(name, steps)

    def written(self, event: held.Written) -> None:
        """The holder has written a part."""
        sending = self._sendings.get(event.name)
        if sending is None:
            return
        self.saw(event.name, verified.Accepted(event.id))
        agent = self._state().agents.get(event.name)
        if event.repeated and ".submit." in event.id and agent is not None and agent.turn is Turn.WORKING:
            # An earlier supervisor had pressed the key, and the turn it started was journaled before that one was killed.
            self.saw(event.name, port.TurnStarted(sending.id))

    def forget(self, name: str) -> None:
        """The session has ended."""
        self._sendings.pop(name, None)


_OUTCOMES = {
    verified.Outcome.DELIVERED: "delivered",
    verified.Outcome.UNCONFIRMED: "unconfirmed",
    verified.Outcome.BLOCKED_BY_HUMAN: "human",
    verified.Outcome.BLOCKED: "human",
    verified.Outcome.GONE: "gone",
}
