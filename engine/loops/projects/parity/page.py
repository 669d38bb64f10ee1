"""The report of a comparison as one HTML page that needs nothing else: no script, no request, nothing unescaped."""

from __future__ import annotations

from loops import __version__
from loops.projects.parity.comparison import Comparison, Standing, Verdict
from loops.projects.parity.rows import ORDER, Row, clean, rows, skipped
from loops.projects.report.template import template

GENERATOR = "loops parity"
"""What the head of every such page says of who made it."""
MOST = 3000
"""Rows that are the same and are listed: a page of more is no help."""
_LOOKS = {Verdict.MISSING: "bad", Verdict.DIFFERENT: "bad", Verdict.CHANGED: "hold", Verdict.EXPECTED: "soft"}


def html(comparison: Comparison) -> str:
    """Return the page.  Its only clock is the date that the comparison was given."""
    found = rows(comparison, full=True)
    same = [row for row in found if row.verdict is Verdict.SAME]
    shown = [*(row for row in found if row.verdict is not Verdict.SAME), *same[:MOST]]
    return template(__package__, "page.html.j2").render(
        comparison=comparison,
        generator=GENERATOR,
        version=__version__,
        verdicts=[(verdict.value, comparison.count(verdict), _LOOKS.get(verdict, "good")) for verdict in ORDER],
        rows=[(row, row.verdict.value, _LOOKS.get(row.verdict, "good")) for row in shown],
        listed=_listed(shown),
        hidden=len(same[MOST:]),
        skipped=skipped(comparison),
        used=Standing.USED,
        expired=Standing.EXPIRED,
        clean=clean,
    )


def _listed(shown: list[Row]) -> list[str]:
    """The classes that there is something of, for the filter."""
    there = {row.verdict for row in shown}
    return [verdict.value for verdict in ORDER if verdict in there]
