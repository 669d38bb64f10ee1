"""Keeps each clone as blind as its agent shall be now: before a start, before a claim is told, and when the evidence changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from loops.config.model import Agent, Config, Kind
from loops.errors import LoopsError
from loops.isolation import blind
from loops.places import Runtime
from loops.supervisor import commission
from loops.supervisor.clock import Clock
from loops.supervisor.clones import git_directory
from loops.supervisor.errands import Errands, Result
from loops.supervisor.observation import Blinded, Observation
from loops.supervisor.state import State, Turn

WITHIN = 30.0
"""Seconds for a command that takes a fiftieth of one; an agent waits for it at its start."""

Then = Callable[[], None]
Wish = tuple[str, tuple[str, ...], tuple[str, ...]]
"""The clone, the patterns, and who has judged."""


class Blindfolds:
    """One a project.  What cannot be done is said, and keeps nothing waiting."""

    def __init__(
        self,
        errands: Errands,
        clock: Clock,
        runtime: Runtime,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
        say: Callable[[str], None],
    ) -> None:
        self._errands = errands
        self._clock = clock
        self._runtime = runtime
        self._state = state
        self._see = see
        self._say = say
        self._done: dict[str, Wish] = {}
        self._running: dict[str, list[Then]] = {}

    def renew(self, name: str, then: Then) -> None:
        """Bring the agent's clone to what it shall show now, whatever was done before; then call *then*."""
        config = self._state().config
        spec = config.agents.get(name) if config is not None else None
        if config is None or spec is None or not _concerns(spec):
            then()
        elif name in self._running:
            self._running[name].append(then)
        else:
            self._run(config, spec, [then])

    def settle(self) -> None:
        """See to the clones of which the wish has changed.  Not under the hands of an agent that works: its turn ends."""
        state = self._state()
        if state.config is None:
            return
        for spec in state.config.agents.values():
            agent = state.agents.get(spec.name)
            if (not spec.blind and spec.name not in self._done) or agent is None or not agent.alive:
                continue
            if agent.turn is not Turn.WORKING and self._done.get(spec.name) != self._wish(spec):
                self.renew(spec.name, _nothing)

    def _wish(self, spec: Agent) -> Wish:
        state = self._state()
        handoff = state.config.loop.handoff if state.config is not None else None
        return spec.dir, spec.blind, blind.judges(state.loop.evidence, handoff, spec.name)

    def _run(self, config: Config, spec: Agent, then: list[Then]) -> None:
        wish = self._wish(spec)
        self._running[spec.name] = then
        try:
            argv = self._inside(config, spec, blind.words(*wish))
        except (LoopsError, OSError) as error:  # its start will be refused for the same reason
            self._ended(spec.name, wish, Result(-1, b"", str(error)))
            return
        self._errands.run(argv, partial(self._ended, spec.name, wish), timeout=WITHIN)

    def _inside(self, config: Config, spec: Agent, words: tuple[str, ...]) -> tuple[str, ...]:
        """Git runs what the clone's settings name, so an isolated agent's git runs in its sandbox, with nothing of ours."""
        agent = self._state().agents[spec.name]
        confined = commission.confinement(config, self._runtime, spec, agent)
        if not confined:
            return words
        plain = {name: os.environ.get(name, "") for name in ("PATH", "LANG")}
        return ("env", "-i", *(f"{name}={value}" for name, value in plain.items()), *confined.wrap, *words)

    def _ended(self, name: str, wish: Wish, result: Result) -> None:
        waiting = self._running.pop(name, [])
        said = result.output.decode("utf-8", "replace").strip()
        clone, patterns, _ = wish
        self._done[name] = wish  # else it would be tried again at once; a start and a claim try it anew
        if result.code != 0 or said not in (blind.HIDDEN, blind.SHOWN):
            what = ", ".join(patterns) or "nothing"
            self._say(
                f"{name}: {what} could not be kept out of {clone}: {result.error or said or f'exit {result.code}'}"
            )
        else:
            if result.error:  # git's warnings: what was left, because it has changes that are not committed
                self._say(f"{name}: {' '.join(result.error.split())}")
            self._see(Blinded(self._clock.now(), name, patterns if said == blind.HIDDEN else ()))
        for then in waiting:
            then()
        if self._wishes_more(name, wish):  # it has changed meanwhile
            self.settle()

    def _wishes_more(self, name: str, wish: Wish) -> bool:
        config = self._state().config
        spec = config.agents.get(name) if config is not None else None
        return spec is not None and self._wish(spec) != wish


def _nothing() -> None:
    """Nobody waits."""


def _concerns(spec: Agent) -> bool:
    """Whether the agent is, or was, kept from something."""
    if spec.kind is Kind.SERVICE:
        return False
    git = git_directory(spec.dir)
    return bool(spec.blind) or (git is not None and os.path.exists(os.path.join(git, "info", "loops-blind")))
