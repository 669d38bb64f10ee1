"""Keeps the tasks' schedules at the edge: looks at the wall clock when one may be due, and tells `decide` what it saw.

The timers run on the steady clock, so a wall clock that is set finds them wrong: at each round of the net they are set
anew from what the wall clock says then, and a time that it jumped over is made up for within that round.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from loops.config import calendar, zones
from loops.supervisor import scheduling
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Observation, Timed
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import State

VARIABLE = "LOOPS_SCHEDULES"
"""``systemd`` in the environment: a timer of the service manager's calls ``loops run TASK --scheduled``, and we start nothing."""
PAUSE = 1.0
"""Seconds, at least, between two looks of which the first changed nothing."""
JUMP = 1.0
"""Seconds by which the wall clock must leave the steady one to count as set."""


class Schedules:
    """*state* gives the state of the moment, *see* takes an observation, *say* tells the operator something once."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
        say: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._state = state
        self._see = see
        self._say = say
        self._ours = os.environ.get(VARIABLE, "") != "systemd"
        self._looked: dict[str, float] = {}
        self._offset: float | None = None
        """By how much the wall clock was ahead of the steady one at the last round of the net; None before the first."""

    def settle(self, names: Iterable[str]) -> None:
        """Set the timers of these agents: something about them may have changed."""
        state = self._state()
        for name in names:
            self._set(state, name)

    def net(self) -> None:
        """Set all timers anew, and look again at every schedule when the wall clock was set."""
        offset = self._clock.wall() - self._clock.now()
        jumped = self._offset is None or abs(offset - self._offset) > JUMP
        self._offset = offset
        state = self._state()
        for name in state.agents:
            if jumped and scheduling.awaited(state, name) is not None:
                self._look(name)
            else:
                self._set(state, name)

    def _set(self, state: State, name: str) -> None:
        wall = scheduling.awaited(state, name)
        if wall is None:
            self._reactor.cancel(f"schedule {name}")
            return
        now = self._clock.now()
        when = max(self._clock.steady(wall), now)
        if when <= now:
            when = max(now, self._looked.get(name, 0.0) + PAUSE)
        self._reactor.at(f"schedule {name}", when, partial(self._look, name))

    def _look(self, name: str) -> None:
        state = self._state()
        spec = state.config.agents.get(name) if state.config is not None else None
        agent = state.agents.get(name)
        if spec is None or agent is None:
            return
        now, wall = self._clock.now(), self._clock.wall()
        self._looked[name] = now
        following: float | None = 0.0
        if spec.schedule:
            due = calendar.parse(spec.schedule)
            zone = zones.named(due.zone) if due.zone else zones.local()
            if zone is None:
                self._say(f"task {name} is not run by its schedule: this machine has no time zone {due.zone} (tzdata)")
                return
            following = due.next_after(scheduling.base(wall, agent.due_last), zone)
        self._see(Timed(now, name, spec.schedule, wall, following or 0.0, self._ours))
        self._reactor.at(f"schedule {name}", now + PAUSE, lambda: self.settle((name,)))
