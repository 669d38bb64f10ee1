"""Several live sources, each compared with staged, as one comparison: the worst that any of them says of a place counts.

So a directory and a captured status need not be merged: the one tells what is written down, the other what runs.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loops.projects.deployment.facts import Place
from loops.projects.parity.comparison import Comparison, Finding, Gap, RuleUse, Standing, Verdict

_WORST_FIRST = (Verdict.MISSING, Verdict.DIFFERENT, Verdict.CHANGED, Verdict.EXPECTED, Verdict.SAME)
_BEST_LAST = (Standing.USED, Standing.EXPIRED, Standing.UNUSED)


def together(comparisons: Sequence[Comparison]) -> Comparison:
    """Return one comparison of all that were made with the same staged side and the same rules."""
    if len(comparisons) == 1:
        return comparisons[0]
    worst: dict[Place, Finding] = {}
    for comparison in comparisons:
        for finding in comparison.findings:
            told = replace(finding, source=comparison.live[0].source)
            known = worst.setdefault(told.place, told)
            if _WORST_FIRST.index(told.verdict) < _WORST_FIRST.index(known.verdict):
                worst[told.place] = told
    findings = tuple(_apart(worst.values()))
    return replace(
        comparisons[0],
        live=tuple(side for comparison in comparisons for side in comparison.live),
        findings=findings,
        gaps=tuple(_left(comparisons, findings)),
        rules=tuple(map(_use, zip(*(comparison.rules for comparison in comparisons), strict=True))),
    )


def _apart(findings: Iterable[Finding]) -> Iterable[Finding]:
    """A place that one source has a finding of its own for is not taken along by another's; nor is any taken twice."""
    findings = tuple(findings)
    classed = {finding.place for finding in findings}
    for finding in findings:
        covers = tuple(place for place in finding.covers if place not in classed)
        classed |= set(covers)
        yield replace(finding, covers=covers)


def _left(comparisons: Sequence[Comparison], findings: Iterable[Finding]) -> Iterable[Gap]:
    """What no source could tell."""
    classed = {place for finding in findings for place in (finding.place, *finding.covers)}
    gaps: dict[Place, Gap] = {}
    for gap in (gap for comparison in comparisons for gap in comparison.gaps):
        if gap.place not in classed:
            gaps.setdefault(gap.place, gap)
    return gaps.values()


def _use(uses: Sequence[RuleUse]) -> RuleUse:
    standing = min((use.standing for use in uses), key=_BEST_LAST.index)
    return replace(uses[0], standing=standing, matches=sum(use.matches for use in uses))
