"""What a review commit says, as the evidence of its phase holds it."""

from __future__ import annotations

from typing import Any

from loops.config.model import Handoff
from loops.errors import JournalError
from loops.projects.report.life import Mark
from loops.protocol.encoding import decode
from loops.protocol.evidence import PhaseEvidence
from loops.protocol.review import Result
from loops.protocol.statements import ALL, Vocabulary
from loops.protocol.subjects import parse_subject
from loops.supervisor import events as ev


def evidence_of(document: Any) -> PhaseEvidence | None:
    """Decode an event's evidence; None when another version wrote it."""
    try:
        return decode(document)
    except JournalError:
        return None


def judged(document: Any, seen: ev.CommitSeen) -> tuple[Mark, tuple[str, ...]]:
    """Return the mark of a review commit, and what it says of each item.

    A later commit of the same push may have judged the same item again; then only the subject still tells.
    """
    evidence = evidence_of(document)
    said: list[tuple[str, Result]] = []
    if evidence is not None:
        said = [(one.item, one.result) for one in evidence.verdicts.values() if one.at.sha == seen.sha]
    if not said:
        handoff = Handoff("", review=seen.subject_line.split("(", 1)[0] + "(")
        subject = parse_subject(seen.subject_line, handoff, Vocabulary((), seen.phase))
        said = [(one.item, one.result) for one in subject.verdicts]
    details = tuple(f"{'all items' if item == ALL else item}: {result.value}" for item, result in said)
    return _mark([result for _, result in said]), details


def _mark(results: list[Result]) -> Mark:
    if Result.FAIL in results:
        return Mark.FAIL
    return Mark.PASS if results and all(result is Result.PASS for result in results) else Mark.UNCLEAR
