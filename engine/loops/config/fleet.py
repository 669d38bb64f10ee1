"""fleet.toml: where the projects of a host are, checked against its schema, as frozen facts.

The engine that the format comes from takes keys of which not all are known.  A key that is unknown here is therefore a
note for people, unless it is nearly the name of a known one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loops.config.problems import ConfigProblems, DocPath, Problem, Value, nearest
from loops.config.toml_file import TomlFile, parse_toml, read_bytes, spoken, too_deep
from loops.errors import UsageError

KEYS = ("name", "location", "harness", "ref", "enabled", "secrets", "config", "dir")
ABSENT = "add a first project with `loops fleet add`, or name another file with --fleet"


@dataclass(frozen=True, slots=True)
class Entry:
    """One project as the file names it; `loops.projects.fleet.places` says where that is."""

    name: str
    location: str
    """A path, absolute or relative to the file's directory, or the URL of a git repository."""
    harness: str = "loops"
    ref: str = ""
    """The mirror of the engine's pin; empty: not mirrored."""
    enabled: bool = True
    secrets: tuple[str, ...] = ()
    """Where they are."""
    config: str = "agents.toml"
    """Relative to the project's root."""
    dir: str = ""
    """Of the checkout, when ``location`` is a URL; empty: the usual one."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A whole file."""

    path: str
    """Absolute."""
    projects: tuple[Entry, ...] = ()
    """In the order of the file."""
    version: int = 1
    notes: tuple[str, ...] = ()
    """What is no mistake, but worth a line."""

    def entry(self, name: str) -> Entry:
        """Return the project called *name*.  Raises UsageError, with the nearest name."""
        for each in self.projects:
            if each.name == name:
                return each
        raise no_such_project(self.path, name, [each.name for each in self.projects])


def no_such_project(path: str, name: str, known: Sequence[str]) -> UsageError:
    """Return the error that the file at *path* names none called *name*, with the nearest of those *known*."""
    return UsageError(
        f"{path}: there is no project {name!r}{nearest(name, known)}; known: {', '.join(known) or 'none'}"
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that may have mistakes: they, and what is sound besides."""

    file: TomlFile
    fleet: Fleet
    """With what is sound; two projects may have one name."""
    problems: tuple[Problem, ...]
    places: tuple[DocPath, ...]
    """Where each of the fleet's projects stands in the document."""
    broken: frozenset[DocPath] = frozenset()
    """The tables of projects that have mistakes."""

    def problem(self, number: int, key: str, message: str) -> Problem:
        """Return *message* about the *key* of the fleet's project *number*, from 0."""
        return self.file.problem((*self.places[number], key), message)

    def entry(self, name: str) -> Entry:
        """Return the project called *name*; mistakes of others are no hindrance.

        Raises:
            ConfigProblems: its own table has mistakes.
            UsageError: there is none.
        """
        tables = self.file.document.get("project", [])
        if any(
            isinstance(tables[int(place[1])], dict) and tables[int(place[1])].get("name") == name
            for place in self.broken
        ):
            raise ConfigProblems(self.problems)
        return self.fleet.entry(name)


def load_fleet(path: str) -> Fleet:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it."""
    reading = read_fleet(path)
    if reading.problems:
        raise ConfigProblems(reading.problems)
    return reading.fleet


def load_entry(path: str, name: str) -> tuple[Fleet, Entry]:
    """Read the file at *path* for the project called *name* alone; mistakes of others are no hindrance.

    Raises:
        ConfigProblems: the file is not TOML, or this project's table has mistakes.
        UsageError: there is no such project.
    """
    reading = read_fleet(path)
    return reading.fleet, reading.entry(name)


def read_fleet(path: str) -> Reading:
    """Read the file at *path* as far as it can be understood.

    Raises:
        ConfigProblems: it cannot be read, or is not TOML: nothing in it can be understood.
    """
    path = os.path.abspath(path)
    raw, _ = read_bytes(path, name="fleet.toml", absent=ABSENT)
    return parse_fleet(path, raw)


def parse_fleet(path: str, raw: bytes) -> Reading:
    """The same of *raw*, the bytes that stand, or will stand, at *path*."""
    from loops.config import fleet_rules

    file = parse_toml(path, raw)
    try:
        unfit, others = fleet_rules.breaches(file.document)
    except RecursionError:
        raise too_deep(path) from None
    found = dict.fromkeys((*unfit, *others))
    reading = _reading(file, tuple(file.problem(*each) for each in found), {place for place, _ in unfit})
    return replace(
        reading, broken=frozenset(place[:2] for place, _ in found if len(place) > 1 and place[0] == "project")
    )


def _reading(file: TomlFile, problems: tuple[Problem, ...], unfit: set[DocPath]) -> Reading:
    entries: dict[DocPath, Entry] = {}
    tables = [] if ("project",) in unfit else file.document.get("project", [])
    for index, table in enumerate(tables):
        place: DocPath = ("project", index)
        sound = {} if place in unfit else {key: table[key] for key in table if not _is_in((*place, key), unfit)}
        if "name" in sound and "location" in sound:
            entries[place] = _entry(sound)
    about = {} if ("fleet",) in unfit or ("fleet", "version") in unfit else file.document.get("fleet", {})
    version = about.get("version", 1)
    fleet = Fleet(file.path, tuple(entries.values()), version, tuple(_notes(file, version)))
    return Reading(file, fleet, problems, tuple(entries))


def _is_in(place: DocPath, unfit: set[DocPath]) -> bool:
    """Whether something at or below *place* must not be taken."""
    return any(each[: len(place)] == place for each in unfit)


def _entry(table: Mapping[str, Value]) -> Entry:
    known = {key: table[key] for key in KEYS if key in table}
    where = known.get("secrets", "")
    known["secrets"] = tuple(text for text in ([where] if isinstance(where, str) else where) if text)
    return Entry(**known)


def _notes(file: TomlFile, version: int) -> Iterator[str]:
    from loops.config.fleet_rules import unknown

    if version > 1:
        yield f"version = {version}: this engine knows version 1, and reads what it knows"
    for place in unknown(file.document):
        yield f"{file.path}:{file.positions.line(place)}: {spoken(place, file.document)}: is no key of loops; it is left as it is"
