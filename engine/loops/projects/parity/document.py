"""A comparison as one JSON document (``schemas/parity.schema.json``).  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loops.projects.deployment.model import Document
from loops.projects.parity.comparison import Comparison, Finding, Parting, Side, Verdict
from loops.secrets.redaction import redacted


def document(comparison: Comparison) -> Mapping[str, Any]:
    """Return all facts of *comparison*, with secrets cut out and in full length."""
    counts = {verdict.value: comparison.count(verdict) for verdict in Verdict}
    reasons: dict[str, list[str]] = {}
    for gap in comparison.gaps:
        reasons.setdefault(gap.reason, []).append(str(gap.place))
    facts: Mapping[str, Any] = redacted(
        {
            "live": [_side(side) for side in comparison.live],
            "staged": _side(comparison.staged),
            "date": comparison.today.isoformat(),
            "parity": comparison.clean,
            "counts": {**counts, "not compared": len(comparison.gaps)},
            "findings": [_finding(finding) for finding in comparison.findings],
            "not_compared": [{"reason": reason, "places": places} for reason, places in reasons.items()],
            "rules": [
                {
                    "id": use.id,
                    "place": use.place,
                    "reason": use.reason,
                    "expires": use.expires.isoformat(),
                    "standing": use.standing.value,
                    "matches": use.matches,
                }
                for use in comparison.rules
            ],
        }
    )
    return facts


def _side(side: Side) -> dict[str, Any]:
    return {"source": side.source, "form": side.form, "root": side.root}


def _finding(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "place": str(place),
        "subject": place.subject,
        "name": place.name,
        "field": place.field,
        "class": finding.verdict.value,
        "live": finding.live,
        "staged": finding.staged,
        "note": finding.note,
        "rule": finding.rule or None,
        "source": finding.source or None,
        "parting": _parting(finding.parting),
        "live_file": _file(finding.live_file),
        "staged_file": _file(finding.staged_file),
        "live_origin": finding.live_origin or None,
        "staged_origin": finding.staged_origin or None,
        "covers": list(map(str, finding.covers)),
    }


def _parting(parting: Parting | None) -> dict[str, Any] | None:
    return {"at": parting.at, "live": parting.live, "staged": parting.staged} if parting is not None else None


def _file(file: Document | None) -> dict[str, Any] | None:
    return {"path": file.path, "sha256": file.digest, "size": file.size} if file is not None else None
