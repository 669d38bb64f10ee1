"""The canonical forms of the protocol, so that agents need not guess them.

Each writer reads back what it wrote: a text that would be taken for a marker, or would hide one, is refused with
ProtocolError and the remedy.  So ``parse(write(x)) == x`` holds for all that is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loops.config.model import Handoff
from loops.errors import ProtocolError
from loops.protocol import statements
from loops.protocol.backlog import Finding, FindingState, parse_backlog
from loops.protocol.inbox import Message, parse_inbox
from loops.protocol.markdown import LineKind, rows, scan
from loops.protocol.moment import first_moment, iso
from loops.protocol.review import Result, VetoState, parse_review, veto_reason
from loops.protocol.statements import Vocabulary
from loops.protocol.status import FIELDS, GateState, parse_status
from loops.protocol.subjects import parse_subject


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """One verdict to give: ``result`` is PASS or FAIL."""

    item: str
    result: Result
    note: str = ""


def claim_block(label: str, fields: dict[str, str], now: float) -> str:
    """The STATUS section of one claim; *fields* has a text for each of WHAT, HOW, EXPECTED, WHERE."""
    missing = [name for name in FIELDS if not fields.get(name, "").strip()]
    if missing:
        raise ProtocolError(
            f"the claim of {label} lacks {', '.join(missing)}: say each so that a stranger can verify it"
        )
    parts = [f"## Gate: {label} — CLAIMED, awaiting Adversary @{iso(now)}"]
    parts += [f"**{name}:**{_after_label(fields[name].strip())}" for name in FIELDS]
    block = "\n\n".join(parts) + "\n"
    status = parse_status(block, Vocabulary((label,)))
    _plain_label(label)
    wanted = {name: fields[name].strip() for name in FIELDS}
    read = {name: text.strip() for name, text in status.fields_of(label).items()}
    if status.unclosed or len(status.gates) != 1 or status.state_of(label) is not GateState.CLAIMED or read != wanted:
        wrong = next((name for name in FIELDS if read.get(name) != wanted[name]), FIELDS[0])
        raise ProtocolError(
            f"the claim of {label}: {wrong} holds a heading, an open fence, a placeholder or another section's label; "
            "indent it by four spaces or put it between closed ``` lines"
        )
    return block


def with_claim(status: str, label: str, block: str) -> str:
    """*status* with *block* in place of the section of the same gate, else at its end."""
    document = scan(status)
    source = rows(status)
    words = Vocabulary((label,))
    for index, line in enumerate(document.lines):
        if line.kind is not LineKind.HEADING or not line.text.lower().startswith("gate"):
            continue
        if statements.leading_labels(line.text, words)[0] != (label,):
            continue
        body = document.body(index)
        end = body[-1].number if body else line.number
        after = "\n".join(source[end:]).strip("\n")
        return appended("\n".join(source[: line.number - 1]), block) + (f"\n{after}\n" if after else "")
    return appended(status, block)


def verdict_block(verdict: ItemVerdict, now: float) -> str:
    """The REVIEW section of one verdict: a heading with the result and its time, and the note below."""
    if verdict.result not in (Result.PASS, Result.FAIL):
        raise ProtocolError(f"{verdict.item}: a verdict is PASS or FAIL; what is open is not a verdict but a message")
    _plain_label(verdict.item)
    note = verdict.note.strip()
    block = f"## {verdict.item}: {verdict.result.value} @{iso(now)}\n" + (f"\n{note}\n" if note else "")
    review = parse_review(block, Vocabulary((verdict.item,)))
    read = [(one.item, one.result) for one in review.verdicts]
    if review.unclosed or review.vetoes or read != [(verdict.item, verdict.result)]:
        raise ProtocolError(
            f"{verdict.item}: the note states another result or veto, or leaves a fence open; say each verdict "
            "on its own, and put quoted lines between closed ``` lines"
        )
    return block


def veto_block(reason: str, now: float) -> str:
    """The REVIEW heading of a veto; it blocks done until it is withdrawn."""
    reason = " ".join(reason.split())
    block = f"## VETO {reason} @{iso(now)}\n"
    vetoes = parse_review(block).vetoes
    if (
        not reason
        or len(vetoes) != 1
        or vetoes[0].state is not VetoState.STANDING
        or veto_reason(vetoes[0].text) != reason
    ):
        raise ProtocolError("a veto needs a reason in plain words: no markup, no @, no word of withdrawal")
    return block


def veto_withdrawal(reason: str, now: float) -> str:
    """The REVIEW heading that withdraws the veto given for *reason*."""
    return f"## VETO withdrawn: {' '.join(reason.split())} @{iso(now)}\n"


def finding_block(finding: Finding, body: str, now: float) -> str:
    """The entry of a finding below ``## Adversary findings``."""
    severity = f"**Severity:** {finding.severity}\n" if finding.severity else ""
    text = body.strip()
    block = (
        f"### {finding.id} [adversary] {finding.state.value} @{iso(now)} — {finding.title}\n"
        + (f"\n{severity}" if severity else "")
        + (f"\n{text}\n" if text else "")
    )
    read = parse_backlog(f"## Adversary findings\n\n{block}")
    wanted = (finding.id, finding.state, finding.title, finding.severity)
    got = [(one.id, one.state, one.title, one.severity) for one in read.findings]
    if read.unclosed or got != [wanted] or finding.state is FindingState.UNCLEAR:
        raise ProtocolError(
            f"finding {finding.id}: an id looks like F1e-1 or A5-6, the title is one plain line, and the body holds no "
            "other finding and no open fence"
        )
    return block


