"""What the journal says of a state that another supervisor had reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loops.supervisor.event import AboutPhase


@dataclass(frozen=True, slots=True)
class StateCarried(AboutPhase):
    """The project goes on where the deployment ``source`` was: in this phase, with these conversations (id by agent).

    ``index`` < 0: that has no phase.  ``done``: the phases that it had behind it.
    """

    type = "state.carried"
    at: float
    source: str
    index: int
    done: tuple[str, ...]
    complete: bool
    conversations: Any
    why: str
    rule: str
