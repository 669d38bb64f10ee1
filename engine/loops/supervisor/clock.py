"""The one clock of the supervisor: steady seconds that look like epoch seconds but never jump.

``CLOCK_BOOTTIME`` plus an offset that is fixed once: it counts suspend, and a clock set by a day (fault class 5) moves no
timer.  A wall time that an agent or a provider named ("until 14:30") is turned into steady seconds at the edge, by its
distance from the wall clock *now*: that is what the writer meant.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Reads the machine's clocks.  ``floor``: the last steady time of an earlier run; steady time never falls below it."""

    def __init__(
        self,
        floor: float = 0.0,
        *,
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = _boottime,
        offset: float | None = None,
    ) -> None:
        self._wall = wall
        self._boottime = boottime
        self.offset = max(wall(), floor) - boottime() if offset is None else offset

    def now(self) -> float:
        """Steady seconds."""
        return self._boottime() + self.offset

    def wall(self) -> float:
        """Epoch seconds of the machine's own clock, which may jump: only for texts that name such times."""
        return self._wall()

    def steady(self, wall: float) -> float:
        """The steady time that lies as far from now as *wall* lies from the wall clock."""
        return self.now() + (wall - self._wall())

    def from_boottime(self, boottime: float) -> float:
        return boottime + self.offset


def boot_id() -> str:
    """The kernel's id of this boot; empty where /proc hides it (systemd passes it in ``LOOPS_BOOT_ID`` then)."""
    import os

    given = os.environ.get("LOOPS_BOOT_ID", "")
    if given:
        return given.replace("-", "")
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip().replace("-", "")
    except OSError:
        return ""
