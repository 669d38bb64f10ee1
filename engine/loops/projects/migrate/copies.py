"""What the staged project takes over byte for byte, and under which name."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from loops.config.problems import ConfigProblems, Problem
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Deployment
from loops.secrets.redaction import redact

RESERVED = frozenset({"agents.toml", "MIGRATION.md", "migration.json", ".gitignore"})
"""Names that the migration writes itself."""
_OWN = (".git", ".loops")


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of the staged project.  ``origin``: what it was in the live deployment; ``to`` is relative."""

    origin: str
    to: str
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return sha256(self.content).hexdigest()


@dataclass(slots=True)
class Copies:
    """The copies of one migration, each under a name of its own."""

    deployment: Deployment
    files: Files
    by_name: dict[str, Copy] = field(default_factory=dict)

    def take(self, path: str, want: str = "") -> str:
        """Copy the document at *path* and return its name in the staged project; *want*: the name that it should have.

        Empty when there is no such file.

        Raises:
            ConfigProblems: a key seems to stand in it: the staged project is a repository, and no place for that.
        """
        content = self._content(path)
        if content is None:
            return ""
        if redact(content.decode("utf-8", "replace")) != content.decode("utf-8", "replace"):
            why = (
                "seems to hold a secret, which must not get into a repository: take it out, and let it be a credential"
            )
            raise ConfigProblems([Problem(self.files.place(path), 0, "", why)])
        shown = self.files.shown(path)
        for name in self._names(want or shown):
            known = self.by_name.setdefault(name, Copy(shown, name, content))
            if known.origin == shown:
                return name
        raise AssertionError("the names never end")

    def absent(self, path: str) -> str:
        """Return the name by which a document that is not there is looked for: here, or where it was."""
        shown = self.files.shown(path)
        return shown if shown == next(self._names(shown)) else self.files.place(path)

    def write(self, want: str, content: str, origin: str) -> str:
        """Add a text that is made, not copied; return its name, which is *want* if nothing else has it."""
        for name in self._names(want):
            if name not in self.by_name:
                self.by_name[name] = Copy(origin, name, content.encode("utf-8", "surrogateescape"))
                return name
        raise AssertionError("the names never end")

    def _content(self, path: str) -> bytes | None:
        text = self.deployment.texts.get(path)
        return self.files.bytes(path) if text is None else text.encode("utf-8", "surrogateescape")

    def _names(self, wanted: str) -> Iterator[str]:
        """The name that is wanted, where it may stand; else one below prompts/ that nobody has."""
        outside = os.path.isabs(wanted) or wanted in RESERVED or wanted.split("/", 1)[0] in _OWN
        if not outside:
            yield wanted
        stem, dot, end = posixpath.basename(wanted).partition(".")
        yield f"prompts/{stem}{dot}{end}"
        number = 2
        while True:
            yield f"prompts/{stem}-{number}{dot}{end}"
            number += 1
