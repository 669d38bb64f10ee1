"""Which file is which: the names of a phase's documents, who writes them, and what counts as code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from posixpath import basename, dirname, splitext

from loops.config.model import Phase


@dataclass(frozen=True, slots=True)
class Names:
    """File names (without a directory) of one phase's documents."""

    status: str
    review: str
    backlog: str
    journal: str


@lru_cache(maxsize=256)
def names_of(phase_id: str, status: str = "") -> Names:
    """The names for a phase; a status document of another name lends its ending to its siblings."""
    status = basename(status) or f"STATUS-{phase_id}.md"
    rest = status.removeprefix("STATUS") if status.startswith("STATUS") else f"-{phase_id}.md"
    return Names(status, f"REVIEW{rest}", f"BACKLOG{rest}", f"JOURNAL{rest}")


def names(phase: Phase) -> Names:
    """The names of *phase*'s documents."""
    return names_of(phase.id, phase.status)


_DOCUMENT = re.compile(
    r"(?:STATUS|REVIEW|BACKLOG|JOURNAL)(?:-(?P<phase>[^/]+))?\.md|DECISIONS\.md|DEFERRED\.md|(?:BUILDER|ADVERSARY)-INBOX\.md"
)
_DOCUMENT_SUFFIXES = frozenset((".md", ".txt", ".log", ".json", ".jsonl", ".png", ".jpg", ".svg", ".html"))
"""What may lie in the documents' directory without being code; a script there is code all the same."""


def is_document(path: str, inbox: str) -> bool:
    """Whether *path* (from the repository's root) is one of the agents' documents: its change makes no PASS stale."""
    directory = dirname(path)
    home = inbox.strip("/").removeprefix("./")
    if directory in ("", home) and _DOCUMENT.fullmatch(basename(path)):
        return True
    inside = bool(home) and home != "." and (directory == home or directory.startswith(f"{home}/"))
    return inside and splitext(path)[1].lower() in _DOCUMENT_SUFFIXES


def phase_named_by(path: str) -> str | None:
    """The phase whose document *path* is (``machine-docs/STATUS-1c.md``: ``1c``); None for all other files."""
    found = _DOCUMENT.fullmatch(basename(path))
    return found["phase"] if found else None


@lru_cache(maxsize=512)
def covering(glob: str) -> re.Pattern[str]:
    """The paths that *glob* covers: ``*`` stays in a directory, ``**`` does not, a plain directory covers all in it."""
    glob = glob.strip().removeprefix("./").rstrip("/")
    out, index = "", 0
    while index < len(glob):
        if glob.startswith("**/", index):
            out, index = out + "(?:[^/]+/)*", index + 3
        elif glob.startswith("**", index):
            out, index = out + ".*", index + 2
        elif glob[index] == "*":
            out, index = out + "[^/]*", index + 1
        elif glob[index] == "?":
            out, index = out + "[^/]", index + 1
        else:
            out, index = out + re.escape(glob[index]), index + 1
    return re.compile(rf"{out}(?:/.*)?", re.DOTALL)
