"""What is wrong with a configuration, one fact for each mistake, so that a person can mend them all in one go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loops.errors import ConfigError

TYPE_CHECKING = False  # importing `typing` would take a quarter of a start from the cache
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Value: TypeAlias = Any
else:
    Value = object
"""A value of a document, or of JSON.  The schema is what vouches for its type."""

DocPath: TypeAlias = tuple[str | int, ...]
"""Where something stands in a TOML document: table keys, and indices (from 0) into lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.  ``line`` counts from 1; when the file has no lines to point at, it is 0 and ``key`` empty."""

    path: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        """``path:line: key: message``, without the parts that are unknown."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigProblems(ConfigError):
    """All mistakes of a file, or of several, sorted by file and line; the text has one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take the problems in any order.  What they quote may be a key in a wrong place, and they are journaled."""
        from loops.secrets.redaction import redact  # only needed when something is wrong

        shown = (Problem(each.path, each.line, redact(each.key), redact(each.message)) for each in problems)
        self.problems = tuple(sorted(shown, key=_order))
        super().__init__("\n".join(map(str, self.problems)))


def _order(problem: Problem) -> tuple[str, int, str, str]:
    return problem.path, problem.line, problem.key, problem.message


def quoted(text: str) -> str:
    """Return *text* in quotes, on one line and without anything that a terminal would obey."""
    import json

    shown = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown)


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return a question that names the known word nearest to *word*, or nothing when none is near (*likeness*, to 1)."""
    import difflib  # only needed when something is wrong

    close = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=likeness)
    return f'; did you mean "{close[0]}"?' if close else ""
