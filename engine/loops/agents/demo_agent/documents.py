"""What the shared documents and commits say, as far as the scripted agents must know it."""

from __future__ import annotations

import os
import re

from loops.agents.demo_agent.clone import Clone

_CLAIM = re.compile(r"claim\(([^)]*)\)")
_STATUS_NAME = re.compile(r"STATUS-([\w.-]+?)\.md")
_PHASE_NAME = re.compile(r"\bphase(?:[\s_]id)?\b[\s:=`*\"']*([\w.-]*\w)", re.IGNORECASE)


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

    def claim_of(self, item: str, since: str = "") -> str:
        """Return the newest claim commit on *item* after *since*; empty when there is none."""
        for commit, subject in self.clone.log(since, self.path("STATUS")):
            if subject.startswith("claim(") and _names(item, subject):
                return commit
        return ""

    def claimed_items(self) -> list[str]:
        """Return the items of this phase that were ever claimed, by the brackets of the claims' subjects."""
        items: list[str] = []
        for _, subject in reversed(self.clone.log("", self.path("STATUS"))):
            scope = _CLAIM.match(subject)
            words = re.split(r"[\s,+]+", scope[1].strip()) if scope else []
            named = [word for word in words if word != self.phase] or words  # an item may be called like its phase
            items += [word for word in named if word not in items]
        return items

    def verdict_on(self, item: str) -> bool | None:
        """Return whether *item* passed since its newest claim; None: not claimed, or not judged yet."""
        claim = self.claim_of(item)
        if not claim:
            return None
        for commit, subject in self.clone.log(claim, self.path("REVIEW")):
            if subject.startswith("review("):
                said = [subject, *self.clone.added(commit, self.path("REVIEW")).splitlines()]
                judged = [part for line in said for part in re.split("[,;]", line) if _names(item, part)]
                if any("FAIL" in part for part in judged):
                    return False
                if any("PASS" in part for part in judged):
                    return True
        return None


def _names(item: str, line: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(item)}(?![\w-])", line) is not None
