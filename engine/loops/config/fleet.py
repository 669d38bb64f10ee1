"""fleet.toml: where the projects of a host are, checked against its schema, as frozen facts.

The engine that the format comes from takes keys of which not all are known.  A key that is unknown here is therefore a
note for people, unless it is nearly the name of a known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loops.config.problems import TYPE_CHECKING, ConfigProblems, DocPath, Problem, Value, nearest
from loops.config.toml_file import TomlFile, read_toml, spoken, too_deep
from loops.errors import UsageError

if TYPE_CHECKING:
    from loops.config.contract import Breach

KEYS = ("name", "location", "harness", "ref", "enabled", "secrets", "config", "dir")
_ABSENT = "add a first project with `loops fleet add`, or name another file with --fleet"


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
        known = ", ".join(each.name for each in self.projects) or "none"
        hint = nearest(name, [each.name for each in self.projects])
        raise UsageError(f"{self.path}: there is no project {name!r}{hint}; known: {known}")


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that may have mistakes: they, and what is sound besides."""

    file: TomlFile
    fleet: Fleet
    """With the sound projects alone."""
    problems: tuple[Problem, ...]
    places: Mapping[str, DocPath] = field(default_factory=dict)
    """Where the project of a name stands in the document."""

    def problem(self, name: str, key: str, message: str) -> Problem:
        """Return *message* about the *key* of the project *name*."""
        return self.file.problem((*self.places[name], key), message)


def load_fleet(path: str) -> Fleet:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it."""
    reading = read_fleet(path)
    if reading.problems:
        raise ConfigProblems(reading.problems)
    return reading.fleet


def read_fleet(path: str) -> Reading:
    """Read the file at *path* as far as it can be understood.

    Raises:
        ConfigProblems: it cannot be read, or is not TOML: nothing in it can be understood.
    """
    from loops.config import fleet_rules

    file = read_toml(path, name="fleet.toml", absent=_ABSENT)
    try:
        breaches = dict.fromkeys(fleet_rules.breaches(file.document))
    except RecursionError:
        raise too_deep(file.path) from None
    return _reading(file, breaches)


def _reading(file: TomlFile, breaches: Mapping[Breach, None]) -> Reading:
    broken = {place[:2] for place, _ in breaches}
    tables = file.document.get("project", [])
    sound = {("project", index): table for index, table in enumerate(tables) if ("project", index) not in broken}
    if ("project",) in broken:
        sound = {}
    about = file.document.get("fleet", {})
    version = about.get("version", 1) if isinstance(about, dict) and ("fleet", "version") not in broken else 1
    entries = {place: _entry(table) for place, table in sound.items()}
    fleet = Fleet(file.path, tuple(entries.values()), version, tuple(_notes(file, version)))
    problems = tuple(file.problem(place, message) for place, message in breaches)
    return Reading(file, fleet, problems, {entry.name: place for place, entry in entries.items()})


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
