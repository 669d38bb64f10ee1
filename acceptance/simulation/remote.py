"""The git remote of the simulated project, and the truth about it that the brain has to find out from texts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from loops.protocol.evidence import Commit, Documents

FIELDS = "**WHAT:** all of it\n**HOW:** `pytest`\n**EXPECTED:** 12 passed\n**WHERE:** src at HEAD\n"


@dataclass
class Phase:
    """What really happened in one phase."""

    claim: str = ""
    """The last claim's commit; "" before the first."""
    claim_at: float = 0.0
    complete: bool = True
    """Whether that claim said WHAT, HOW, EXPECTED and WHERE."""
    passed_at: dict[str, float] = field(default_factory=dict)
    """When each item got the PASS that still stands."""
    answered: bool = True
    """Whether the last claim has a verdict."""
    candidate: str = ""
    veto: bool = False
    marker: bool = False


class Remote:
    """One branch.  ``truth``: by phase id."""

    def __init__(self, items: dict[str, tuple[str, ...]]) -> None:
        self.items = items
        self.truth = {phase: Phase() for phase in items}
        self.texts: dict[str, Documents] = {}
        self.log: list[tuple[Commit, dict[str, Documents]]] = []
        self.inbox: dict[str, str] = {}
        self.places: dict[str, int] = {}

    def add_phase(self, phase: str, items: tuple[str, ...]) -> None:
        self.items[phase] = items
        self.truth[phase] = Phase()

    @property
    def head(self) -> str:
        return self.log[-1][0].sha if self.log else ""

    # ---- what the Builder pushes ---------------------------------------------------------------------------------

    def claim(self, phase: str, at: float, *, complete: bool) -> str:
        """New code, and the claim that all items of the phase are ready."""
        truth = self.truth[phase]
        gates = "\n".join(f"## Gate: {i} — CLAIMED\n\n{FIELDS if complete else 'ready'}" for i in self.items[phase])
        labels = ", ".join(self.items[phase])
        sha = self._commit("builder", f"claim({labels}): ready", at, ("src/a.py",), phase, status=gates)
        truth.claim = truth.candidate = sha
        truth.claim_at, truth.complete, truth.answered, truth.marker = at, complete, False, False
        truth.passed_at.clear()
        return sha

    def mark(self, phase: str, at: float) -> None:
        """The done marker, deserved or not."""
        status = (self.texts.get(phase) or Documents(None, None)).status or ""
        self._commit("builder", "docs: done", at, (), phase, status=f"{status}\n## DONE\n\nVerified by the tests.\n")
        self.truth[phase].marker = True

    def note(self, who: str, at: float, phase: str) -> None:
        """A message for the other one's inbox."""
        name = "BUILDER-INBOX.md" if who == "adversary" else "ADVERSARY-INBOX.md"
        self._commit(who, "docs: a message", at, (f"machine-docs/{name}",), phase)
        self.inbox[self.head] = name

    # ---- what the Adversary pushes ---------------------------------------------------------------------------------

    def judge(self, phase: str, at: float, result: str, *, veto: bool = False) -> None:
        """A verdict on all items: PASS, FAIL, or "" for a message without one."""
        truth = self.truth[phase]
        items = self.items[phase]
        said = ", ".join(f"{item}: {result}" for item in items) if result else "looking into it"
        old = (self.texts.get(phase) or Documents(None, None)).review or ""
        number = len(self.log)
        lines = "".join(f"- {item}: {result} (run {number})\n" for item in items) if result else ""
        if veto and not truth.veto:
            lines += "\n## VETO: the build is not reproducible\n\n"
        elif truth.veto and not veto:
            lines += "\n## VETO withdrawn\n\n"
        self._commit("adversary", f"review({', '.join(items)}): {said}", at, (), phase, review=old + lines)
        truth.veto = veto
        if result:
            truth.answered = True
        if result == "PASS":
            truth.passed_at = dict.fromkeys(items, at)
        elif result:
            truth.passed_at.clear()

    def _commit(
        self,
        who: str,
        subject: str,
        at: float,
        paths: tuple[str, ...],
        phase: str,
        *,
        status: str | None = None,
        review: str | None = None,
    ) -> str:
        known = self.texts.get(phase, Documents(None, None))
        touched = list(paths)
        if status is not None:
            known = replace(known, status=status)
            touched.append(f"machine-docs/STATUS-{phase}.md")
        if review is not None:
            known = replace(known, review=review)
            touched.append(f"machine-docs/REVIEW-{phase}.md")
        self.texts = {**self.texts, phase: known}
        sha = hashlib.sha256(f"{len(self.log)} {subject}".encode()).hexdigest()[:40]
        self.places[sha] = len(self.log)
        self.log.append((Commit(sha, who, f"{who}@x", at, subject, tuple(touched)), self.texts))
        return sha

    # ---- what a reader gets ------------------------------------------------------------------------------------------

    def since(self, head: str, phase: str) -> tuple[tuple[Commit, Documents | None], ...]:
        """The commits after *head* with the documents of *phase* where they are needed; "" = all of them."""
        first = self.places[head] + 1 if head else 0
        names = (f"STATUS-{phase}.md", f"REVIEW-{phase}.md")
        found: list[tuple[Commit, Documents | None]] = []
        for commit, texts in self.log[first:]:
            wanted = any(path.endswith(names) for path in commit.paths) or commit.subject.startswith(
                ("claim(", "review(")
            )
            found.append((commit, texts.get(phase, Documents(None, None)) if wanted else None))
        return tuple(found)

    def inbox_since(self, head: str) -> tuple[tuple[str, str, str], ...]:
        first = self.places[head] + 1 if head else len(self.log)
        return tuple(
            (self.inbox[commit.sha], f"digest-{commit.sha[:8]}", commit.sha)
            for commit, _ in self.log[first:]
            if commit.sha in self.inbox
        )
