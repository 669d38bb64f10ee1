"""Show that a staged project is its live deployment again: every fact, and every kickoff to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loops.config.problems import quoted
from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment
from loops.projects.parity.parting import of_texts

_REACHED = ("state", "conversation", "phase index", "complete", "log_dir")
"""Fields that say how far it is, not what it is, and where that is kept: each project has its own state."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not the same.  ``staged`` None: it is not there."""

    place: str
    live: str
    staged: str | None
    line: str = ""
    """Of a text: the first line that differs."""

    def __str__(self) -> str:
        """As people read it."""
        staged = "nothing" if self.staged is None else quoted(self.staged)
        return f"{self.place}: {self.line or f'live {quoted(self.live)}, staged {staged}'}"


def differences(live: Deployment, staged: Deployment) -> tuple[Difference, ...]:
    """Return every fact of *live* that *staged* does not tell, or tells otherwise, and what *staged* has besides."""
    return tuple(_differences(live, staged))


def _differences(live: Deployment, staged: Deployment) -> Iterator[Difference]:
    there, here = _lasting(live), _lasting(staged)
    for place, value in there.items():
        if here.get(place) == value:
            continue
        line = ""
        if place.subject == "kickoff":
            phase, _, agent = place.name.rpartition("/")
            texts = (live.kickoffs or {}), (staged.kickoffs or {})
            parting = of_texts(*(each.get((phase, agent), "") for each in texts))
            if parting is not None:
                line = f"{parting.at}: live {quoted(parting.live)}, staged {quoted(parting.staged)}"
        yield Difference(str(place), value, here.get(place), line)
    for place, value in here.items():
        if place.field == "present" and place not in there:
            yield Difference(str(place), "no", value)


def _lasting(deployment: Deployment) -> Mapping[Place, str]:
    return {place: value for place, value in facts(deployment).items() if place.field not in _REACHED}
