"""Reading agents.toml: file, document, facts.  All mistakes of the file are raised together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from loops.config.build import Built, build
from loops.config.model import Config
from loops.config.positions import Positions
from loops.config.problems import ConfigProblems
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
    from dataclasses import replace

    from loops.config.precedence import Overrides

    return replace(config, notes=config.notes + Overrides.from_env(env, config).notes)


def read(path: str) -> Loaded:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it."""
    import hashlib

    path = os.path.abspath(path)
    raw, about = read_bytes(
        path, name="agents.toml", absent="write one with `loops init`, or name another with --config"
    )
    file = parse_toml(path, raw)
    try:
        _check(file)
    except RecursionError:
        raise too_deep(path) from None
    return Loaded(build(file.document, path, hashlib.sha256(raw).hexdigest()), file.positions, about)


def _check(file: TomlFile) -> None:
    from loops.config import contract, rules

    misread = contract.breaches(file.document)
    places = {place for place, _ in misread}
    broken = [*misread, *rules.breaches(rules.without(file.document, places), places)]
    if broken:
        raise ConfigProblems(file.problem(place, message) for place, message in dict.fromkeys(broken))
