"""Times as people and models write them, with the precision they have and no more."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum


class Precision(Enum):
    """How much of a time was written."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"
    CLOCK = "clock"
    """A time of day without its date: no instant can be told from it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """``epoch``: seconds since 1970 UTC, None where the writing does not fix an instant (no date, or no zone)."""

    written: str
    precision: Precision
    epoch: float | None = None
    approximate: bool = False
    """Written with a tilde."""


_MOMENT = re.compile(
    r"(?P<about>~)?(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:(?:T|[ ]{1,2})(?P<about2>~)?(?P<time>\d{2}:\d{2}(?P<sec>:\d{2}(?:\.\d{1,9})?)?)[ ]?"
    r"(?P<zone>Z\b|UTC\b|[+-]\d{2}:?\d{2})?)?"
    r"|(?P<about3>~)?(?<![\d:])(?P<clock>\d{2}:\d{2}(?::\d{2})?)Z\b"
)


def first_moment(text: str) -> Moment | None:
    """The first time in *text*; None when there is none that exists in the calendar."""
    for found in _MOMENT.finditer(text):
        moment = _moment(found)
        if moment:
            return moment
    return None


def epoch_of(iso: str) -> float | None:
    """Seconds since 1970 for a whole ISO 8601 time with its zone; None for anything else."""
    try:
        when = datetime.fromisoformat(iso)
        return when.timestamp() if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def iso(epoch: float) -> str:
    """The canonical writing: UTC, seconds, ``Z``."""
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """A length of time in its two largest units: 7s, 3m 20s, 5h 02m, 2d 04h."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def _moment(found: re.Match[str]) -> Moment | None:
    written = found.group()
    about = bool(found["about"] or found["about2"] or found["about3"])
    if found["clock"]:
        return Moment(written, Precision.CLOCK, None, about)
    date, time, zone = found["date"], found["time"], found["zone"]
    if not time:
        day = epoch_of(f"{date}T00:00:00+00:00")
        return None if day is None else Moment(written, Precision.DAY, None, about)
    precision = Precision.SECOND if found["sec"] else Precision.MINUTE
    offset = "+00:00" if zone in ("Z", "UTC", None) else zone
    epoch = epoch_of(f"{date}T{time}{offset}")
    if epoch is None:
        return None
    return Moment(written, precision, epoch if zone else None, about)


def wall(moment: float) -> str:
    """A wall time (epoch seconds), as a person on this machine says it."""
    return time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(moment))
