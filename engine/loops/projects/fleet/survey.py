"""What is there of a fleet's projects: one look at each, and a broken one stops no other."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from loops.config import ConfigProblems, Problem, load
from loops.config.fleet import Entry, Fleet
from loops.errors import LoopsError
from loops.projects.fleet import pins, places


@dataclass(frozen=True, slots=True)
class Sight:
    """What was found of one project.  Paths are absolute and without symbolic links."""

    entry: Entry
    root: str
    config_path: str
    remote: bool
    """Its location is a URL: ``root`` is a checkout."""
    there: bool
    """``root`` is a directory."""
    prefix: str = ""
    """Empty: its configuration could not be read."""
    log_dir: str = ""
    sessions: tuple[tuple[str, str], ...] = ()
    """(agent, session) of those whose session is not the prefix and the name."""
    problems: tuple[Problem, ...] = ()
    """With its agents.toml."""
    pin: pins.Pin | None = None
    mirror: pins.Mirror = pins.Mirror.NONE
    trouble: str = ""
    """Why its pin could not be read."""


def look(fleet: Fleet, entry: Entry) -> Sight:
    """Look at the project of *entry*.  Nothing that is wrong with it raises."""
    root = places.root(fleet, entry)
    sight = Sight(entry, root, places.config_path(fleet, entry), places.is_url(entry.location), os.path.isdir(root))
    if entry.ref:
        sight = replace(sight, mirror=pins.Mirror.UNKNOWN)
    return _with_pin(_with_config(sight)) if sight.there else sight


def _with_config(sight: Sight) -> Sight:
    try:
        config = load(sight.config_path)
    except ConfigProblems as error:
        return replace(sight, problems=error.problems)
    prefix = config.session_prefix
    odd = [(each.name, each.session) for each in config.agents.values() if each.session != prefix + each.name]
    return replace(sight, prefix=prefix, log_dir=os.path.realpath(config.log_dir), sessions=tuple(odd))


def _with_pin(sight: Sight) -> Sight:
    try:
        pin = pins.read_pin(sight.root)
        mirror = pins.mirrored(sight.root, pin, sight.entry.ref) if pin is not None else pins.Mirror.UNKNOWN
    except LoopsError as error:
        return replace(sight, trouble=str(error))
    return replace(sight, pin=pin, mirror=mirror if sight.entry.ref else pins.Mirror.NONE)
