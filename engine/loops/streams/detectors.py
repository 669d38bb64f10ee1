"""What no single line says."""

from __future__ import annotations

from loops.streams.event import Fact
from loops.streams.turn import Turn


class Detectors:
    """One run's detectors."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def see(self, facts: list[Fact], now: float) -> list[Fact]:
        """Return *facts* with what they show together with earlier ones."""
        return facts
