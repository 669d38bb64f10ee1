"""A model that says nothing: the turn runs, no tool does, nobody is asked anything, and nothing is heard.

Providers that take a request and never answer make every agent wait far longer than a person would.  A tool may well
run for long in silence: of that only the supervisor judges.
"""

from __future__ import annotations

from loops.runner.link import NEVER
from loops.streams.event import Event


class Silence:
    """Times are ``time.monotonic()``."""

    __slots__ = ("_after", "_heard_at", "_tools", "_turn")

    def __init__(self, after: float) -> None:
        """*after*: seconds of silence that are too many; 0: none are."""
        self._after = after or NEVER
        self._heard_at = 0.0
        self._turn = False
        self._tools = 0

    def heard(self, now: float) -> None:
        """A line came, or was sent."""
        self._heard_at = now

    def happened(self, event: Event) -> None:
        """Follow turns and tools."""
        match event.type:
            case "turn.started":
                self._turn, self._tools = True, 0
            case "turn.completed" | "turn.failed":
                self._turn = False
            case "tool.started":
                self._tools += 1
            case "tool.completed":
                self._tools = max(0, self._tools - 1)

    def due(self) -> float:
        """When the silence is too long, as far as it can be told now."""
        return self._heard_at + self._after if self._turn and not self._tools else NEVER

    def lasted(self, now: float) -> float:
        """Return the seconds of a silence that has become too long, once; 0 when there is none."""
        if now < self.due():
            return 0.0
        lasted, self._heard_at = now - self._heard_at, now
        return lasted
