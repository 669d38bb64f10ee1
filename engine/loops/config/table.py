"""A table of a checked TOML document, of which it is noted what was read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from loops.config.problems import DocPath, Value

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: float | str) -> float:
    """Read a duration of the file: a number of seconds, or a text such as ``90s``, ``15m``, ``24h``, ``2d``."""
    return float(value[:-1]) * _UNITS[value[-1]] if isinstance(value, str) else float(value)


class Table:
    """One table of the document.  What is read from it is noted in ``sources`` under the table's row key."""

    def __init__(self, values: Mapping[str, Any], path: DocPath, row: str, sources: dict[str, DocPath]) -> None:
        self._values, self._path, self._row, self._sources = values, path, row, sources

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, default: Value, row: str = "") -> Value:
        """Return the value of *key*; *row* is the name of the fact when it differs from the key."""
        if key not in self._values:
            return default
        self._sources[f"{self._row}.{row or key}"] = (*self._path, key)
        return self._values[key]

    def time(self, key: str, default: float) -> float:
        return seconds(self.get(key, default))

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        return tuple(self.get(key, default))

    def words(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list, or a text that is split as a shell would."""
        value = self.get(key, default)
        return tuple(shlex.split(value) if isinstance(value, str) else value)

    def table(self, key: str, row: str = "") -> Table:
        return Table(
            self._values.get(key, {}), (*self._path, key), f"{self._row}.{row or key}".lstrip("."), self._sources
        )

    def tables(self, key: str, row: str, named: str) -> list[Table]:
        """The tables of a list; the value of *named* ends the row key of each."""
        return [
            Table(values, (*self._path, key, index), f"{row}.{values[named]}", self._sources)
            for index, values in enumerate(self._values.get(key, ()))
        ]

    def names(self) -> list[str]:
        return list(self._values)
