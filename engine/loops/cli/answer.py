"""What a command gives back: facts for programs, lines for people, one exit code.  `loops.cli.entry` prints one of the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """``facts`` are printed by ``--json`` as one object, with ``ok``; ``lines`` are printed otherwise, as they come."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    lines: Iterable[str] = ()
    code: int = 0


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay *rows* out in columns; the last one is as wide as it likes."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
