"""What a person sees while the demo runs: a live table on a terminal, one line an event in a pipe."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

LINES = 12
"""Sentences below the live table."""


class Screen(Protocol):
    """Where the demo shows itself; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, status: dict[str, Any], sentences: list[str]) -> None:
        """Show the project as it is, and what happened since the last time."""


def screen_for(plain: bool, aside: bool = False) -> Screen:
    """The live screen on a terminal, else the plain one; *aside*: standard output is wanted for something else."""
    if aside or plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainScreen(sys.stderr if aside else sys.stdout)
    return LiveScreen()


class PlainScreen:
    """One line an event, with the seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._began = time.monotonic()
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, status: dict[str, Any], sentences: list[str]) -> None:
        """Print the new sentences."""
        for sentence in sentences:
            print(f"{time.monotonic() - self._began:6.1f}s  {sentence}", file=self._stream, flush=True)


class LiveScreen:
    """A table of the agents and the last sentences, redrawn in place."""

    def __init__(self) -> None:
        from rich.live import Live

        self._began = time.monotonic()
        self._live = Live(refresh_per_second=10, transient=True)
        self._told: list[str] = []

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, status: dict[str, Any], sentences: list[str]) -> None:
        """Redraw."""
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic() - self._began
        self._told += [f"{now:6.1f}s  {sentence}" for sentence in sentences]
        self._told = self._told[-LINES:]
        lines = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._told[:-1]]
        lines += [Text(line, no_wrap=True, overflow="ellipsis") for line in self._told[-1:]]
        self._live.update(Group(_table(status), Text(""), *lines))


def _table(status: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    phase = status["phase"]
    state = "complete" if phase["complete"] else f"phase {phase['id']}" if phase["id"] else "starting"
    table = Table(title=f"loops demo · {state} · {phase['index'] + 1}/{phase['count']}", title_justify="left")
    for column in ("agent", "model", "state", "restarts", "doing"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for agent in status["agents"]:
        style = "green" if agent["state"] == "RUNNING" else "dim" if agent["state"].islower() else "yellow"
        cells = (agent["name"], agent["model"], agent["state"], str(agent["restarts"]), agent["doing"])
        table.add_row(*(Text(cell, style=style if number == 2 else "") for number, cell in enumerate(cells)))
    return table
