"""A table for people: lined-up columns, a ratio to the row named as the measure, skipped rows with their reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant.  ``figures``: a number a column, None where it has none; ``skipped`` says why all are missing."""

    name: str
    figures: tuple[float | None, ...] = ()
    skipped: str = ""


@dataclass(slots=True)
class Table:
    """``columns`` are the figures' heads.  The ratio is of column ``by``, to that figure of the row ``against``."""

    title: str
    columns: Sequence[str]
    against: str
    by: int = 0
    rows: list[Row] = field(default_factory=list)
    scenario: str = ""
    sessions: int = 0
    """These two are how `bench.summary` finds a figure again."""

    def text(self) -> str:
        """Return the whole table."""
        head = self.head()
        body = self.body()
        widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
        lines = [self.title, *(_line(cells, widths) for cells in [head, *body])]
        lines += [f"{row.name}: skipped: {row.skipped}" for row in self.rows if row.skipped]
        return "\n".join(lines)

    def figure(self, name: str, column: str) -> float | None:
        """Return the figure of the row *name* in *column*; None when it has none."""
        at = list(self.columns).index(column)
        return next((row.figures[at] for row in self.rows if row.name == name and row.figures), None)

    def head(self) -> list[str]:
        """Return the heads of all columns, the names' and the ratio's with them."""
        return ["", *self.columns, *([f"x {self.against}"] if self.against else [])]

    def body(self) -> list[list[str]]:
        """Return the cells of each row that has figures."""
        base = next((row.figures[self.by] for row in self.rows if row.name == self.against and row.figures), None)
        return [self._cells(row, base) for row in self.rows if not row.skipped]

    def _cells(self, row: Row, base: float | None) -> list[str]:
        figure = row.figures[self.by]
        ratio = f"{figure / base:.2f}" if base and figure is not None else "-"
        return [row.name, *(number(figure) for figure in row.figures), *([ratio] if self.against else [])]


def number(figure: float | None) -> str:
    """Return *figure* with three digits that count."""
    if figure is None:
        return "-"
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}" if abs(figure) >= 0.01 else f"{figure:.4f}"


def _line(cells: list[str], widths: list[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]).rstrip()
