"""A difference before anybody asked who it was: what the comparisons of files, of what runs and of git give to the check."""

from __future__ import annotations

import time
from dataclasses import dataclass

from loops.projects.untouched.touch import Change, Thing

NOTHING = "-"
"""Before it was there, or after it was gone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.  ``names``: what rules may call the thing, beside its ``place``."""

    thing: Thing
    place: str
    change: Change
    before: str
    after: str
    names: tuple[str, ...] = ()
    mark: str = ""
    """By what it is known as loops' own; empty: it is not."""
    beside: bool = False
    """Nothing of the live system is concerned, if it is ours."""
    hints: tuple[str, ...] = ()


def clock(seconds: float) -> str:
    """A moment as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def fine_clock(nanoseconds: int) -> str:
    """The same with every digit that a file system has."""
    return f"{clock(nanoseconds // 10**9)[:-1]}.{nanoseconds % 10**9:09d}Z"
