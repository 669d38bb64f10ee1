"""Where the projects of a fleet are on this machine.

A local project is where its ``location`` says.  One whose location is a git URL is worked in as a checkout:
``checkouts/NAME`` beside fleet.toml, unless its ``dir`` names another place.
"""

from __future__ import annotations

import os
import re

from loops.config.fleet import Entry, Fleet

CHECKOUTS = "checkouts"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:[\w.-]+@)?[\w.-]+:(?!/{2})(?=\S)")
"""``https://host/path``, and the form of ssh: ``user@host:path``."""


def is_url(location: str) -> bool:
    """Return whether *location* is the URL of a repository, and no directory of this machine."""
    return bool(_URL.match(location))


def root(fleet: Fleet, entry: Entry) -> str:
    """Return the directory of the project, absolute and without symbolic links; it may not be there yet."""
    return os.path.realpath(_named_root(fleet, entry))


def _named_root(fleet: Fleet, entry: Entry) -> str:
    place = entry.location
    if is_url(place):
        place = entry.dir or os.path.join(CHECKOUTS, entry.name)
    return os.path.join(os.path.dirname(fleet.path), os.path.expanduser(place))


def config_path(fleet: Fleet, entry: Entry) -> str:
    """Return the path of the project's agents.toml, as `loops.places.Runtime` wants it; it may not be there."""
    return os.path.realpath(named_config(fleet, entry))


def named_config(fleet: Fleet, entry: Entry) -> str:
    """Return the same path with the symbolic links in it, which may lead elsewhere tomorrow."""
    return os.path.join(_named_root(fleet, entry), entry.config)


def location_of(fleet: str, directory: str) -> str:
    """Return how *directory* stands in the file at *fleet*: from there when it lies below, else absolute."""
    below = os.path.relpath(directory, os.path.dirname(os.path.abspath(fleet)))
    return os.path.abspath(directory) if below == ".." or below.startswith("../") else below
