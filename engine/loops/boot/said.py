"""What an operator said at an installation: kept in the supervisor's unit, it holds at the next ones until something else is said.

Only what was said is kept, not what it came to: a default may be another one in the next engine, or on the next machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TypeAlias

ONCE = ("run-as", "path", "memory-high", "memory-max", "tasks-max", "cpu-weight")
"""The options of which the last word holds."""
SEVERAL = ("credential", "writable")
"""The options that may be given several times; of a credential, NAME=FILE, the last file holds."""

Said: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of each option that was given."""


def merged(before: Said, now: Said) -> dict[str, tuple[str, ...]]:
    """What holds when *now* is said after *before*."""
    told = {option: now.get(option) or before.get(option, ()) for option in ONCE}
    for option in SEVERAL:
        values = (*before.get(option, ()), *now.get(option, ()))
        last = {value.partition("=")[0] if option == "credential" else value: value for value in values}
        told[option] = tuple(last.values())
    return {option: values for option, values in told.items() if values}


def lines(said: Said) -> tuple[str, ...]:
    """The form in a unit, one a value."""
    return tuple(f"{option} {value}" for option, values in said.items() for value in values)


def read(kept: Iterable[str]) -> Said:
    """Read what `lines` wrote."""
    found: dict[str, tuple[str, ...]] = {}
    for line in kept:
        option, _, value = line.partition(" ")
        if option in ONCE or option in SEVERAL:
            found[option] = (*found.get(option, ()), value)
    return found


def words(said: Said) -> str:
    """What an operator types to say it."""
    return shlex.join(word for option, values in said.items() for value in values for word in (f"--{option}", value))
