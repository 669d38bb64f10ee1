"""A new project in the fleet.toml of its owner: whose sessions it must leave alone, and its entry.  The project never knows."""

from __future__ import annotations

import os
from contextlib import suppress

from loops.config.fleet import Entry, Fleet, read_fleet
from loops.errors import LoopsError
from loops.projects.fleet import places, registry
from loops.projects.new import Made
from loops.projects.new_names import Neighbour, neighbour


def neighbours_in(fleet: str) -> list[Neighbour]:
    """The projects that the file at *fleet* names, as far as they are there; none when it is still to be made.

    Raises:
        ConfigProblems: it cannot be read, or is not TOML.
    """
    read = _read(fleet)
    found = (neighbour(entry.name, places.config_path(read, entry)) for entry in read.projects)
    return [each for each in found if each is not None]


def register(fleet: str, made: Made) -> Entry:
    """Enter the project *made* into the file at *fleet*, which is made when it is missing.

    Raises:
        UsageError: there is a project of that name.
        ConfigProblems: it does not go together with the others; nothing was written.
        LoopsError: the file cannot be changed.
    """
    location = places.location_of(fleet, made.root)
    entry = Entry(os.path.basename(made.root), location, ref=made.pin.ref if made.pin is not None else "")
    before = _read(fleet).projects
    try:
        registry.add(fleet, entry)
    except KeyboardInterrupt:  # perhaps behind the last write
        with suppress(LoopsError):
            if entry not in before and entry in _read(fleet).projects:
                registry.remove(fleet, entry.name)
        raise
    return entry


def _read(fleet: str) -> Fleet:
    return read_fleet(fleet).fleet if os.path.lexists(fleet) else Fleet(fleet)
