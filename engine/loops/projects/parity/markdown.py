"""The report of a comparison as Markdown, for a work list or a pull request.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loops.projects.parity.comparison import Comparison, Verdict
from loops.projects.parity.rows import ORDER, Row, clean, rows, skipped

MARK = "# Parity: "
"""How every such report begins."""


def markdown(comparison: Comparison) -> str:
    """Return the whole report; what is the same is counted, everything else listed."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"{MARK}{'reached' if comparison.clean else 'NOT reached'}"
    yield ""
    for side in comparison.live:
        yield f"- live: {_code(side.source)} ({side.form})"
    yield f"- staged: {_code(comparison.staged.source)} ({comparison.staged.form})"
    yield f"- date: {comparison.today}"
    yield ""
    yield "| class | places |"
    yield "| --- | ---: |"
    for verdict in ORDER:
        yield f"| {verdict.value} | {comparison.count(verdict)} |"
    yield f"| not compared | {len(comparison.gaps)} |"
    found = rows(comparison, full=True)
    for verdict in (each for each in ORDER if each is not Verdict.SAME):
        yield from _section(verdict, [row for row in found if row.verdict is verdict])
    yield from _gaps(comparison)
    yield from _rules(comparison)


def _section(verdict: Verdict, found: list[Row]) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield f"## {verdict.value}"
    yield ""
    yield "| place | live | staged | what to know |"
    yield "| --- | --- | --- | --- |"
    for row in found:
        notes = "<br>".join(_code(note.strip()) for note in row.remarks)
        yield f"| {_code(row.place)} | {_code(row.live)} | {_code(row.staged)} | {notes} |"


def _gaps(comparison: Comparison) -> Iterator[str]:
    found = skipped(comparison)
    if not found:
        return
    yield ""
    yield "## not compared"
    yield ""
    for skip in found:
        yield f"- {skip.count}: {_code(skip.reason)}: {_code(skip.kinds)}"


def _rules(comparison: Comparison) -> Iterator[str]:
    if not comparison.rules:
        return
    yield ""
    yield "## rules"
    yield ""
    yield "| rule | place | reason | last day | what became of it |"
    yield "| --- | --- | --- | --- | --- |"
    for use in comparison.rules:
        cells = (use.id, use.place, use.reason)
        told = f"{use.standing.value}, {use.matches} matched" if use.matches else use.standing.value
        yield f"| {' | '.join(map(_code, cells))} | {use.expires} | {told} |"


def _code(text: str) -> str:
    """As code, where neither Markdown nor HTML means anything; a bar would end the cell of a table even there."""
    text = clean(text).replace("|", "\\|")
    if not text.strip():
        return ""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{edge}{text}{edge}{fence}"
