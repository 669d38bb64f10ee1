"""What the shared documents and commits say, as far as the scripted agents must know it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from loops.agents.demo_agent.clone import Clone

_SCOPE = re.compile(r"\w+\(([^)]*)\)")
_STATUS_NAME = re.compile(r"STATUS-([\w.-]+?)\.md")
_PHASE_NAME = re.compile(r"\bphase(?:\s+id)?\b[\s:=`*\"']*([\w.-]*\w)", re.IGNORECASE)


def phase_of(text: str) -> str:
    """Return the phase that a kickoff speaks of: by its STATUS document, else by the word "phase"; else empty."""
    found = _STATUS_NAME.search(text) or _PHASE_NAME.search(text)
    return found[1] if found else ""


class Documents:
    """The documents of one phase in one clone."""

    __slots__ = ("clone", "folder", "phase")

    def __init__(self, clone: Clone, phase: str) -> None:
        """Find where *clone* keeps the documents of *phase*."""
        self.clone = clone
        self.phase = phase
        in_root = os.path.exists(os.path.join(clone.root, f"STATUS-{phase}.md"))
        in_folder = os.path.isdir(os.path.join(clone.root, "machine-docs"))
        self.folder = "" if in_root and not in_folder else "machine-docs"

    def path(self, kind: str) -> str:
        """Return the path of STATUS, REVIEW, BACKLOG or JOURNAL, relative to the clone."""
        return os.path.join(self.folder, f"{kind}-{self.phase}.md")

    def read(self, kind: str) -> str:
        """Return a document's text; empty when there is none."""
        try:
            with open(os.path.join(self.clone.root, self.path(kind)), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def write(self, kind: str, text: str) -> None:
        """Replace a document."""
        full = os.path.join(self.clone.root, self.path(kind))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def claims(self, since: str = "") -> list[tuple[str, str]]:
        """Return this phase's claims (commit, subject), newest first."""
        return [c for c in self.clone.log(since, self.path("STATUS")) if c[1].startswith("claim(")]

    def reviews(self, since: str = "") -> list[tuple[str, str]]:
        """Return this phase's review commits (commit, subject), newest first."""
        return [c for c in self.clone.log(since, self.path("REVIEW")) if c[1].startswith("review(")]

    def verdicts(self, items: Iterable[str], since: str) -> dict[str, bool]:
        """Return the newest verdict since *since* on each of *items* that has one: whether it passed."""
        found: dict[str, bool] = {}
        for commit, subject in self.reviews(since):
            said = [subject, *self.clone.added(commit, self.path("REVIEW")).splitlines()]
            for item in items:
                judged = [line for line in said if re.search(rf"(?<![\w-]){re.escape(item)}(?![\w-])", line)]
                if item not in found and any("PASS" in line or "FAIL" in line for line in judged):
                    found[item] = not any("FAIL" in line for line in judged)
        return found

    def claimed_items(self, since: str, otherwise: list[str]) -> list[str]:
        """Return the items claimed since *since*; *otherwise* when the subjects name none."""
        items: list[str] = []
        for _, subject in reversed(self.claims(since)):
            scope = _SCOPE.match(subject)
            words = re.split(r"[\s,+]+", scope[1]) if scope else []
            items += [word for word in words if word and word != self.phase and word not in items]
        return items or otherwise
