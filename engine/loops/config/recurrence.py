"""The facts of a calendar expression, and their text: systemd's normalized form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

MICRO = 1_000_000
"""Seconds are counted in microseconds."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One member of a list: a value; a range to ``stop``; or repeated every ``every`` from ``start`` on (to ``stop``)."""

    start: int
    stop: int = -1
    """-1: none."""
    every: int = 0
    """0: not repeated."""


Parts = tuple[Part, ...]
"""A list of values; empty: any value."""


@dataclass(frozen=True, slots=True)
class Field:
    """What one component may hold.  ``mend`` is where a repetition over everything starts: ``*/2`` is written ``0/2``."""

    name: str
    low: int
    high: int
    mend: int = 0
    unit: int = 1

    def says(self) -> str:
        return f"{self.name} go from {self.low} to {self.high // self.unit}"


YEARS = Field("years", 1970, 2199, 2000)
MONTHS = Field("months", 1, 12, 1)
MONTH_DAYS = Field("days", 1, 31, 1)
LAST_DAYS = Field("days before the end of the month", 1, 28, 1)
HOURS = Field("hours", 0, 23)
MINUTES = Field("minutes", 0, 59)
SECONDS = Field("seconds", 0, 60 * MICRO - 1, unit=MICRO)

ZERO = (Part(0),)
EVERY_SECOND = Part(0, every=MICRO)


@dataclass(frozen=True, slots=True)
class Calendar:
    """When something is due.  Every list is in order and without doubles; an empty one means any value."""

    weekdays: frozenset[int] = frozenset()
    """0 is Monday; empty: every day."""
    years: Parts = ()
    months: Parts = ()
    days: Parts = ()
    from_end: bool = False
    """Days are counted from the end of the month: 1 is the last."""
    hours: Parts = ()
    minutes: Parts = ()
    micros: Parts = ZERO
    """Microseconds of the minute."""
    zone: str = ""
    """``UTC`` or a name such as ``Europe/Berlin``; empty: the machine's own zone."""

    def __str__(self) -> str:
        """The normalized form."""
        year = _written(self.years, 4)
        day = f"{_written(self.months)}{'~' if self.from_end else '-'}{_written(self.days)}"
        time = f"{_written(self.hours)}:{_written(self.minutes)}:{_written_seconds(self.micros)}"
        return " ".join(part for part in (_written_days(self.weekdays), f"{year}-{day}", time, self.zone) if part)

    def next_after(self, moment: float, zone: tzinfo) -> float | None:
        """Return the first time after *moment* (epoch seconds); None: never.  *zone* is that of ``zone``, or the machine's.

        A time that a change of the clock leaves out is passed over; one that it brings twice counts the first time.
        """
        from loops.config.elapse import next_after

        return next_after(self, moment, zone)


# ---- the normalized form -----------------------------------------------------------------------------------------------


def _written_days(weekdays: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for day in sorted(weekdays):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        f"{DAYS[run[0]]}..{DAYS[run[-1]]}" if len(run) > 2 else ",".join(DAYS[day] for day in run) for run in runs
    )


def _written(parts: Parts, width: int = 2) -> str:
    return ",".join(_written_part(part, width) for part in parts) or "*"


def _written_part(part: Part, width: int) -> str:
    stop = f"..{part.stop:0{width}}" if part.stop > 0 else ""
    return f"{part.start:0{width}}{stop}" + (f"/{part.every}" if part.every and not (stop and part.every == 1) else "")


def _written_seconds(parts: Parts) -> str:
    if parts == (EVERY_SECOND,):
        return "*"
    return ",".join(_written_second(part) for part in parts)


def _written_second(part: Part) -> str:
    stop = f"..{_seconds(part.stop, 2)}" if part.stop > 0 else ""
    every = f"/{_seconds(part.every, 1)}" if part.every and not (stop and part.every == MICRO) else ""
    return f"{_seconds(part.start, 2)}{stop}{every}"


def _seconds(micros: int, width: int) -> str:
    whole, rest = divmod(micros, MICRO)
    return f"{whole:0{width}}" + (f".{rest:06}" if rest else "")