def finding_blocks(review: str, phase: str, titles: Sequence[str], now: float) -> list[str]:
    """Entries for new findings of *phase*, numbered on from those that *review* holds: A<phase>-1, A<phase>-2, …"""
    known = [int(number) for number in re.findall(rf"^### A{re.escape(phase)}-(\d+) ", review, re.MULTILINE)]
    first = max(known, default=0) + 1
    return [
        finding_block(Finding(f"A{phase}-{number}", FindingState.OPEN, " ".join(title.split()), 0), "", now)
        for number, title in enumerate(titles, first)
    ]


def inbox_text(message: Message, receiver: str, now: float) -> str:
    """The text of ``<RECEIVER>-INBOX.md``; ``message.moment`` is not used, the message is dated *now*."""
    sender = message.sender.capitalize()
    text = f"# {receiver.upper()}-INBOX\n\n**From {sender}, {iso(now)}**\n\n{message.body.strip()}\n"
    read = parse_inbox(text)
    if not message.body.strip() or read != Message(message.sender, first_moment(iso(now)), message.body.strip()):
        raise ProtocolError("an inbox message needs a sender that is a role of the project, and a body")
    return text


def claim_subject(prefix: str, phase: str, label: str, what: str) -> str:
    """The subject of a claim: ``claim(1c M1): Gate M1 CLAIMED — …``."""
    return f"{_scope(prefix, phase, label)}: Gate {label} CLAIMED — {_short(what)}"


def verdict_subject(
    prefix: str, phase: str, verdicts: Sequence[ItemVerdict], now: float, *, veto: str = "", withdraw: bool = False
) -> str:
    """The subject of a verdict: ``review(1c): VETO withdrawn; M1 PASS, M2 FAIL (leaks a token); VETO … @…``.

    What failed goes along where it cannot be read as anything else; the whole note stands in REVIEW.
    """

    def subject(told: Sequence[str]) -> str:
        parts = ("VETO withdrawn" if withdraw else "", ", ".join(told), f"VETO {_short(veto)}" if veto else "")
        return f"{_scope(prefix, phase)}: {'; '.join(part for part in parts if part)} @{iso(now)}"

    plain = subject([f"{one.item} {one.result.value}" for one in verdicts])
    full = subject([f"{one.item} {one.result.value}{_reason(one)}" for one in verdicts])
    words = Vocabulary(tuple(one.item for one in verdicts), phase)
    readings = [_reading(text, Handoff(repo="", review=prefix), words) for text in (full, plain)]
    return full if readings[0] == readings[1] else plain


def _reading(text: str, handoff: Handoff, words: Vocabulary) -> tuple[object, ...]:
    read = parse_subject(text, handoff, words)
    results = tuple((one.item, one.result, one.firm) for one in read.verdicts)
    return read.kind, results, read.veto, read.veto_withdrawn


def _reason(verdict: ItemVerdict) -> str:
    note = verdict.note.strip().partition("\n")[0].replace("(", "[").replace(")", "]")
    return f" ({_short(note)})" if note and verdict.result is Result.FAIL else ""


def appended(text: str, block: str) -> str:
    """*text* with *block* at its end, one blank line between."""
    return f"{text.rstrip()}\n\n{block}" if text.strip() else block


def _scope(prefix: str, phase: str, label: str = "") -> str:
    words = phase if label in ("", phase) else f"{phase} {label}".strip()
    return f"{prefix}{words})" if prefix.endswith("(") else f"{prefix}{words}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 72 else f"{line[:71]}…"


def _after_label(text: str) -> str:
    """A fence or a list begins on its own line, or it would be part of the label's."""
    return f" {text}" if text and (text[0].isalnum() or text[0] in "(`\"'") and "```" not in text[:3] else f"\n\n{text}"


def _plain_label(label: str) -> None:
    found, end = statements.leading_labels(label, Vocabulary((label,)))
    if found != (label,) or end != len(label) or label.split() != [label]:
        raise ProtocolError(f"{label!r} cannot name a gate or item: use one word such as M1, D10 or docs")
