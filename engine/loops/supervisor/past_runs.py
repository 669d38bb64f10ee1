"""What earlier incarnations of an agent leave below the state directory, and when it goes.

Signals and answers are of use to a living incarnation only.  A recording is evidence: the newest runs of each agent stay
however old they are, the others for as long as somebody may still want to know; so the disk of a project that runs for
months is bounded by what its agents say in that time.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from loops.places import State as StatePlaces

KEPT = 20
"""The newest runs of an agent that stay."""
FORGOTTEN_AFTER = 14 * 86_400.0
"""Seconds without a write after which any other run goes."""
AT_ONCE = 4
"""Runs removed at one start at most: it must not wait for a long tidying."""


def drop(places: StatePlaces, name: str, incarnation: int, now: float) -> None:
    """Remove what no longer matters now that *incarnation* of the agent starts at *now* (epoch seconds).

    What cannot be removed stays: the next start tries again.
    """
    for old in (incarnation - 1, incarnation - 2):
        with suppress(OSError):
            os.unlink(os.path.join(places.signals, f"{name}.{old}.jsonl"))
        shutil.rmtree(os.path.join(places.answers, f"{name}.{old}"), ignore_errors=True)
    for path in old_runs(os.path.join(places.runs, name), now)[:AT_ONCE]:
        shutil.rmtree(path, ignore_errors=True)


def old_runs(directory: str, now: float) -> list[str]:
    """The recordings in *directory* that may go, oldest first."""
    try:
        numbers = sorted(int(entry) for entry in os.listdir(directory) if entry.isdecimal())
    except OSError:
        return []
    paths = (os.path.join(directory, str(number)) for number in numbers[:-KEPT])
    return [path for path in paths if _last_written(path) < now - FORGOTTEN_AFTER]


def _last_written(run: str) -> float:
    for path in (os.path.join(run, "events.normalized.jsonl"), run):
        with suppress(OSError):
            return os.stat(path).st_mtime
    return 0.0
