"""When a usage limit ends, from the words of its banner.

Banners change from version to version, carry seldom a date and sometimes no zone, and are wrong now and then; a
structured reset time is always better.  What cannot be told for sure gives None, and the caller probes instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_HOUR = 3600.0
_DAY = 24 * _HOUR
_NEXT_DAY_WITHIN = 12 * _HOUR
_JUST_PAST = _HOUR
_FARTHEST = 45 * _DAY
"""Nobody's window is longer than a month: what lies beyond is a misreading."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNIT_SECONDS = {"d": _DAY, "h": _HOUR, "m": 60.0, "s": 1.0}

_CUE = r"""(?:
    reset(?:s|ting)?(?:_?at)?["']?\s*[:=]? | try\s+again | retry(?:ing)? | available\s+again
  | continuing\s+automatically | limit\s+reached\|
) \s* (?:(?:at|in|on|after)\b\s*:?)? \s*"""
_UNIT = r"(?:d|h|m|s|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?)"
_CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?(?!\d)\s*(?P<half>[ap]\.?m\b\.?)?"
_ZONE = r"\s*(?:\((?P<named>[\w/+-]+)\)|(?P<bare>(?-i:[A-Z]\w+/[\w/+-]+|UTC|GMT|[A-Z]{1,4}T)\b))?"
_WHEN = re.compile(
    _CUE
    + r"(?:"
    + r"(?P<iso>\d{4}-\d{2}-\d{2}[T\ ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)"
    + r"|(?P<epoch>\d{10}(?:\d{3})?)(?!\d)"
    + rf"|(?P<span>(?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])(?:,?\s*(?:and\s+)?)?)+)"
    + rf"|(?:(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s*"
    + r"(?:(?P<year>20\d{2}),?\s+)?(?:at\s+)?)?"
    + _CLOCK
    + _ZONE
    + r")",
    re.IGNORECASE | re.VERBOSE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)


def parse_reset(text: str, now: float, zone: tzinfo | None = None) -> float | None:
    """Return when the limit that *text* speaks of ends, as epoch seconds after *now*; None when that cannot be told.

    The last time in the text wins, for a terminal shows the newest banner at the bottom.  A time of day without a date
    and zone is read in *zone* (None: the machine's) and means its next occurrence, with two exceptions that protect
    from waiting a day for a banner that has just expired:

    - already past today: tomorrow counts only if it is less than 12 hours ahead ("resets 2am" read at 23:50, but not
      "resets 3pm" read at 15:01);
    - still to come today, yet it was that time less than an hour ago ("resets 11:59pm" read at 00:05).
    """
    found = list(_WHEN.finditer(text))
    if not found:
        return None
    try:
        moment = _moment(found[-1], now, zone)
    except (ValueError, OverflowError):  # 31 February, 25:00, the year 9999
        return None
    return moment if moment is not None and now < moment <= now + _FARTHEST else None


def _moment(found: re.Match[str], now: float, zone: tzinfo | None) -> float | None:
    if found["epoch"]:
        return float(found["epoch"][:10])
    if found["span"]:
        return now + sum(float(amount) * _UNIT_SECONDS[unit.lower()] for amount, unit in _PART.findall(found["span"]))
    if found["iso"]:
        read = datetime.fromisoformat(found["iso"])
        return (read if read.tzinfo else read.replace(tzinfo=zone)).timestamp()
    if not (found["half"] or found["minute"]):
        return None  # "resets 15" might be anything
    name = found["named"] or found["bare"]
    place = _zone(name) if name else zone
    if name and place is None:
        return None
    clock = _Clock(
        _hour(int(found["hour"]), found["half"]), int(found["minute"] or 0), int(found["second"] or 0), place
    )
    today = datetime.fromtimestamp(now, place).date()
    if not found["month"]:
        return clock.next(today, now)
    years = [int(found["year"])] if found["year"] else [today.year, today.year + 1]
    month = _MONTHS.index(found["month"].lower()) + 1
    moments = [moment for year in years for moment in clock.on(date(year, month, int(found["day"])))]
    return next((moment for moment in moments if moment > now), None)


@dataclass(frozen=True, slots=True)
class _Clock:
    """A time of day in a zone."""

    hour: int
    minute: int
    second: int
    zone: tzinfo | None

    def on(self, day: date) -> tuple[float, float]:
        """Return the instants of this time on *day*: two when the clocks go back, else twice the same."""
        local = datetime.combine(day, time(self.hour, self.minute, self.second), self.zone)
        return local.timestamp(), local.replace(fold=1).timestamp()

    def next(self, today: date, now: float) -> float | None:
        """Return the next occurrence after *now*, under the two exceptions of `parse_reset`."""
        later = [moment for moment in self.on(today) if moment > now]
        if later:
            just_past = 0 <= now - self.on(today - timedelta(days=1))[1] < _JUST_PAST
            return None if just_past else later[0]
        tomorrow = self.on(today + timedelta(days=1))[0]
        return tomorrow if tomorrow - now < _NEXT_DAY_WITHIN else None


def _hour(hour: int, half: str | None) -> int:
    """Return the hour of the day; 12am is 0, 12pm is 12."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"{hour} {half}")
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _zone(name: str) -> tzinfo | None:
    """Return the zone called *name*; None for one that nobody knows."""
    if name.upper() in ("UTC", "GMT", "Z"):
        return UTC
    from zoneinfo import ZoneInfo  # reads the machine's database

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also abbreviations: PST might be any of several
        return None
