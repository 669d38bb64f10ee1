"""The report as one HTML page that needs nothing else: no script, no request, nothing unescaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loops import __version__
from loops.projects.report.life import Entry, Line, Mark, PhaseLife, Report
from loops.projects.report.template import template
from loops.projects.report.timeline import timeline
from loops.projects.report.words import CLIP, duration, shown

LINES_BYTES = 900_000
ENTRIES_BYTES = 500_000
MOST_PHASES = 150
MOST_AGENTS = 300
_TEDIOUS = ("turns", "nudges", "sessions", "limits")
"""Which events a page leaves out first when there are too many."""
GROUPS = ("handoff", "sessions", "limits", "nudges", "turns", "supervisor")


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the head of the page.  ``look``: good, bad, or nothing."""

    value: str
    label: str
    note: str = ""
    look: str = ""


def html(report: Report) -> str:
    """Return the page: below 3 MB whatever the journal holds."""
    lines = _selected(report)
    return template(__package__, "page.html.j2").render(
        report=report,
        version=__version__,
        timeline=timeline(report),
        tiles=_tiles(report),
        phases=_bounded(report.phases[-MOST_PHASES:]),
        phases_hidden=max(0, len(report.phases) - MOST_PHASES),
        lanes=report.lanes[:MOST_AGENTS],
        lanes_hidden=max(0, len(report.lanes) - MOST_AGENTS),
        lines=lines,
        lines_hidden=len(report.lines) - len(lines),
        groups=GROUPS,
        looks={Mark.CLAIM: "claim", Mark.PASS: "pass", Mark.FAIL: "fail", Mark.REFUSED: "fail", Mark.DONE: "pass"}
        | {Mark.CHECKED: "pass", Mark.CHECK_FAILED: "fail"},
    )


def _tiles(report: Report) -> list[Tile]:
    refused = report.count(Mark.FAIL, Mark.REFUSED)
    failed = report.count(Mark.CHECK_FAILED)
    chain = {None: "not verified", True: "chain verified", False: "CHAIN BROKEN"}[report.verified]
    tiles = [
        Tile(f"{report.done}/{report.planned}", "phases done", "", "good" if report.complete else ""),
        Tile(duration(report.took), "wall time"),
        Tile(str(refused), "claims refused", f"{report.count(Mark.FAIL)} FAIL, {report.count(Mark.REFUSED)} of done"),
        Tile(str(report.count(Mark.CHECKED) + failed), "own check runs", f"{failed} failed"),
        Tile(str(report.heals), "heals", _restarts(report)),
        Tile(duration(report.waited), "limits waited out"),
        Tile(str(report.delivered), "nudges", f"{report.doubled} doubled", "bad" if report.doubled else ""),
        Tile(f"{report.records:,}", "journal records", chain, "bad" if report.verified is False else ""),
    ]
    if report.approvals:
        outcomes = ", ".join(f"{count} {shown(outcome, 20)}" for outcome, count in sorted(report.approvals.items()))
        tiles.append(Tile(str(sum(report.approvals.values())), "approvals", outcomes))
    if report.tokens:
        tiles.append(Tile(f"{report.tokens:,}", "tokens", report.cost))
    return tiles


def _restarts(report: Report) -> str:
    takeovers = f", {report.takeovers} takeover" + ("" if report.takeovers == 1 else "s") if report.takeovers else ""
    reboots = f", {report.reboots} reboot" + ("" if report.reboots == 1 else "s") if report.reboots else ""
    return f"{report.restarts} restarts{takeovers}{reboots}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A phase with as many of its entries as the page has room for."""

    phase: PhaseLife
    entries: Sequence[Entry]
    hidden: int


def _bounded(phases: Sequence[PhaseLife]) -> list[Shown]:
    share = ENTRIES_BYTES // max(1, len(phases))
    found = []
    for phase in phases:
        room = _affordable(reversed(phase.entries), _entry_bytes, share)
        entries = phase.entries[len(phase.entries) - room :]
        found.append(Shown(phase, entries, len(phase.entries) - room))
    return found


def _selected(report: Report) -> Sequence[Line]:
    """The events that are listed: all, or else the telling ones, or else their first and last."""
    lines = report.lines
    for tedious in _TEDIOUS:
        if _affordable(lines, _line_bytes, LINES_BYTES) == len(lines):
            return lines
        lines = tuple(line for line in lines if line.group != tedious)
    if _affordable(lines, _line_bytes, LINES_BYTES) == len(lines):
        return lines
    first = _affordable(lines, _line_bytes, LINES_BYTES // 2)
    last = _affordable(reversed(lines), _line_bytes, LINES_BYTES // 2)
    return (*lines[:first], *lines[len(lines) - last :])


T = TypeVar("T")


def _affordable(things: Iterable[T], cost: Callable[[T], int], budget: int) -> int:
    """How many of *things*, from the first on, fit into *budget* bytes."""
    count = 0
    for thing in things:
        budget -= cost(thing)
        if budget < 0:
            break
        count += 1
    return count


def _line_bytes(line: Line) -> int:
    return 200 + _bytes(line.text) + _bytes(line.why) + _bytes(line.subject, 90) + _bytes(line.rule, 90)


def _entry_bytes(entry: Entry) -> int:
    return 300 + _bytes(entry.text) + _bytes(entry.author, 90) + sum(_bytes(each) for each in entry.details[:12])


def _bytes(text: str, limit: int = CLIP) -> int:
    """What *text* takes on the page; one character may become five ("&amp;")."""
    clipped = text[:limit]
    return len(clipped.encode("utf-8", "replace")) + 4 * sum(map(clipped.count, "&<>'\""))
