"""What holds for every text: no parser raises, no mention is a marker, every canonical form is read back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.config.model import Done, Handoff, Phase
from loops.errors import ProtocolError
from loops.protocol import writers
from loops.protocol.backlog import Finding, FindingState, parse_backlog
from loops.protocol.deferred import parse_deferred
from loops.protocol.evidence import Commit, Documents, PhaseEvidence, observe
from loops.protocol.inbox import Message, parse_inbox
from loops.protocol.markdown import scan
from loops.protocol.moment import epoch_of, iso
from loops.protocol.review import Result, VetoState, parse_review, veto_reason
from loops.protocol.statements import Vocabulary, leading_labels
from loops.protocol.status import FIELDS, DoneState, GateState, parse_status
from loops.protocol.subjects import parse_subject
from loops.protocol.waiting import newest_waiting, waiting_until, write_waiting
from loops.protocol.writers import ItemVerdict

NOW = 1_780_000_000.0
HANDOFF = Handoff(repo="work/builder")

labels = st.from_regex(r"\A(?:[A-Z]{1,2}[1-9][0-9]?|Ph[1-9]|DoD-[1-9]|M6\.5)\Z")
FRAGMENTS = (
    "## DONE",
    "## VETO",
    "VETO",
    "M1: PASS",
    "M2 FAIL",
    "PASS",
    "FAIL",
    "CLAIMED",
    "Gate:",
    "## Gate: M1 — CLAIMED",
    "ALL DoD PASS",
    "**",
    "*",
    "`",
    "``",
    "```",
    "~~~",
    "~~",
    "> ",
    "- ",
    "- [ ] ",
    "- [x] ",
    "    ",
    "\n",
    "\n\n",
    "# ",
    "###### ",
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    "|",
    "| M1 | PASS |",
    "|---|---|",
    "---",
    "===",
    "(",
    ")",
    "[",
    "]",
    "](",
    "@2026-05-30T14:24Z",
    " — ",
    ": ",
    ", ",
    "→",
    "Not yet.",
    "(none)",
    "WHAT:",
    "**HOW.** x",
    "WAITING-UNTIL: 2026-06-01T19:19:30Z",
    "claim(",
    "review(1c): ",
    "\\",
    "_",
    "\t",
    "\r",
    "\0",
    "\x1b[31m",
    "✅",
    "1c",
    "2b",
    "withdrawn",
    "F1e-1 [adversary] OPEN",
    "### 2026-06-01 — slug",
    "words and words",
)
documents = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))


def read_all(text: str) -> None:
    """Run every parser over *text*."""
    words = Vocabulary(("D1", "docs"), "1c")
    scan(text)
    parse_status(text, words)
    parse_review(text, words)
    parse_backlog(text, words)
    parse_deferred(text)
    parse_inbox(text)
    parse_subject(text, HANDOFF, words)
    parse_subject(f"review({text}", HANDOFF, words)
    waiting_until(text)
    newest_waiting(text.split("\n"))


@given(documents)
@settings(max_examples=400, deadline=None)
def test_no_text_makes_a_parser_raise(text: str) -> None:
    read_all(text)


@given(documents, documents, documents)
@settings(max_examples=150, deadline=None)
def test_no_pair_of_documents_makes_the_fold_raise(first: str, second: str, subject: str) -> None:
    evidence = PhaseEvidence("1c")
    for number, prefix in enumerate(("claim(", "review(", "feat: ")):
        commit = Commit(str(number), "x", "x@y", NOW, prefix + subject, ("STATUS-1c.md", "REVIEW-1c.md"))
        evidence = observe(evidence, commit, Documents(first, second), Phase("1c"), HANDOFF, Done())
        first, second = second, first
    assert evidence.position == 3


SIZE = 250_000
HOSTILE = {
    "prose": "- M1: PASS @2026-05-30T14:24Z `code` *word* (and words), more — done.\n",
    "backticks": "` `` ``` ",
    "one-line-of-backticks": "`",
    "stars": "*",
    "hashes": "# #",
    "parentheses": "(",
    "brackets": "[](",
    "comments": "<!--",
    "underscores": "a_",
    "tildes": "~~a",
    "pass": "M1 PASS, ",
    "joined-labels": "M1+",
    "dashes": "- — – ",
    "spaces": "M1 PASS" + " " * 500,
    "table": "|M1|PASS",
    "fields": "**WHAT",
    "veto": "## VETO x\n",
    "times": "2026-05-30T14:24 ~",
    "findings": "- [ ] F1e-1 [adversary] OPEN\n",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_is_read_to_its_end(unit: str) -> None:
    # Quadratic work on any of these would take minutes to hours.
    read_all(unit * (SIZE // len(unit)))
    read_all((unit * 200 + "\n") * (SIZE // (len(unit) * 200)))


# ---- a mention is never a marker -----------------------------------------------------------------------------------

markers = st.sampled_from(
    (
        "## DONE",
        "## VETO secrets leak",
        "M1: PASS @2026-05-30T14:24Z",
        "### ALL DoD PASS",
        "| M1 | PASS |",
        "Gate: M1 — CLAIMED",
        "**M1 — all of it: PASS**",
        "# DONE — 2026-05-27",
        "## M1 — x: **FAIL**",
        "WHAT: a",
    )
)
BODY = "Everything was verified and pushed."


def _fenced(text: str) -> str:
    return f"```\n{text}\n{BODY}\n```"


def _tilde_fenced(text: str) -> str:
    return f"~~~~ text\n```\n{text}\n{BODY}\n~~~~"


def _quoted(text: str) -> str:
    return f"> {text}\n> {BODY}"


def _indented(text: str) -> str:
    return f"    {text}\n    {BODY}"


def _commented(text: str) -> str:
    return f"<!--\n{text}\n\n{BODY}\n-->"


def _struck(text: str) -> str:
    return f"~~{text.lstrip('# ')}~~"


def _coded(text: str) -> str:
    return f"the words `{text}` in a span"


def _told(text: str) -> str:
    return f"Later somebody writes {text} into this file."


def _in_list(text: str) -> str:
    return f"- an example:\n\n  ```\n  {text}\n  {BODY}\n  ```"


mentions = st.sampled_from((_fenced, _tilde_fenced, _quoted, _indented, _commented, _struck, _coded, _told, _in_list))


@given(st.lists(st.tuples(markers, mentions), min_size=1, max_size=5), st.sampled_from(("1c", "2b", "mailu")))
@settings(max_examples=300, deadline=None)
def test_a_mention_never_yields_a_marker(parts: list[tuple[str, object]], phase: str) -> None:
    text = "\n\nAnd then:\n\n".join(["# Notes", *(wrap(marker) for marker, wrap in parts), ""])  # type: ignore[operator]
    status = parse_status(text, Vocabulary(phase=phase))
    assert status.done.state is DoneState.ABSENT
    assert not [gate for gate in status.gates if gate.state is not GateState.UNCLEAR]
    assert not status.fields
    review = parse_review(text, Vocabulary(phase=phase))
    assert not [one for one in review.verdicts if one.result is not Result.UNCLEAR]
    assert not review.vetoes


# ---- the ways in which people write a verdict ----------------------------------------------------------------------

before = st.sampled_from(("", "## ", "#### ", "- ", "* ", "1. ", "Gate: ", "### Gate ", "- Verdict: ", "✅ ", "- [x] "))
titles = st.sampled_from(
    ("", " — the whole thing (pre-merge)", " (local)", " — secrets, no leaks, rotatable", ": lint rung")
)
between = st.sampled_from((": ", " — ", " – ", ": **"))
after = st.sampled_from(
    (
        "",
        " @2026-05-30T14:24:31Z",
        " @ 2026-06-11T07:54Z",
        " (12 passed)",
        " — 12 passed",
        ".",
        ", no VETO",
        " at 3bdd5d1",
    )
)


@given(before, labels, titles, between, st.sampled_from(("PASS", "FAIL")), after)
@settings(max_examples=400, deadline=None)
def test_a_verdict_is_read_in_every_variation(
    lead: str, label: str, title: str, join: str, word: str, rest: str
) -> None:
    line = f"{lead}{label}{title}{join}{word}{'**' if join.endswith('**') else ''}{rest}"
    verdicts = parse_review(f"# REVIEW\n\n{line}\n").verdicts
    assert [(one.item, one.result) for one in verdicts] == [(label, Result(word))], line


@given(
    st.lists(st.tuples(labels, st.sampled_from(("PASS", "FAIL"))), min_size=1, max_size=6, unique_by=lambda one: one[0])
)
def test_several_verdicts_on_one_line_keep_apart(said: list[tuple[str, str]]) -> None:
    line = ", ".join(f"{label} {word}" for label, word in said)
    wanted = [(label, Result(word)) for label, word in said]
    assert [(one.item, one.result) for one in parse_review(f"- {line} @00:40Z\n").verdicts] == wanted
    subject = parse_subject(f"review(1c): {line}", HANDOFF, Vocabulary(phase="1c"))
    assert [(one.item, one.result) for one in subject.verdicts] == wanted


hedges = st.sampled_from(
    (
        "{l}: PASS?",
        "{l} must PASS",
        "{l} will be PASS",
        "{l}: PASS except one",
        "{l} — expected: PASS",
        "{l}: PASS until Monday",
        "{l} not PASS",
        "{l}: PASS → FAIL",
        "{l}: PASS withdrawn",
        "{l} PASS criteria",
        "{l}: PASS/FAIL",
        "{l} (PASS)",
        "{l}: PASS (provisional)",
        "{l}: conditional PASS",
        "{l}: PASS pending the re-run",
        "if {l}: PASS",
        "Builder says {l}: PASS",
        "{l}: PASS, FAIL",
    )
)


@given(before, labels, hedges)
@settings(max_examples=300, deadline=None)
def test_a_hedged_pass_never_passes(lead: str, label: str, form: str) -> None:
    verdicts = parse_review(f"{lead}{form.format(l=label)}\n").verdicts
    assert not [one for one in verdicts if one.result is Result.PASS]


# ---- canonical forms are read back ---------------------------------------------------------------------------------

lines = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=60)
bodies = st.one_of(st.lists(lines, min_size=1, max_size=4).map("\n".join), documents)


def test_plain_words_are_never_refused() -> None:
    fields = {
        "WHAT": "the lint rung",
        "HOW": "`pytest`\n\n```\ncd x\n```",
        "EXPECTED": "no output, exit 0",
        "WHERE": "src/lint.py",
    }
    status = parse_status(writers.claim_block("M1", fields, NOW))
    assert status.state_of("M1") is GateState.CLAIMED
    assert status.fields_of("M1") == fields


@given(labels, st.tuples(bodies, bodies, bodies, bodies), documents)
@settings(max_examples=200, deadline=None)
def test_a_claim_is_read_back_as_written_or_refused(label: str, texts: tuple[str, ...], status: str) -> None:
    fields = dict(zip(FIELDS, texts, strict=True))
    try:
        block = writers.claim_block(label, fields, NOW)
    except ProtocolError:
        return
    read = parse_status(block, Vocabulary((label,)))
    assert read.fields_of(label) == {name: text.strip() for name, text in fields.items()}
    assert [(gate.label, gate.state) for gate in read.gates] == [(label, GateState.CLAIMED)]
    again = writers.with_claim(writers.with_claim("# STATUS\n", label, block), label, block)
    assert again == writers.with_claim("# STATUS\n", label, block), "a second claim takes the first one's place"


@given(labels, st.sampled_from((Result.PASS, Result.FAIL)), bodies)
@settings(max_examples=200, deadline=None)
def test_a_verdict_is_read_back_as_written_or_refused(label: str, result: Result, note: str) -> None:
    try:
        block = writers.verdict_block(ItemVerdict(label, result, note), NOW)
    except ProtocolError:
        return
    review = parse_review(block)
    (verdict,) = review.verdicts
    assert (verdict.item, verdict.result, review.vetoes) == (label, result, ())
    assert verdict.moment is not None
    assert verdict.moment.epoch == NOW


@given(st.lists(labels, max_size=4, unique=True), st.sampled_from(("", "secrets in the log")), st.booleans())
@settings(deadline=None)
def test_the_subject_of_a_verdict_is_read_back(names: list[str], veto: str, withdraw: bool) -> None:
    said = [ItemVerdict(name, (Result.PASS, Result.FAIL)[number % 2]) for number, name in enumerate(names)]
    subject = writers.verdict_subject("review(", "1c", said, NOW, veto=veto, withdraw=withdraw)
    read = parse_subject(subject, HANDOFF, Vocabulary(phase="1c"))
    assert [(one.item, one.result) for one in read.verdicts] == [(one.item, one.result) for one in said]
    assert read.veto_withdrawn == withdraw
    assert read.veto == (bool(veto) and not withdraw)


@given(lines)
@settings(deadline=None)
def test_a_veto_is_read_back_and_withdrawn_or_refused(reason: str) -> None:
    try:
        block = writers.veto_block(reason, NOW)
    except ProtocolError:
        return
    (veto,) = parse_review(block).vetoes
    assert veto.state is VetoState.STANDING
    withdrawal = writers.veto_withdrawal(veto_reason(veto.text), NOW)
    assert not parse_review(writers.appended(block, withdrawal)).standing


@given(lines, bodies)
@settings(deadline=None)
def test_findings_and_messages_are_read_back_as_written_or_refused(title: str, body: str) -> None:
    finding = Finding("F1e-1", FindingState.OPEN, title.strip(), 0, "MEDIUM")
    message = Message("adversary", None, body.strip())
    try:
        (read,) = parse_backlog("## Adversary findings\n\n" + writers.finding_block(finding, body, NOW)).findings
        assert (read.id, read.state, read.title, read.severity) == (finding.id, finding.state, finding.title, "MEDIUM")
    except ProtocolError:
        pass
    try:
        got = parse_inbox(writers.inbox_text(message, "builder", NOW))
    except ProtocolError:
        return
    assert got is not None
    assert (got.sender, got.body) == ("adversary", message.body)


@given(st.integers(0, 4_000_000_000))
def test_times_and_waiting_marks_are_read_back(second: int) -> None:
    assert epoch_of(iso(second)) == second
    assert waiting_until(f"words\n{write_waiting(second)}") == second


@given(labels)
def test_every_label_is_read_whole(label: str) -> None:
    assert leading_labels(label) == ((label,), len(label))
