"""Reading agents.toml: file, document, facts.  All mistakes of the file are raised together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from loops.config.build import Built, build
from loops.config.model import Config
from loops.config.positions import Positions
from loops.config.problems import ConfigProblems, DocPath, Problem
from loops.config.toml_file import TomlFile, parse_toml, read_bytes, too_deep


@dataclass(frozen=True, slots=True)
class Loaded:
    """A good file: its facts, where each stands, and the identity of the bytes that were read."""

    built: Built
    positions: Positions
    about: os.stat_result

    def line(self, row: str) -> int:
        """Return the line of the value with the row key *row*; 0 when the file does not give it."""
        place = self.built.sources.get(row)
        return self.positions.line(place) if place else 0


def load(path: str, *, env: Mapping[str, str] | None = None) -> Config:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it.

    *env* is looked through for one-shot overrides that name nothing in this project: they become notes.
    """
    config = read(path).built.config
    if not env:
        return config
    from loops.config.precedence import Overrides

    return replace(config, notes=config.notes + Overrides.from_env(env, config).notes)


def read(path: str) -> Loaded:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it."""
    return _read(path, lenient=False)[0]


def read_foreign(path: str) -> tuple[Loaded, Mapping[DocPath, Problem]]:
    """Read a file of another engine: its keys that nobody here knows are passed over, and returned by their place.

    Raises:
        ConfigProblems: every other mistake in it.
    """
    return _read(path, lenient=True)


def _read(path: str, *, lenient: bool) -> tuple[Loaded, Mapping[DocPath, Problem]]:
    import hashlib

    path = os.path.abspath(path)
    raw, about = read_bytes(
        path, name="agents.toml", absent="write one with `loops init`, or name another with --config"
    )
    file = parse_toml(path, raw)
    strange: dict[DocPath, Problem] = {}
    try:
        if lenient:
            file, strange = _without_strange(file)
        _check(file)
    except RecursionError:
        raise too_deep(path) from None
    return Loaded(build(file.document, path, hashlib.sha256(raw).hexdigest()), file.positions, about), strange


def _without_strange(file: TomlFile) -> tuple[TomlFile, dict[DocPath, Problem]]:
    from loops.config import contract, rules

    strange = {
        place: file.problem(place, message)
        for place, message in sorted(contract.breaches(file.document), key=str)
        if message.startswith(contract.UNKNOWN)
    }
    return (replace(file, document=rules.without(file.document, strange)) if strange else file), strange


def _check(file: TomlFile) -> None:
    from loops.config import contract, rules

    misread = contract.breaches(file.document)
    places = {place for place, _ in misread}
    broken = [*misread, *rules.breaches(rules.without(file.document, places), places)]
    if broken:
        raise ConfigProblems(file.problem(place, message) for place, message in dict.fromkeys(broken))
