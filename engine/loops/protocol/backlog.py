"""BACKLOG: the Builder's work items and the Adversary's findings (which also appear in REVIEW)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from loops.protocol.markdown import Document, Line, LineKind, Unclosed, scan
from loops.protocol.moment import Moment, first_moment
from loops.protocol.statements import NO_VOCABULARY, Vocabulary
from loops.protocol.status import Gate, read_gates


class FindingState(Enum):
    """Whether a finding still asks for something."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    UNCLEAR = "UNCLEAR"
    """The box and the words contradict each other."""


@dataclass(frozen=True, slots=True)
class BacklogItem:
    """``id`` is empty when the line names none; ``done`` is the box, or a tick in a heading."""

    id: str
    title: str
    done: bool
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """``severity`` as written (``MEDIUM``), empty when it is not given."""

    id: str
    state: FindingState
    title: str
    line: int
    severity: str = ""
    filed: Moment | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """One BACKLOG document."""

    items: tuple[BacklogItem, ...]
    findings: tuple[Finding, ...]
    gates: tuple[Gate, ...]
    unclosed: tuple[Unclosed, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildBacklog:
    """The section ``## Build backlog``.  ``without_box``: entries with an id and no box, of which nobody can tell."""

    items: tuple[BacklogItem, ...]
    without_box: tuple[BacklogItem, ...]
    unclosed: tuple[Unclosed, ...] = ()


_FINDING_ID = re.compile(r"[A-Z][A-Za-z]{0,9}[0-9a-z]{0,4}(?:-[a-z0-9]{1,16}){0,3}-\d{1,3}[a-z]?(?![\w-]*\w)")
_ADVERSARY = re.compile(r"\[adversary\]", re.IGNORECASE)
_STATE = re.compile(r"(?<![\w-])(?:(?P<no>NOT |not )?(?P<word>OPEN|CLOSED|RESOLVED|FIXED))(?![\w-])")
_SEVERITY = re.compile(r"\bSeverity\b:?\s*\(?([A-Za-z]{2,12})", re.IGNORECASE)
_TICK = re.compile(r"\s*[✓✔✅☑]️?\s*$")
_SECTION_BUILD = re.compile(r"build backlog\b", re.IGNORECASE)
_ENTRY = re.compile(r"[-*+] \W{0,3}[A-Z]{1,3}\d{1,3}[a-z]?\W{0,3}\s*(?:—|–|:|\s-\s)")
_SECTION_FINDINGS = re.compile(r"adversary findings|findings\b", re.IGNORECASE)


def parse_backlog(text: str, words: Vocabulary = NO_VOCABULARY) -> Backlog:
    """Read a BACKLOG document.  Never raises."""
    document = scan(text)
    return Backlog(
        items=tuple(_items(document)),
        findings=read_findings(document),
        gates=read_gates(document, words),
        unclosed=document.unclosed,
    )


def read_build_backlog(text: str) -> BuildBacklog | None:
    """Read the work items of a BACKLOG document; None: it has no section for them.  Never raises."""
    document = scan(text)
    starts = [i for i, line in enumerate(document.lines) if _opens_build_backlog(line)]
    if not starts:
        return None
    lines = [line for start in starts for line in document.body(start) if line.kind is LineKind.ITEM]
    boxed = tuple(_item(line, line.ticked) for line in lines if line.ticked is not None)
    bare = tuple(_item(line, False) for line in lines if line.ticked is None and _ENTRY.match(line.source))
    return BuildBacklog(boxed, bare, document.unclosed)


def _opens_build_backlog(line: Line) -> bool:
    return line.kind is LineKind.HEADING and bool(_SECTION_BUILD.match(line.text))


def _item(line: Line, done: bool) -> BacklogItem:
    name, title = _named(line.text)
    return BacklogItem(name, title, done, line.number)


def read_findings(document: Document) -> tuple[Finding, ...]:
    """The findings: entries marked ``[adversary]``, and boxes with a finding's id below a heading for findings."""
    found: list[Finding] = []
    inside = False
    for index, line in enumerate(document.lines):
        if line.kind is LineKind.HEADING and line.level <= 2:
            inside = bool(_SECTION_FINDINGS.match(line.text))
        entry = line.kind is LineKind.HEADING or line.kind is LineKind.ITEM
        name = _FINDING_ID.match(line.text) if entry else None
        if name and (_ADVERSARY.search(line.text) or (inside and line.ticked is not None)):
            found.append(_finding(document, index, name.group(), line))
    return tuple(found)


def _finding(document: Document, index: int, name: str, line: Line) -> Finding:
    rest = _ADVERSARY.sub("", line.text[len(name) :]).strip()
    severity = ""
    for below in (line, *_entry(document, index)):
        given = _SEVERITY.search(below.text)
        if given:
            severity = given[1].upper()
            break
    head, _, title = rest.partition("—")
    return Finding(name, _state(line, head), (title or head).strip(" :—–-"), line.number, severity, first_moment(rest))


def _entry(document: Document, index: int) -> tuple[Line, ...]:
    """The lines that belong to one entry: a heading's body, or what follows an item up to the next item or heading."""
    if document.lines[index].kind is LineKind.HEADING:
        return document.body(index)
    end = index + 1
    while end < len(document.lines) and document.lines[end].kind not in (LineKind.HEADING, LineKind.ITEM):
        end += 1
    return document.lines[index + 1 : end]


def _state(line: Line, head: str) -> FindingState:
    words = {_word(match) for match in _STATE.finditer(head)}
    if line.ticked is not None:
        words.add(FindingState.CLOSED if line.ticked else FindingState.OPEN)
    if not words:
        return FindingState.OPEN
    return words.pop() if len(words) == 1 else FindingState.UNCLEAR


def _word(match: re.Match[str]) -> FindingState:
    opened = (match["word"] == "OPEN") is not bool(match["no"])
    return FindingState.OPEN if opened else FindingState.CLOSED


def _items(document: Document) -> list[BacklogItem]:
    found: list[BacklogItem] = []
    in_findings = False
    for line in document.lines:
        if line.kind is LineKind.HEADING:
            if line.level <= 2:
                in_findings = bool(_SECTION_FINDINGS.match(line.text))
            tick = _TICK.search(line.text)
            if tick and not in_findings:
                name, title = _named(line.text[: tick.start()])
                found.append(BacklogItem(name, title, True, line.number))
        elif line.ticked is not None and not in_findings and not _ADVERSARY.search(line.text):
            found.append(_item(line, line.ticked))
    return found


def _named(text: str) -> tuple[str, str]:
    """Split ``B1 — title``, ``B1: title`` or ``Phase 1 — title`` into id and title."""
    found = re.match(r"((?:Phase |Gate: |Gate )?[A-Za-z0-9][\w.-]{0,20})\s*(?:—|–|:|\s-\s)\s*(.*)", text)
    if found:
        return found[1].removeprefix("Gate: ").removeprefix("Gate "), found[2]
    return "", text
