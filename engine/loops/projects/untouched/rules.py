"""Rules that explain a difference: what the live system's own parts do to their own things, and why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from loops.config import contract
from loops.config.problems import ConfigProblems
from loops.config.toml_file import TomlFile, read_toml
from loops.projects.untouched.touch import Cause, Change, Thing

KNOWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "known.toml")
"""The rules for the launchers and for the earlier engine; they come with ours."""
_ABSENT = "write [[rule]] tables into it; `loops untouched check --help` has an example"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.  It explains a difference of ``thing`` by one of ``changes`` whose name matches one of ``names``."""

    id: str
    why: str
    thing: Thing
    changes: tuple[Change, ...]
    names: tuple[str, ...]
    """Globs; see `matches`."""
    cause: Cause = Cause.LIVE
    lives: str = ""
    """A glob: only while a session or process of such a name lived through both looks; empty: always."""

    def explains(self, thing: Thing, change: Change, names: Iterable[str], lived: Iterable[str]) -> bool:
        """Whether it explains such a *change*; *names*: of the thing, *lived*: of sessions and processes."""
        return (
            self.thing is thing
            and change in self.changes
            and any(matches(pattern, name, thing) for pattern in self.names for name in names)
            and (not self.lives or any(fnmatchcase(name, self.lives) for name in lived))
        )


def matches(pattern: str, name: str, thing: Thing) -> bool:
    """Whether *name* fits *pattern*.

    Of a file: ``*`` stays within one part of the path, ``**`` goes over any number of them, and a pattern without a
    slash is for the last part alone.  Of anything else: as the shell's own globs, over all of the name.
    """
    if thing is not Thing.FILE:
        return fnmatchcase(name, pattern)
    return _expression(pattern).fullmatch(name if "/" in pattern else name.rpartition("/")[2]) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    written = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", pattern)
    return re.compile("".join(written.get(part, re.escape(part)) for part in parts), re.DOTALL)


def load(path: str) -> tuple[Rule, ...]:
    """Read a file of rules.  ConfigProblems: all its mistakes, with their lines."""
    file = read_toml(path, name="rule file", absent=_ABSENT)
    broken = [*contract.breaches(file.document, "untouched-rules")]
    if not broken:
        broken = _doubled(file)
    if broken:
        raise ConfigProblems(file.problem(place, message) for place, message in dict.fromkeys(broken))
    return tuple(_rule(table) for table in file.document.get("rule", []))


def known() -> tuple[Rule, ...]:
    """The rules that come with the engine."""
    return load(KNOWN)


def _doubled(file: TomlFile) -> list[contract.Breach]:
    first: dict[str, int] = {}
    found: list[contract.Breach] = []
    for number, table in enumerate(file.document.get("rule", [])):
        line = file.positions.line(("rule", number))
        if table["id"] in first:
            place = ("rule", number, "id")
            found.append((place, f"there is such a rule already, on line {first[table['id']]}: give it another id"))
        first.setdefault(table["id"], line)
    return found


def _rule(table: Mapping[str, Any]) -> Rule:
    return Rule(
        table["id"],
        table["why"],
        Thing(table["thing"]),
        tuple(map(Change, table["changes"])),
        tuple(table["names"]),
        Cause(table.get("cause", "live")),
        table.get("while", ""),
    )
