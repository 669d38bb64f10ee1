"""Rules: which differences are accepted, why, and until when.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase

from loops.projects.deployment.facts import Place
from loops.projects.parity.comparison import Finding, RuleUse, Standing, Verdict
from loops.projects.parity.wholes import PRESENT


@dataclass(frozen=True, slots=True)
class Rule:
    """One accepted difference."""

    id: str
    place: str
    """As a place is written, ``agent builder: model``; ``*``, ``?`` and ``[...]`` stand for names in it."""
    reason: str
    expires: date
    """The last day on which it explains anything."""
    live: str | None = None
    """The value that live must have; empty: none, or an empty one; None: whatever it is."""
    staged: str | None = None

    def fits(self, finding: Finding) -> bool:
        """Whether it speaks of this finding.  A whole agent, service or phase must be named exactly."""
        place = str(finding.place)
        if self.place != place and (finding.place.field == PRESENT or not _matches(self.place, finding.place)):
            return False
        return _is(self.live, finding.live) and _is(self.staged, finding.staged)


def _matches(pattern: str, place: Place) -> bool:
    """The field apart from the rest, so that a star for a name does not reach into the next word."""
    head, _, field = str(place).rpartition(": ")
    for_head, _, for_field = pattern.rpartition(": ")
    return fnmatchcase(head, for_head) and fnmatchcase(field, for_field)


def _is(wanted: str | None, value: str | None) -> bool:
    return wanted is None or wanted == (value or "")


def explain(
    findings: Iterable[Finding], rules: Sequence[Rule], today: date
) -> tuple[tuple[Finding, ...], tuple[RuleUse, ...]]:
    """Return the findings, those explained that a rule in force fits, and what became of each rule.

    The first rule that fits explains.  Only what is MISSING or DIFFERENT is explained.
    """
    matches = dict.fromkeys((rule.id for rule in rules), 0)
    explained = []
    for finding in findings:
        fitting = [rule for rule in rules if finding.verdict.bad and rule.fits(finding)]
        for rule in fitting:
            matches[rule.id] += 1
        in_force = next((rule for rule in fitting if today <= rule.expires), None)
        explained.append(_explained(finding, in_force) if in_force else _told(finding, fitting))
    uses = tuple(_use(rule, matches[rule.id], today) for rule in rules)
    return tuple(explained), uses


def _explained(finding: Finding, rule: Rule) -> Finding:
    return replace(finding, verdict=Verdict.CHANGED, rule=rule.id)


def _told(finding: Finding, expired: Sequence[Rule]) -> Finding:
    """A rule that has expired explains nothing, but whoever reads the difference should know of it."""
    if not expired:
        return finding
    said = "; ".join(f"rule {rule.id} expired on {rule.expires}" for rule in expired)
    return replace(finding, note=f"{finding.note}; {said}" if finding.note else said)


def _use(rule: Rule, matches: int, today: date) -> RuleUse:
    standing = Standing.EXPIRED if today > rule.expires else Standing.USED if matches else Standing.UNUSED
    return RuleUse(rule.id, rule.place, rule.reason, rule.expires, standing, matches)
