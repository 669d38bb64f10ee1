"""What another engine changes for a project that is left as it is.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loops.config.problems import Value

ENGINE = "engine"
"""Stands for the engine's own directory in values, which is another one for each engine that is asked."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value, or being there, differs.  ``None``: it is not there."""

    key: str
    before: str | None
    after: str | None
    origin: str = ""
    """Where the new value comes from."""

    def __str__(self) -> str:
        """As people read it."""
        origin = f"  ({self.origin})" if self.origin and self.after is not None else ""
        if self.before is None:
            return f"+ {self.key} = {self.after}{origin}"
        if self.after is None:
            return f"- {self.key} = {self.before}"
        return f"~ {self.key}: {self.before} -> {self.after}{origin}"


@dataclass(frozen=True, slots=True)
class Effective:
    """One effective value, as JSON text, and where it comes from."""

    value: str
    origin: str


def differences(before: Mapping[str, Effective], after: Mapping[str, Effective]) -> tuple[Change, ...]:
    """Return the effective values that differ, in the order of the new engine."""
    found = [
        Change(key, before[key].value if key in before else None, row.value, row.origin)
        for key, row in after.items()
        if key not in before or before[key].value != row.value
    ]
    found += [Change(key, row.value, None) for key, row in before.items() if key not in after]
    return tuple(found)


def schema_changes(before: Value, after: Value) -> tuple[Change, ...]:
    """Return the keys that a schema of agents.toml has more, or less, and those whose default is another one."""
    old, new = dict(_keys(before)), dict(_keys(after))
    gone = [Change(key, old[key], None) for key in old.keys() - new.keys()]
    others = [Change(key, old.get(key), value) for key, value in new.items() if old.get(key) != value]
    return tuple(sorted([*gone, *others], key=lambda change: change.key))


def _keys(schema: Value) -> Iterator[tuple[str, str]]:
    """Each key as ``table.key``, with its default."""
    import json

    definitions = schema.get("$defs") if isinstance(schema, dict) else None
    for name, table in (definitions or {}).items():
        for key, about in (table.get("properties") or {}).items():
            yield f"{name}.{key}", f"default {json.dumps(about['default'])}" if "default" in about else "no default"
