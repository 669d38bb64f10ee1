"""The projects of a fleet as those need them who run or show it: name, agents.toml, enabled or not; kept, to come quickly.

A cache holds as long as fleet.toml is the very same file.  This module imports little: ``loops fleet status`` starts here.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass

from loops.config.cache import made_from, write
from loops.errors import LoopsError
from loops.supervisor.membership import CrewPlace

_TICK = 0.02
"""Seconds; two changes of a file within the same tick of the file system's clock can have equal times."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One project.  ``config_path``: of its agents.toml, as `loops.places.Runtime` wants it; it may not be there."""

    name: str
    config_path: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Roster:
    """``projects``: those whose entries are sound, in the file's order.  ``problems``: what is wrong with the others."""

    path: str
    projects: tuple[Listed, ...]
    problems: tuple[str, ...] = ()


def roster(path: str) -> Roster:
    """Return the projects that the fleet.toml at *path* names.

    Raises:
        ConfigError: it cannot be read at all.
    """
    known = kept(path)
    return known if known is not None else read(path)


def kept(path: str) -> Roster | None:
    """The roster from its cache; None when there is none that holds."""
    place = CrewPlace(path)
    try:
        with open(place.roster, "rb") as file:
            facts = json.loads(file.read())
        if facts["made_from"] != made_from(place.fleet, os.stat(place.fleet), "fleet"):
            return None
        listed = [Listed(name, os.path.realpath(where), enabled) for name, where, enabled in facts["projects"]]
        return Roster(place.fleet, tuple(listed), tuple(facts["problems"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # missing, torn, or of another engine: it is made anew


def read(path: str) -> Roster:
    """Read fleet.toml itself, and keep what it says."""
    from loops.config.fleet import ABSENT, parse_fleet
    from loops.config.toml_file import read_bytes
    from loops.projects.fleet import places

    place = CrewPlace(path)
    raw, about = read_bytes(place.fleet, name="fleet.toml", absent=ABSENT)
    reading = parse_fleet(place.fleet, raw)
    facts = {
        "made_from": made_from(place.fleet, about, "fleet"),
        "projects": [
            (each.name, places.named_config(reading.fleet, each), each.enabled) for each in reading.fleet.projects
        ],
        "problems": [str(problem) for problem in reading.problems],
    }
    if _is_old_enough(about):
        place.create()
        write(place.roster, json.dumps(facts).encode())
    listed = [
        Listed(each.name, places.config_path(reading.fleet, each), each.enabled) for each in reading.fleet.projects
    ]
    return Roster(place.fleet, tuple(listed), tuple(map(str, reading.problems)))


def _is_old_enough(about: os.stat_result) -> bool:
    import time

    return abs(time.time_ns() - about.st_mtime_ns) >= _TICK * 1e9


def command(path: str) -> list[str]:
    """The command that reads the file at *path* in a process of its own, and keeps what it says.

    A process that lives for weeks needs neither the TOML parser nor the validator, 15 MB, more than once.
    """
    return [sys.executable, "-P", "-m", "loops.projects.fleet.roster", path]


def main(path: str) -> int:
    """Keep what the file at *path* says; 3 and the problems when it cannot be read at all."""
    import time

    try:
        time.sleep(_TICK)  # what is younger is not kept
        read(path)
    except LoopsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
