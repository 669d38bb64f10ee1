"""DEFERRED: what was put off, by whom, why, and what brings it back.  Append-only; an entry is closed by its tick."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loops.protocol.markdown import LineKind, Unclosed, scan


@dataclass(frozen=True, slots=True)
class Deferred:
    """``misplaced``: the box and the section (Open, Closed) disagree; the box decides (upstream, five went astray)."""

    date: str
    slug: str
    closed: bool
    fields: Mapping[str, str]
    """By name without bold and colon, as written: What, Filed by, Reason for deferral, Re-entry trigger …"""
    line: int
    misplaced: bool = False

    @property
    def trigger(self) -> str:
        """What brings the entry back; empty when it was left out."""
        return self.fields.get("Re-entry trigger", "")


@dataclass(frozen=True, slots=True)
class Deferrals:
    """One DEFERRED document."""

    entries: tuple[Deferred, ...]
    unclosed: tuple[Unclosed, ...] = ()


_ENTRY = re.compile(r"(\d{4}-\d{2}-\d{2})\s*(?:—|–|-|:)\s*(\S.*)")
_FIELD = re.compile(r"(What|Filed by|Reason for deferral|Re-entry trigger|Linked IDEA / BACKLOG)\b[^:]{0,40}:\s*(.*)")


def parse_deferred(text: str) -> Deferrals:
    """Read DEFERRED.md.  Never raises; headings without a date are no entries."""
    document = scan(text)
    entries: list[Deferred] = []
    section = ""
    for index, line in enumerate(document.lines):
        if line.kind is not LineKind.HEADING:
            continue
        found = _ENTRY.match(line.text)
        if not found:
            section = line.text.lower() if line.level <= 2 else section
            continue
        fields: dict[str, str] = {}
        ticks: list[bool] = []
        name = ""
        for below in document.body(index):
            if below.ticked is not None:
                ticks.append(below.ticked)
            given = _FIELD.match(below.text)
            if given:
                name = given[1]
                fields[name] = given[2]
            elif name and below.continues:
                fields[name] = f"{fields[name]} {below.text}".strip()
        closed = bool(ticks) and all(ticks)
        misplaced = ("closed" in section and not closed) or ("open" in section and closed)
        entries.append(Deferred(found[1], found[2], closed, fields, line.number, misplaced))
    return Deferrals(tuple(entries), document.unclosed)
