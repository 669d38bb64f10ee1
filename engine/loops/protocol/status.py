"""STATUS: what the Builder says of gates, the claim's four sections, and whether the phase is marked done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from loops.protocol import statements
from loops.protocol.markdown import Document, Line, LineKind, Unclosed, scan
from loops.protocol.statements import NO_VOCABULARY, Vocabulary, Word

FIELDS = ("WHAT", "HOW", "EXPECTED", "WHERE")
"""The sections without which nobody can verify a claim cold."""


class GateState(Enum):
    """What STATUS says of a gate: the Builder's words, never a verdict."""

    CLAIMED = "CLAIMED"
    PASS = "PASS"
    FAIL = "FAIL"
    NOT_YET = "NOT_YET"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Gate:
    """``label`` is empty for a gate without an id: the whole phase."""

    label: str
    state: GateState
    line: int
    text: str


class DoneState(Enum):
    """How the done marker stands in STATUS."""

    STANDING = "standing"
    PLACEHOLDER = "placeholder"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class DoneMark:
    """``line`` is 0 and ``text`` empty when the marker is absent."""

    state: DoneState
    line: int = 0
    text: str = ""


NOT_MARKED = DoneMark(DoneState.ABSENT)


@dataclass(frozen=True, slots=True)
class Status:
    """One STATUS document."""

    gates: tuple[Gate, ...]
    """The latest state of each gate, in the order of their first lines."""
    fields: Mapping[str, str]
    """Of `FIELDS`, those that are there with a text."""
    done: DoneMark
    unclosed: tuple[Unclosed, ...] = ()
    gate_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The sections below a gate's own heading, for gates that have any there."""

    def fields_of(self, label: str) -> Mapping[str, str]:
        """The sections that belong to *label*: its own when its heading has any, else the document's."""
        return self.gate_fields.get(label, self.fields)

    def state_of(self, label: str) -> GateState | None:
        """What is said last of gate *label*; None when it is not named."""
        return next((gate.state for gate in self.gates if gate.label == label), None)


