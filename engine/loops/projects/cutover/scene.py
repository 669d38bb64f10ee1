"""What the checks of a cutover look at: the plan's ground, the note, the staged supervisor's word and its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loops.errors import LoopsError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects.cutover import note
from loops.projects.cutover.plan import Ground, Member
from loops.projects.cutover.record import Places
from loops.supervisor import control
from loops.supervisor import events as ev
from loops.supervisor.ledger import history, peek
from loops.supervisor.state import State

PATIENCE = 90.0
"""Seconds in which what is on its way must have come about."""


class Hopeless(LoopsError):
    """It is not so, and waiting will not make it so."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a check looks at.  ``reached``: reads the live side's own files as they are now."""

    ground: Ground
    reached: Callable[[], note.Reached]
    patience: float = PATIENCE

    @property
    def places(self) -> Places:
        return Places(self.ground.log_dir)

    @property
    def noted(self) -> note.Note:
        return note.read(self.places)

    def state(self) -> State:
        """What the staged journal says."""
        return peek(StatePlaces(self.ground.log_dir).journal)

    def status(self) -> dict[str, Any]:
        """The staged supervisor's own.  LoopsError: none answers."""
        try:
            answer = control.ask(Runtime(self.ground.staged_config).control_socket, {"verb": "status"}, 10.0)
        except TimeoutError:
            answer = None
        if answer is None:
            raise LoopsError("the staged supervisor does not answer")
        return answer

    def ran(self) -> Iterator[Member]:
        """The members whose session was noted, and that shall run again: not tasks, nor what only a person starts."""
        there = self.noted.sessions
        return (m for m in self.ground.members if m.session in there and m.enabled and m.kind != "task")

    def since_phase(self) -> bool:
        """Whether the phase has moved on under the staged side."""
        return any(isinstance(event, ev.PhaseStarted) for event in self.since())

    def since(self) -> Iterator[ev.Event]:
        """The staged side's events since the conversations were carried over last."""
        found: list[ev.Event] = []
        for _, event in history(StatePlaces(self.ground.log_dir).journal):
            if isinstance(event, ev.StateCarried):
                found.clear()
            else:
                found.append(event)
        return iter(found)
