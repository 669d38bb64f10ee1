"""The report of a comparison for a terminal: both sides beside each other, what must not be first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from loops.projects.parity.comparison import Comparison, Standing, Verdict
from loops.projects.parity.rows import ORDER, Row, clean, rows, skipped

if TYPE_CHECKING:
    from rich.console import Console

_HEAD = ("CLASS", "PLACE", "LIVE", "STAGED")
_GAP = "  "
_LEAST = 7
_MOST_LINES = 4
"""Of one cell, unless everything is wanted."""
_COLOURS = {Verdict.MISSING: "1;31", Verdict.DIFFERENT: "1;31", Verdict.CHANGED: "33", Verdict.EXPECTED: "2"}


def lines(
    comparison: Comparison, *, width: int, every: bool = False, wide: bool = False, colour: bool = False
) -> Iterator[str]:
    """Yield the lines.

    Args:
        comparison: what to show.
        width: columns of the terminal.
        every: also what is the same, and each place that was not compared.
        wide: values in full, one line each, however wide the terminal is.
        colour: with ANSI colours.
    """
    found = rows(comparison, full=wide)
    shown = [row for row in found if every or row.verdict is not Verdict.SAME]
    if shown:
        yield from _table(shown, width, wide, colour)
        yield ""
    for skip in skipped(comparison):
        yield from _wrapped(f"not compared: {_places(skip.count)}: {skip.reason} ({skip.kinds})", width, wide)
        if every:
            yield from (f"  {place}" for place in skip.places)
    for use in comparison.rules:
        if use.standing is not Standing.USED:
            said = f"{use.standing.value} on {use.expires}" if use.standing is Standing.EXPIRED else use.standing.value
            for part in _wrapped(f"rule {clean(use.id)} {said}: {clean(use.place)}", width, wide):
                yield _painted(part, "33", colour)
    yield _painted(verdict(comparison), "32" if comparison.clean else "1;31", colour)


def verdict(comparison: Comparison) -> str:
    """Return the result in one line."""
    counts = [f"{comparison.count(each)} {each.value}" for each in ORDER if comparison.count(each)]
    if comparison.gaps:
        counts.append(f"{len(comparison.gaps)} not compared")
    word = "parity" if comparison.clean else "NO PARITY"
    sides = f"{' + '.join(clean(side.source) for side in comparison.live)} and {clean(comparison.staged.source)}"
    return f"{word}: {', '.join(counts) or 'nothing to compare'}; {sides}"


def _places(count: int) -> str:
    return f"{count} place{'' if count == 1 else 's'}"


def _widths(shown: list[Row], width: int | None) -> tuple[int, int, int, int]:
    """Of the four columns: what they need, or else their share of the width."""
    cells = [(row.verdict.value, row.place, row.live, row.staged) for row in shown]
    needed = [max(map(_cells, (head, *column))) for head, column in zip(_HEAD, zip(*cells, strict=True), strict=True)]
    if width is None:
        return needed[0], needed[1], needed[2], needed[3]
    left = max(width - needed[0] - 3 * len(_GAP), 3 * _LEAST)
    place = min(needed[1], max(left * 2 // 5, left - needed[2] - needed[3]))
    left -= place
    live = min(needed[2], max(left // 2, left - needed[3]))
    return needed[0], place, live, min(needed[3], left - live)


def _table(shown: list[Row], width: int, wide: bool, colour: bool) -> Iterator[str]:
    widths = _widths(shown, None if wide else width)
    yield _painted(_line(_HEAD, widths), "1", colour)
    for row in shown:
        cells = (row.verdict.value, row.place, row.live, row.staged)
        parts = [_cell(text, each, wide) for text, each in zip(cells, widths, strict=True)]
        for number in range(max(map(len, parts))):
            line = _line([part[number] if number < len(part) else "" for part in parts], widths)
            yield _class_painted(line, row.verdict, widths[0], colour and number == 0)
        indent = widths[0] + len(_GAP)
        for note in row.remarks:
            for part in _cell(note, max(width - indent, _LEAST), wide):
                yield _painted(" " * indent + part, "2", colour)


def _line(cells: tuple[str, ...] | list[str], widths: tuple[int, ...]) -> str:
    padded = (cell + " " * (width - _cells(cell)) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _cell(text: str, width: int, wide: bool) -> list[str]:
    if wide:
        return [text]
    parts = list(_wrapped(text, width, wide))
    if len(parts) > _MOST_LINES:
        last = parts[_MOST_LINES - 1]
        while _cells(last) >= width:
            last = last[:-1]
        parts = [*parts[: _MOST_LINES - 1], f"{last}…"]
    return parts


def _wrapped(text: str, width: int, wide: bool) -> Iterator[str]:
    if wide:
        yield text
        return
    from rich.text import Text

    indent = text[: len(text) - len(text.lstrip())]
    for line in Text(text).wrap(_console(), max(width, len(indent) + 1), overflow="fold"):
        yield line.plain.rstrip()


@cache
def _console() -> Console:
    from io import StringIO

    from rich.console import Console

    return Console(file=StringIO(), width=80, color_system=None)


def _cells(text: str) -> int:
    """Columns that *text* takes: some letters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def _painted(line: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{line}\x1b[0m" if colour else line


def _class_painted(line: str, of: Verdict, width: int, colour: bool) -> str:
    return _painted(line[:width], _COLOURS.get(of, "32"), colour) + line[width:] if colour else line
