"""When a calendar expression is due next: wall time first, by the calendar alone, then where that lies in a time zone."""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from loops.config.recurrence import HOURS, MICRO, MINUTES, MONTHS, SECONDS, YEARS, Calendar, Field, Part, Parts

_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_after(due: Calendar, moment: float, zone: tzinfo) -> float | None:
    """Return the first time after *moment* (epoch seconds), at a precision of microseconds; None: never."""
    after = _EPOCH + timedelta(microseconds=math.floor(moment * MICRO + 0.5))
    if after.year >= YEARS.high + 1:
        return None
    wall = after.astimezone(zone).replace(tzinfo=None, fold=0) + _TICK
    while (found := _first(due, wall)) is not None:
        here = found.replace(tzinfo=zone)
        there = here.astimezone(UTC)
        if there.astimezone(zone).replace(tzinfo=None, fold=0) != found:  # the clock leaves this time out
            wall = _change(here).astimezone(zone).replace(tzinfo=None, fold=0)
        elif there <= after:  # the clock brings it twice, and the first time is past
            change = _change(here)
            wall = (change - _TICK).astimezone(zone).replace(tzinfo=None, fold=0) + _TICK
        else:
            return (there - _EPOCH) / timedelta(seconds=1)
    return None


def _change(here: datetime) -> datetime:
    """The first moment after the change of the clock that makes the wall time *here* ambiguous or leaves it out (UTC)."""
    one, other = (here.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    low, high = min(one, other), max(one, other)
    before = low.astimezone(here.tzinfo).utcoffset()
    while high - low > _TICK:
        middle = low + (high - low) // 2
        if middle.astimezone(here.tzinfo).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _first(due: Calendar, wall: datetime) -> datetime | None:
    """The first wall time of *due* that is not before *wall*."""
    for year in _values(due.years, wall.year, YEARS):
        for month in _values(due.months, wall.month if year == wall.year else 1, MONTHS):
            first_day = wall.day if (year, month) == (wall.year, wall.month) else 1
            for day in _days(due, year, month, first_day):
                if due.weekdays and calendar.weekday(year, month, day) not in due.weekdays:
                    continue
                same = (year, month, day) == (wall.year, wall.month, wall.day)
                micros = _time(due, _of_day(wall) if same else 0)
                if micros is not None:
                    return datetime(year, month, day) + timedelta(microseconds=micros)
    return None


def _of_day(wall: datetime) -> int:
    return ((wall.hour * 60 + wall.minute) * 60 + wall.second) * MICRO + wall.microsecond


def _time(due: Calendar, start: int) -> int | None:
    """The first time of day (microseconds) that is not before *start*."""
    minutes, micros = divmod(start, 60 * MICRO)
    hour, minute = divmod(minutes, 60)
    for h in _values(due.hours, hour, HOURS):
        for m in _values(due.minutes, minute if h == hour else 0, MINUTES):
            least = micros if (h, m) == (hour, minute) else 0
            found = _at_least(due.micros, least, SECONDS.high)
            if found is not None:
                return (h * 60 + m) * 60 * MICRO + found
    return None


def _days(due: Calendar, year: int, month: int, first: int) -> Iterator[int]:
    last = calendar.monthrange(year, month)[1]
    parts = tuple(_from_start(part, last) for part in due.days) if due.from_end else due.days
    return _each(parts, first, last)


def _from_start(part: Part, last: int) -> Part:
    """A part that counts from the end of a month of *last* days, counted from its beginning."""
    if part.stop < 0:
        return Part(last + 1 - part.start, -1, part.every)
    return Part(last + 1 - part.stop, last + 1 - part.start, part.every)


def _values(parts: Parts, first: int, field: Field) -> Iterator[int]:
    return _each(parts, first, field.high)


def _each(parts: Parts, first: int, last: int) -> Iterator[int]:
    """The values from *first* to *last*, in order."""
    value = _at_least(parts, first, last)
    while value is not None:
        yield value
        value = _at_least(parts, value + 1, last)


def _at_least(parts: Parts, value: int, last: int) -> int | None:
    """The least value of *parts* that is neither below *value* nor beyond *last*; None: there is none."""
    if not parts:
        return value if value <= last else None
    found = [member for part in parts if (member := _member(part, value)) is not None and member <= last]
    return min(found, default=None)


def _member(part: Part, value: int) -> int | None:
    if part.start >= value:
        return part.start
    if not part.every:
        return None
    member = part.start + -(-(value - part.start) // part.every) * part.every
    return member if part.stop < 0 or member <= part.stop else None
