"""One project in the charge of the fleet's process: how it stands, why, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from loops.supervisor.crew import Member

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries of a project that cannot be supervised."""
STUCK_PAUSE = 600.0
"""Seconds until one is tried again that kept all others waiting."""
HEALTHY_AFTER = 60.0
"""Seconds in charge after which an error counts as the first one again."""


class Standing(Enum):
    """How a project stands.  ``DOWN``: as the operator wants it.  ``APART``: it has a supervisor of its own."""

    WAITING = "starting"
    RUNNING = "supervised"
    DOWN = "down"
    APART = "apart"
    BROKEN = "broken"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a project is to be taken in charge; kept until that succeeds.

    ``up``: it is to be up; ``begins``: if it never was; ``asked``: to be in charge, whatever its journal says.
    """

    up: bool = False
    begins: bool = False
    asked: bool = False


@dataclass(slots=True)
class Ward:
    """Mutable, for it is the one place where this is known.  Times are those of the crew's clock."""

    name: str
    config_path: str
    enabled: bool
    standing: Standing = Standing.DOWN
    why: str = ""
    since: float = 0.0
    again: float = 0.0
    """When it is tried again; 0: it is not."""
    tries: int = 0
    pause: float = 0.0
    wish: Wish = Wish()
    said: str = ""
    """The last that its supervisor told the operator."""
    member: Member | None = None

    def become(self, standing: Standing, now: float, why: str = "") -> None:
        """Stand so from now on."""
        if (standing, why) != (self.standing, self.why):
            self.since = now
        self.standing, self.why, self.again = standing, why, 0.0

    def stumble(self, now: float, why: str, *, stuck: bool = False) -> None:
        """It cannot be supervised: `again` says when the next try is worth it.  *stuck*: others had to wait for it."""
        if self.standing is Standing.RUNNING and now - self.since >= HEALTHY_AFTER:
            self.pause = 0.0
        self.pause = min(self.pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self.become(Standing.BROKEN, now, why)
        self.again = now + (STUCK_PAUSE if stuck else self.pause)

    def facts(self, now: float) -> dict[str, Any]:
        """The same as JSON; times are seconds from now."""
        return {
            "name": self.name,
            "config": self.config_path,
            "standing": self.standing.value,
            "why": self.why,
            "since": max(0.0, now - self.since) if self.since else 0.0,
            "again": max(0.0, self.again - now) if self.again else 0.0,
            "tries": self.tries,
            "longest": self.member.longest if self.member is not None else 0.0,
        }
