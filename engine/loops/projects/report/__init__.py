"""The report of a project's life: facts from the journal, a page, a summary, and a check of the promises.

report = read(places.State(config.log_dir).journal, now=time.time())
print(summary(report, html=path))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loops.journal import Record
from loops.projects.report.life import Report
from loops.supervisor.events import Event

__all__ = ["Report", "facts", "html", "problems", "read", "summary"]


def facts(history: Iterable[tuple[Record, Event]], now: float) -> Report:
    """Return the facts of *history* (`loops.supervisor.ledger.history`).  *now*: steady seconds, the end of what runs."""
    from loops.projects.report.gather import facts

    return facts(history, now)


def read(directory: str, now: float) -> Report:
    """Verify the journal in *directory* and return its facts.

    Raises JournalError when the chain is broken: a report of records that somebody altered would be worth nothing.
    """
    from loops.journal import verify
    from loops.supervisor.ledger import history

    report = facts(history(directory), now)
    verdict = verify(directory)
    return replace(report, verified=verdict.sound, verification=verdict.text, records=verdict.records)


def html(report: Report) -> str:
    """Return one self-contained page: no script, no request."""
    from loops.projects.report.page import html

    return html(report)


def summary(report: Report, *, html: str = "", colour: bool = False) -> str:
    """Return the short report for a terminal.  *html*: where the page is."""
    from loops.projects.report.terminal import summary

    return summary(report, html=html, colour=colour)


def problems(report: Report) -> list[str]:
    """Return every promise that the journal shows broken; empty: none."""
    return list(report.problems)
