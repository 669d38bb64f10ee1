"""What a script may ask for while it is read: its environment and files, with bounds on both and on the work."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from loops.config.problems import ConfigProblems
from loops.projects.deployment.files import Files

STEPS = 50_000
"""Of one evaluation; a real kickoff takes some hundreds."""
LONGEST = 1 << 20
"""Characters of any text that comes up."""
DEPTH = 40
"""Calls within calls."""


class CannotTell(Exception):
    """Something that is not evaluated.  ``place``: file and line."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place, self.what = place, what


@dataclass(frozen=True, slots=True)
class Asked:
    """A variable of the environment that the script asks for.  ``default`` None: there is none."""

    name: str
    place: str
    default: str | None = None


@dataclass(slots=True)
class World:
    """``overlay``: files that are to be read otherwise than they are, by absolute path."""

    files: Files
    environment: Mapping[str, str]
    overlay: dict[str, str] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    steps: int = STEPS
    depth: int = 0

    def place(self, path: str, node: ast.AST | None) -> str:
        """File and line, as people are told."""
        shown = self.files.shown(path)
        return f"{shown}:{getattr(node, 'lineno', 0)}" if node is not None else shown

    def step(self, path: str, node: ast.AST) -> None:
        """Count one step of the work."""
        self.steps -= 1
        if self.steps < 0:
            raise CannotTell(self.place(path, node), "it takes too many steps")

    def read(self, path: str) -> str:
        """Return a file's text as Python would.  Raises OSError, ValueError."""
        absolute = self.files.place(path)
        if absolute in self.overlay:
            return self.overlay[absolute]
        try:
            raw = self.files.bytes(absolute)
        except ConfigProblems as error:
            raise OSError(str(error)) from None
        if raw is None:
            raise FileNotFoundError(absolute)
        if len(raw) > LONGEST:
            raise OSError(f"{absolute} is too large")
        return raw.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")

    def there(self, path: str, kind: str) -> bool:
        """Whether there is a file, or a directory, at *path*; *kind*: exists, isfile, isdir."""
        absolute = self.files.place(path)
        if absolute in self.overlay:
            return kind != "isdir"
        return {"exists": os.path.exists, "isfile": os.path.isfile, "isdir": os.path.isdir}[kind](absolute)
