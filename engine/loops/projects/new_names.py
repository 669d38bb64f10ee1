"""What a new project may be called, and which session prefixes leave its neighbours theirs."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from loops.errors import UsageError
from loops.places import CONFIG_NAME

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60
"""Letters: the name is part of directories, units and sessions."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A project whose sessions live on the same host.  ``place``: its agents.toml, as people should find it."""

    name: str
    prefix: str
    place: str


def check_name(name: str) -> None:
    """Raise UsageError, with the nearest good name, unless *name* is kebab-case."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{name!r} cannot name a project: names are lower-case words joined by single dashes, begin with a letter and "
            f"have at most {_LONGEST} characters; try {suggestion(name)!r}"
        )


def suggestion(name: str) -> str:
    """The nearest good name: ``My Project`` and ``myProject`` become ``my-project``, ``2nd try`` becomes ``p-2nd-try``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", plain)
    words = "-".join(re.findall(r"[a-z0-9]+", apart.lower()))
    if not words:
        return "project"
    whole = words if words[0].isalpha() else f"p-{words}"
    return whole[:_LONGEST].rstrip("-")


def collision(prefix: str, neighbours: Iterable[Neighbour]) -> Neighbour | None:
    """The first neighbour whose prefix begins like *prefix*, or the other way round: their sessions could be mistaken."""
    return next((each for each in neighbours if prefix.startswith(each.prefix) or each.prefix.startswith(prefix)), None)


def free_prefix(name: str, neighbours: Iterable[Neighbour]) -> str:
    """A prefix near *name* that collides with nobody's; empty when none near is free."""
    taken = tuple(neighbours)
    # "demo2-" and "demo-" leave each other alone; "demo-2-" begins like "demo-".
    stems = [
        name,
        *(f"{name}{number}" for number in range(2, 100)),
        *(f"{letter}-{name}" for letter in ascii_lowercase),
    ]
    return next((f"{stem}-" for stem in stems if collision(f"{stem}-", taken) is None), "")


def around(parent: str) -> list[Neighbour]:
    """The projects that lie in *parent*, and those that it lies in.

    One whose agents.toml cannot be read has no known prefix, and is left out.
    """
    try:
        beside = [os.path.join(parent, name) for name in sorted(os.listdir(parent)) if not name.startswith(".")]
    except OSError:  # it is to be made
        beside = []
    above = [parent]
    while above[-1] != os.path.dirname(above[-1]):
        above.append(os.path.dirname(above[-1]))
    found = (neighbour(os.path.basename(each), os.path.join(each, CONFIG_NAME)) for each in (*beside, *above))
    return [each for each in found if each is not None]


def neighbour(name: str, place: str) -> Neighbour | None:
    """The project whose agents.toml is at *place*; None when it says no prefix, or cannot be read."""
    import tomli

    try:
        with open(place, "rb") as file:
            document: Mapping[str, Any] = tomli.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    defaults = document.get("defaults")
    prefix = defaults.get("session_prefix") if isinstance(defaults, dict) else None
    return Neighbour(name, prefix, place) if isinstance(prefix, str) and prefix else None
