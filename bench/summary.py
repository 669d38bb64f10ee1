"""Each target beside the figure of a run: met, missed, or not measured.  Pure: it reads tables and gives one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.table import Table, number


@dataclass(frozen=True, slots=True)
class Target:
    """*row*'s figure in *column* of *scenario* is at most (``least``: at least) *limit* times that of *than*.

    Without *than* the limit is absolute.  ``sessions`` 0: at every number of sessions that was measured.
    """

    what: str
    scenario: str
    column: str
    limit: float
    unit: str = ""
    than: str = ""
    row: str = "loops"
    sessions: int = 0
    least: bool = False

    def text(self) -> str:
        """Say the limit in words."""
        words = "at least" if self.least else "at most"
        if not self.than:
            return f"{words} {number(self.limit)}{self.unit}"
        return f"{words} {number(self.limit)} x {self.than}"


PYTHON = "python3 -c pass"
STATUS = "loops status, in a pipe"
TARGETS = (
    Target("crash to running again", "heal", "ms", 2.5, than="C floor"),
    Target("crash to running again", "heal", "ms", 1.0, than="runit"),
    Target("crash to running again", "heal", "ms", 1 / 300, than="supervisord"),
    Target("all killed at once, all back", "mass", "ms", 2.0, than="C floor", sessions=1000),
    Target("all killed at once, all back", "mass", "ms", 1000.0, " ms", sessions=1000),
    Target("supervisor killed: adopted (p95)", "adopt", "p95", 150.0, " ms"),
    Target("supervisor killed: sessions lost", "adopt", "lost", 0.0),
    Target("supervisor killed: sessions doubled", "adopt", "doubled", 0.0),
    Target("supervisor killed: bytes lost", "adopt", "bytes lost", 0.0),
    Target("start of all", "start", "ms", 1500.0, " ms", sessions=1000),
    Target("their tmux views, after that", "views", "ms", 3000.0, " ms", sessions=1000),
    Target("idle: processor time", "idle", "CPU ms/s", 0.5, " ms/s", sessions=1000),
    Target("idle: wake-ups", "idle", "switches/s", 2.0, "/s", sessions=1000),
    Target("idle: memory of all parts", "idle", "MB", 40.0, " MB", sessions=1000),
    Target("a line a second from each", "chatter", "% of a core", 5.0, " %", sessions=1000),
    Target("status in a pipe", "commands", "ms", 30.0, " ms", row=STATUS, sessions=1000),
    Target("status in a pipe", "commands", "ms", 2.5, than=PYTHON, row=STATUS, sessions=1000),
    Target("status on a terminal", "commands", "ms", 100.0, " ms", row="loops status, on a terminal", sessions=1000),
    Target("50 projects in one table, 500 sessions", "fleet status", "ms", 200.0, " ms", row="loops fleet status"),
    Target("pushed claim to pasted nudge", "handoff", "pasted ms", 50.0, " ms"),
    Target("pushed claim to received nudge", "handoff", "received ms", 50.0, " ms"),
    Target("pushed claim: nudges doubled", "handoff", "doubled", 0.0),
    Target("journal: an event", "journal", "events/s", 1.0, than="SQLite WAL FULL", row="loops journal", least=True),
    Target("journal: acknowledged, then lost", "acknowledged", "lost", 0.0, row="loops journal"),
    Target("journal: cuts told wrongly", "damage", "told wrongly", 0.0, row="cut at every byte"),
    Target("journal: flipped bits told wrongly", "damage", "told wrongly", 0.0, row="every bit flipped"),
    Target(
        "normalising short lines (the slowest backend)",
        "normalise short",
        "of target",
        1.0,
        row="the slowest of them",
        least=True,
    ),
    Target(
        "normalising long lines (the slowest backend)",
        "normalise long",
        "of target",
        1.0,
        row="the slowest of them",
        least=True,
    ),
    Target("runner: start to the first byte to the agent", "runner", "first byte ms", 50.0, " ms", row="loops runner"),
    Target("runner: resident memory", "runner", "MB", 35.0, " MB", row="loops runner"),
    Target("runner: an agent's line to its signal (worst)", "runner events", "worst", 100.0, " ms", row="loops runner"),
    Target("one decision (the slowest kind)", "decide", "us", 50.0, " us", row="the slowest of them"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One target and what was found.  ``ratio`` is to the limit's measure: the other contestant, or the limit itself."""

    target: Target
    sessions: int
    figure: float | None
    ratio: float | None
    verdict: str

    def cells(self) -> list[str]:
        """Return the cells of `HEAD`."""
        at = f", {self.sessions:,} sessions" if self.sessions else ""
        ratio = "-" if self.ratio is None else number(self.ratio)
        return [f"{self.target.what}{at}", self.target.text(), number(self.figure), ratio, self.verdict]


HEAD = ["", "target", "measured", "ratio", "verdict"]


def findings(tables: Sequence[Table]) -> list[Finding]:
    """Compare *tables* with the targets, in the targets' order."""
    return [finding for target in TARGETS for finding in _compare(target, tables)]


def _compare(target: Target, tables: Sequence[Table]) -> Iterator[Finding]:
    fitting = [
        table
        for table in tables
        if table.scenario == target.scenario
        and target.sessions in (0, table.sessions)
        and target.column in table.columns
    ]
    if not fitting:
        yield Finding(target, target.sessions, None, None, "not measured")
    for table in fitting:
        figure = table.figure(target.row, target.column)
        base = table.figure(target.than, target.column) if target.than else 1.0
        if figure is None or base is None:
            who = target.row if figure is None else target.than
            yield Finding(target, table.sessions, figure, None, f"no figure of {who}")
            continue
        bound = target.limit * base
        met = figure >= bound if target.least else figure <= bound
        measure = base if target.than else target.limit
        yield Finding(target, table.sessions, figure, figure / measure if measure else None, "met" if met else "MISSED")


def text(tables: Sequence[Table]) -> str:
    """Return the summary for a terminal."""
    lines = [HEAD, *(finding.cells() for finding in findings(tables))]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(["summary: the targets and this run", *shown])