_STATES = {
    Word.CLAIMED: GateState.CLAIMED,
    Word.PASS: GateState.PASS,
    Word.FAIL: GateState.FAIL,
    Word.NOT_YET: GateState.NOT_YET,
}
_GATE = re.compile(r"gates?\b", re.IGNORECASE)
_QUICK = re.compile(r"WHAT|HOW|EXPECTED|WHERE")
# A label opens its section at the start of a line, in bold, or after an arrow; elsewhere it is a mention.
_FIELD = re.compile(
    r"(?:^\s{0,12}(?:(?:[-*+]|\d{1,3}[.)])\s{1,4})?|→\s{0,3}|(?=\*\*|__))(?:\*\*|__)?"
    r"(WHAT|HOW|EXPECTED|WHERE)\b[^:.\n]{0,80}?[:.](?:\*\*|__)?(?=\s|$)"
)
_TITLED = re.compile(r"(WHAT|HOW|EXPECTED|WHERE)\b[^:.]{0,80}(?:[:.]\s*|$)")
_CODE_SPAN = re.compile(r"(?<!`)(`{1,4})(?!`)[^`]*(?<!`)\1(?!`)")
_PLACEHOLDER = re.compile(
    r"[(\[*_\s]*(?:not yet\b|none(?: yet)?\b(?! of)|nothing(?: yet)?\s*[.)]*\s*$|"
    r"no(?: open| standing| active)?(?: vetoe?s?| verdicts?| gates?| findings?)?(?: yet)?\s*[.)]*\s*$|"
    r"to be (?:written|filled|done)|tbd\b|todo\b|n/a\b|pending\b|written here only|will be (?:written|filled|added)|"
    r"placeholder\b|empty\s*[.)]*\s*$|awaiting\b|not done\b|not claimed\b|only when\b|when all\b|reserved\b|"
    r"<[^>]*>\s*$|[.…—–-]+\s*$)",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|no|never|pending|until|when|once|if|todo|tbd|draft|almost|withdrawn|revoked|retracted|premature|placeholder|"
    r"awaiting|unless|after)\b|\?",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\s*(?:$|[—–:@(!.,;✅✓✔-]|\d{4}-)")


def parse_status(text: str, words: Vocabulary = NO_VOCABULARY, marker: str = "## DONE") -> Status:
    """Read a STATUS document.  Never raises; what cannot be told is UNCLEAR with its line."""
    document = scan(text)
    return Status(
        gates=read_gates(document, words),
        fields=_fields(document.lines),
        done=done_mark(document, marker),
        unclosed=document.unclosed,
        gate_fields=_gate_fields(document, words),
    )


def is_placeholder(text: str) -> bool:
    """Whether *text* only keeps a place: "Not yet. Written here only when …", "(none yet …)", "TBD"."""
    return not text.strip() or bool(_PLACEHOLDER.match(text))


def read_gates(document: Document, words: Vocabulary = NO_VOCABULARY) -> tuple[Gate, ...]:
    """Every gate that a line of its own speaks of, with the state said last."""
    gates: dict[str, Gate] = {}
    inside = False
    for line in document.lines:
        text = line.text
        # A bullet may go on below: "- Gate: M0 — CLAIMED …" and on the next line "-> M0 PASS logged …".
        inside = _speaks_of_gate(line, words) or (inside and line.continues and text[:1] in "→⇒")
        if not inside:
            continue
        for said in statements.read(text, words):
            state = _STATES.get(said.word, GateState.UNCLEAR)
            gates[said.label] = Gate(said.label, state, line.number, text)
    return tuple(gates.values())


def done_mark(document: Document, marker: str = "## DONE") -> DoneMark:
    """Whether the phase is marked done: a heading that begins with the marker's words, with a real body below it.

    A body that only keeps the place is a PLACEHOLDER (upstream incident 10: a phase was skipped over one); marks that
    contradict each other, a deeper heading, or a plain line are UNCLEAR.
    """
    level = len(marker) - len(marker.lstrip("#"))
    name = " ".join(marker.lstrip("#").split())
    marks = [
        mark
        for index, line in enumerate(document.lines)
        if line.text.startswith(name) and (mark := _mark(document, index, name, level))
    ]
    states = {mark.state for mark in marks}
    if DoneState.STANDING in states and DoneState.PLACEHOLDER in states:
        standing = next(mark for mark in marks if mark.state is DoneState.STANDING)
        return DoneMark(DoneState.UNCLEAR, standing.line, standing.text)
    for state in (DoneState.STANDING, DoneState.PLACEHOLDER, DoneState.UNCLEAR):
        for mark in marks:
            if mark.state is state:
                return mark
    return NOT_MARKED


def _mark(document: Document, index: int, name: str, level: int) -> DoneMark | None:
    line = document.lines[index]
    suffix = line.text[len(name) :]
    if suffix and (suffix[0].isalnum() or suffix[0] in "_/"):
        return None
    state = _mark_state(document, index, suffix, level)
    return DoneMark(state, line.number, line.text)


def _mark_state(document: Document, index: int, suffix: str, level: int) -> DoneState:
    line = document.lines[index]
    heading = line.kind is LineKind.HEADING
    if _NEGATED.search(suffix):
        return DoneState.PLACEHOLDER if heading else DoneState.UNCLEAR
    body = [below for below in document.body(index) if below.text and below.kind is not LineKind.HEADING]
    if not body or is_placeholder(body[0].text):
        quoted = heading and any(below.kind in (LineKind.CODE, LineKind.QUOTE) for below in document.body(index))
        return DoneState.UNCLEAR if quoted and not body else DoneState.PLACEHOLDER
    if not heading or (level and line.level > level) or not _SUFFIX.match(suffix):
        return DoneState.UNCLEAR
    return DoneState.STANDING


def _speaks_of_gate(line: Line, words: Vocabulary) -> bool:
    if line.kind in (LineKind.CODE, LineKind.QUOTE) or not line.text:
        return False
    if line.continues and not _GATE.match(line.text):
        return False
    if _GATE.match(line.text):
        return True
    # "## M1 — CLAIMED": a heading or an item may leave the word "Gate" out; prose may not (upstream incident 2).
    return line.kind in (LineKind.HEADING, LineKind.ITEM) and bool(statements.leading_labels(line.text, words)[0])


def _fields(lines: tuple[Line, ...]) -> dict[str, str]:
    """The text of each section; the last one that is not a placeholder counts."""
    found: dict[str, str] = {}
    name, body = "", [""]
    number = lines[0].number - 1 if lines else 0

    def close() -> None:
        value = "\n".join(body).strip()
        if name and not is_placeholder(value.lstrip("*_ ")):
            found[name] = value

    for line in lines:
        body += [""] * (line.number - number - 1)
        number = line.number
        if line.kind is LineKind.HEADING:
            close()
            titled = _TITLED.match(line.text)
            name, body = (titled[1], [line.text[titled.end() :]]) if titled else ("", [""])
            continue
        before, *sections = _cut(line)
        body.append(before[1])
        for section in sections:
            close()
            name, body = section[0], [section[1]]
    close()
    return found


def _cut(line: Line) -> list[tuple[str, str]]:
    """Cut a line at its labels: the words before the first, then (name, text) for each.

    The source is cut, not the visible text, because a section's body may well be a code span.
    """
    source = line.source
    if not line.text or not _QUICK.search(source):
        return [("", source)]
    cuts = list(_FIELD.finditer(_masked(source)))
    parts = [("", source[: cuts[0].start()] if cuts else source)]
    ends = [cut.start() for cut in cuts[1:]] + [len(source)]
    return parts + [(cut[1], source[cut.end() : end].strip()) for cut, end in zip(cuts, ends, strict=False)]


def _masked(source: str) -> str:
    """*source* with its code spans blanked, position for position."""
    return _CODE_SPAN.sub(lambda found: " " * len(found.group()), source) if "`" in source else source


def _gate_fields(document: Document, words: Vocabulary) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for index, line in enumerate(document.lines):
        if line.kind is not LineKind.HEADING or not _speaks_of_gate(line, words):
            continue
        fields = _fields(document.body(index))
        if fields:
            for label in statements.leading_labels(line.text, words)[0] or (statements.WHOLE,):
                found[label] = fields
    return found
