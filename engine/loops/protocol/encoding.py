"""`PhaseEvidence` as JSON values, for the journal's snapshots.  ``decode(encode(x)) == x``, also through ``json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loops.errors import JournalError
from loops.protocol.evidence import Change, Claim, Kind, PhaseEvidence, Unclear
from loops.protocol.review import Result
from loops.protocol.status import DoneMark, DoneState
from loops.protocol.verdicts import Point, Verdict

Json = Any
"""What ``json.loads`` gives."""


def encode(evidence: PhaseEvidence) -> Mapping[str, Json]:
    """The evidence as objects, lists, strings and numbers."""
    claim = evidence.claim
    return {
        "phase": evidence.phase,
        "position": evidence.position,
        "head": evidence.head,
        "verdicts": [
            [one.item, one.result.value, _point(one.at), one.text, one.author, one.line]
            for one in evidence.verdicts.values()
        ],
        "changes": {
            glob: None if change is None else [_point(change.at), change.path]
            for glob, change in evidence.changes.items()
        },
        "claimed": [[label, _point(at)] for label, at in evidence.claimed.items()],
        "claim": None if claim is None else [list(claim.labels), _point(claim.at), claim.author, list(claim.missing)],
        "vetoes": list(evidence.vetoes),
        "done": [evidence.done.state.value, evidence.done.line, evidence.done.text],
        "unclear": [[one.document, one.line, one.text] for one in evidence.unclear],
        "claimers": list(evidence.claimers),
        "reviewers": list(evidence.reviewers),
        "lines": dict(evidence.lines),
        "ever": dict(evidence.ever),
        "read": evidence.read,
        "latest": evidence.latest.value,
    }


def decode(value: Mapping[str, Json]) -> PhaseEvidence:
    """The evidence that `encode` wrote.  JournalError when it did not: broken is not empty."""
    try:
        claim = value["claim"]
        return PhaseEvidence(
            phase=value["phase"],
            position=value["position"],
            head=value["head"],
            verdicts={
                item: Verdict(item, Result(result), Point(*at), text, author, line)
                for item, result, at, text, author, line in value["verdicts"]
            },
            changes={
                glob: None if change is None else Change(Point(*change[0]), change[1])
                for glob, change in value["changes"].items()
            },
            claimed={label: Point(*at) for label, at in value["claimed"]},
            claim=None if claim is None else Claim(tuple(claim[0]), Point(*claim[1]), claim[2], tuple(claim[3])),
            vetoes=tuple(value["vetoes"]),
            done=DoneMark(DoneState(value["done"][0]), *value["done"][1:]),
            unclear=tuple(Unclear(*one) for one in value["unclear"]),
            claimers=tuple(value["claimers"]),
            reviewers=tuple(value["reviewers"]),
            lines=dict(value["lines"]),
            ever=dict(value["ever"]),
            read=value["read"],
            latest=Kind(value["latest"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise JournalError(f"the snapshot's evidence cannot be read ({error!r}); fold the commits again") from error


def _point(at: Point) -> list[Json]:
    return [at.position, at.sha, at.time]
