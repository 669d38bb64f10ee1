"""REVIEW: the Adversary's verdicts, findings and vetoes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from loops.protocol import statements
from loops.protocol.backlog import Finding, read_findings
from loops.protocol.markdown import Document, Line, LineKind, Unclosed, cells, scan
from loops.protocol.moment import Moment, first_moment
from loops.protocol.statements import NO_VOCABULARY, Statement, Vocabulary, Word
from loops.protocol.status import is_placeholder


class Result(Enum):
    """What a verdict says.  Only PASS passes."""

    PASS = "PASS"
    FAIL = "FAIL"
    PROVISIONAL = "PROVISIONAL"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Stated:
    """One result for one item as a document or a subject states it.  ``item`` is ``statements.ALL`` for a group.

    ``firm``: stands in a form that is a verdict; an unclear result that is not firm is only a remark in prose.
    ``adverse``: the line speaks against the item.
    """

    item: str
    result: Result
    line: int
    text: str
    moment: Moment | None = None
    firm: bool = True
    adverse: bool = False


class VetoState(Enum):
    """Whether a veto still blocks."""

    STANDING = "standing"
    WITHDRAWN = "withdrawn"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Veto:
    """One veto with the line that makes it."""

    state: VetoState
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """One REVIEW document."""

    verdicts: tuple[Stated, ...]
    vetoes: tuple[Veto, ...]
    findings: tuple[Finding, ...] = ()
    unclosed: tuple[Unclosed, ...] = ()

    @property
    def standing(self) -> tuple[Veto, ...]:
        """The vetoes that block; one that is unclear blocks too."""
        return tuple(veto for veto in self.vetoes if veto.state is not VetoState.WITHDRAWN)


_SEPARATORS = " :—–-!"
_RESULTS = {Word.PASS: Result.PASS, Word.FAIL: Result.FAIL, Word.PROVISIONAL: Result.PROVISIONAL}
_SENTENCE_END = re.compile(r"[.:;!?|)]$")
_VERDICT_COLUMN = re.compile(r"(?:verdict|result|adversary|actual|outcome)\b", re.IGNORECASE)
_OTHER_COLUMN = re.compile(r"(?:expected|builder|claim(?:ed)?|target|previous)\b", re.IGNORECASE)
_CELL = re.compile(
    r"[\s✅❌✔✓✗✘]*(?:(?:partial|provisional|conditional) )?(?:PASS|FAIL|PARTIAL|PROVISIONAL|NOT PASS)|[✅❌✗✘]",
    re.IGNORECASE,
)
_VETO = re.compile(r"(?:STANDING |ACTIVE |OPEN )?VETO(?![\w-])", re.IGNORECASE)
_VETO_LINE = re.compile(r"VETO(?:\s*[:—–!]|\s*$|\s+-\s|\s*@|\s*\()")
_VETO_SECTION = re.compile(
    r"(?:open |standing |active |current )?vetoe?s\b|(?:open|standing|active|current) veto\s*$", re.IGNORECASE
)
_WITHDRAWN = re.compile(
    r"[\s:—–@(-]*(?:withdrawn|withdraws?|lifted|revoked|cleared|resolved|closed|retracted|none|"
    r"no longer stands)\b[\s:—–)-]*",
    re.IGNORECASE,
)
_WITHDRAWAL = re.compile(
    r"\b(?:withdrawn|lifted|revoked|retracted)\s*(?:$|[@(:—–.,-]|\d{4}-)|[(—–-]\s*(?:cleared|resolved|closed|withdrawn)\b",
    re.IGNORECASE,
)


def parse_review(text: str, words: Vocabulary = NO_VOCABULARY) -> Review:
    """Read a REVIEW document.  Never raises; what cannot be told is UNCLEAR with its line."""
    document = scan(text)
    return Review(
        verdicts=tuple(_verdicts(document, words)),
        vetoes=_vetoes(document),
        findings=read_findings(document),
        unclosed=document.unclosed,
    )


def stated(said: Statement, line: int, text: str, firm: bool = True) -> Stated:
    """A statement as a verdict: what is neither PASS nor FAIL nor provisional cannot be taken for one."""
    result = _RESULTS.get(said.word, Result.UNCLEAR)
    if not firm and result is not Result.UNCLEAR:
        result = Result.UNCLEAR
    return Stated(said.label, result, line, text[:300], first_moment(text), firm, said.adverse)


def _verdicts(document: Document, words: Vocabulary) -> Iterator[Stated]:
    header: tuple[str, ...] = ()
    before: Line | None = None
    before_stated = False
    for line in document.lines:
        if line.kind is LineKind.TABLE:
            row = cells(line)
            if before is None or before.kind is not LineKind.TABLE:
                header = row
            elif row:
                yield from _row(line, row, header, words)
            before, before_stated = line, False
            continue
        # A line that goes on with a sentence may begin with "M1 PASS" by mere wrapping: then it is a mention.
        wrapped = line.continues and before is not None and not before_stated and not _SENTENCE_END.search(before.text)
        said = statements.read(line.text, words) if line.text else ()
        said = tuple(
            one for one in said if one.word not in (Word.CLAIMED, Word.NOT_YET) and one.label != statements.WHOLE
        )
        for one in said:
            firm = not wrapped and (line.kind is LineKind.HEADING or one.word is not Word.UNCLEAR)
            yield stated(one, line.number, line.text, firm)
        before, before_stated = line, bool(said) and not wrapped


def _row(line: Line, row: tuple[str, ...], header: tuple[str, ...], words: Vocabulary) -> Iterator[Stated]:
    """A table row: its first cell names the items; the cell below "verdict", else the one with a result, judges."""
    labels, end = statements.leading_labels(row[0], words)
    if not labels or (row[0][end:].strip() and not re.match(r"\s*[(:—–-]|\s+\S", row[0][end:])):
        return
    named = header if len(header) == len(row) else ("",) * len(row)
    judging = [
        cell
        for cell, name in zip(row[1:], named[1:], strict=True)
        if _CELL.match(cell) and not _OTHER_COLUMN.match(name)
    ]
    chosen = [cell for cell, name in zip(row[1:], named[1:], strict=True) if _VERDICT_COLUMN.match(name)] or judging
    for label in labels:
        read = {said.word for cell in chosen for said in statements.read(cell, words, (label,)) if said.label == label}
        if not read:
            continue
        word = read.pop() if len(read) == 1 else Word.UNCLEAR
        adverse = any("FAIL" in cell or "PARTIAL" in cell for cell in chosen)
        yield stated(Statement(label, word, adverse), line.number, line.text)


def _vetoes(document: Document) -> tuple[Veto, ...]:
    found: list[Veto] = []
    for index, line in enumerate(document.lines):
        text = line.text
        if "VETO" not in text.upper():
            continue
        heading = line.kind is LineKind.HEADING
        if heading and _VETO_SECTION.match(text):
            found += _listed(document, index)
        elif heading and (start := _VETO.match(text)):
            _add(found, line, text[start.end() :], document.body(index))
        elif (
            not heading
            and not line.continues
            and _VETO_LINE.match(text)
            and not is_placeholder(text[5:].strip(_SEPARATORS))
        ):
            _add(found, line, text[4:], ())
    return tuple(found)


def _add(found: list[Veto], line: Line, rest: str, body: tuple[Line, ...]) -> None:
    visible = [below.text for below in body if below.text]
    gone = _WITHDRAWN.match(rest)
    if gone:
        _withdraw(found, line, rest[gone.end() :])
    elif not rest.strip(" :—–-") and visible and is_placeholder(visible[0]):
        # "## VETO" with "(none)" below keeps the place for one.
        return
    elif _WITHDRAWAL.search(rest) or (visible and _WITHDRAWN.match(visible[0]) and not is_placeholder(visible[0])):
        found.append(Veto(VetoState.WITHDRAWN, line.number, line.text))
    else:
        found.append(Veto(VetoState.STANDING, line.number, line.text))


def _withdraw(found: list[Veto], line: Line, reason: str) -> None:
    """Withdraw the veto that *reason* names, else the only one that stands; which of several is not for us to guess."""
    standing = [at for at, veto in enumerate(found) if veto.state is not VetoState.WITHDRAWN]
    named = [at for at in standing if (title := veto_reason(found[at].text)) and title in reason]
    chosen = named or standing
    if len(chosen) == 1:
        veto = found[chosen[0]]
        found[chosen[0]] = Veto(VetoState.WITHDRAWN, veto.line, veto.text)
    elif chosen:
        found.append(Veto(VetoState.UNCLEAR, line.number, line.text))


def veto_reason(text: str) -> str:
    """The words of a veto without its mark and time: what a withdrawal must quote when several stand."""
    start = _VETO.match(text)
    return text[start.end() if start else 0 :].split(" @")[0].strip(" :—–-")


def _listed(document: Document, index: int) -> list[Veto]:
    """What stands below "## Open VETOes": one veto an entry, nothing for "(none)"."""
    found: list[Veto] = []
    for line in document.body(index):
        if line.kind is LineKind.HEADING and _VETO.match(line.text):
            break
        if not line.text or line.continues or line.ticked or is_placeholder(line.text):
            continue
        gone = bool(_WITHDRAWAL.search(line.text))
        state = VetoState.STANDING if line.kind in (LineKind.ITEM, LineKind.HEADING) else VetoState.UNCLEAR
        found.append(Veto(VetoState.WITHDRAWN if gone else state, line.number, line.text))
    return found
