"""A run as Markdown: written to a file of its own, or between two marks of one that has them (bench/README.md)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from bench import summary
from bench.table import Table

BEGIN, END = "<!-- figures: made by --markdown, not by hand -->", "<!-- end of figures -->"


def write(path: str, machine: str, tables: Sequence[Table]) -> None:
    """Put the run into *path*.  ValueError: it has the first mark without the second."""
    body = f"{BEGIN}\n{page(machine, tables, time.strftime('%Y-%m-%d'))}\n{END}\n"
    earlier = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            earlier = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(replaced(earlier, body))


def replaced(earlier: str, body: str) -> str:
    """Return *earlier* with *body* between its marks; *body* alone when it has none."""
    before, begin, rest = earlier.partition(BEGIN)
    if not begin:
        return body
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{BEGIN!r} stands there without {END!r}")
    return before + body + after.removeprefix("\n")


def page(machine: str, tables: Sequence[Table], date: str) -> str:
    """Return the summary and every table."""
    parts = [f"Measured on {date}: {machine}."]
    parts.append(_grid(summary.HEAD, [finding.cells() for finding in summary.findings(tables)]))
    for table in tables:
        skipped = "".join(f"\n- {row.name}: skipped: {row.skipped}" for row in table.rows if row.skipped)
        parts.append(f"**{table.title}**\n\n{_grid(table.head(), table.body())}{chr(10) if skipped else ''}{skipped}")
    return "\n\n".join(parts)


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
