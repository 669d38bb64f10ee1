"""The forms that people and models really wrote, with the answer of a careful reader.

The ids are the numbers of the survey of the earlier engine's documents (S: STATUS, R: REVIEW, CC: its pages).
"""

from __future__ import annotations

import pytest
from loops.config.model import Handoff
from loops.protocol.backlog import FindingState, parse_backlog
from loops.protocol.deferred import parse_deferred
from loops.protocol.inbox import parse_inbox
from loops.protocol.moment import Precision
from loops.protocol.review import Result, VetoState, parse_review
from loops.protocol.statements import ALL, WHOLE, Vocabulary
from loops.protocol.status import FIELDS, DoneState, GateState, parse_status
from loops.protocol.subjects import SubjectKind, parse_subject
from loops.protocol.waiting import newest_waiting, waiting_until

HANDOFF = Handoff(repo="work/builder")
CLAIMED, PASSED, NOT_YET = GateState.CLAIMED, GateState.PASS, GateState.NOT_YET


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        pytest.param(
            "- **Gate: M0 — CLAIMED, awaiting Adversary** (2026-05-26). Nothing else open.\n"
            "  → **M0 PASS** logged by Adversary in REVIEW.md @2026-05-26T21:35Z\n",
            {"M0": PASSED},
            id="S1-two-lines",
        ),
        pytest.param(
            "- **Gate: M0 — CLAIMED, awaiting Adversary** (2026-05-26). "
            "→ **M0 PASS** logged by Adversary in REVIEW.md @2026-05-26T21:35Z\n",
            {"M0": PASSED},
            id="S1-one-line",
        ),
        pytest.param(
            "## Gate: U0 — CLAIMED, awaiting Adversary (Results schema + level; R1)\n", {"U0": CLAIMED}, id="S3"
        ),
        pytest.param("## Current section\n\nGate: M1 CLAIMED, awaiting Adversary.\n", {"M1": CLAIMED}, id="S5"),
        pytest.param(
            "Gate: M1 PASS (Adversary 3bdd5d1, no VETO). M2 CLAIMED, awaiting Adversary.\n",
            {"M1": PASSED, "M2": CLAIMED},
            id="S6",
        ),
        pytest.param(
            "## Gate: CLAIMED — all 5 DoD built + cold-verified @2026-06-13T19:41Z — Adversary PASS @19:46Z\n",
            {WHOLE: PASSED},
            id="S8",
        ),
        pytest.param("Gate M1: NOT YET CLAIMED\n", {"M1": NOT_YET}, id="S10"),
        pytest.param("Gate:\n(none yet — Q0 harness is being written, C6 D0 Q1 follow)\n", {}, id="S12"),
    ],
)
def test_gates_in_status_are_read_as_a_careful_reader_would(text: str, gates: dict[str, GateState]) -> None:
    assert {gate.label: gate.state for gate in parse_status(text).gates} == gates


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param("## DONE — 2026-05-27\n\nAll of D1–D10 verified, see REVIEW.\n", DoneState.STANDING, id="S9"),
        pytest.param(
            "## DONE\n\nAll five DoD items verified.\n\n## Gate: CLAIMED — all\n", DoneState.STANDING, id="S8"
        ),
        pytest.param(
            "## DONE\n\nNot yet. Written here only when all DoD items have Adversary PASS in REVIEW-mailu.md.\n\n"
            "Gate M1: NOT YET CLAIMED\n",
            DoneState.PLACEHOLDER,
            id="S10",
        ),
        pytest.param(
            "DONE\n\nNot yet. Written here only when all DoD items have Adversary PASS in REVIEW-mailu.md.\n",
            DoneState.PLACEHOLDER,
            id="S10-without-hashes",
        ),
        pytest.param("DONE\n----\n\nNot yet.\n", DoneState.PLACEHOLDER, id="S10-underlined"),
        pytest.param("## DONE\n", DoneState.PLACEHOLDER, id="empty-body"),
        pytest.param("## DONE\n\n(none yet)\n", DoneState.PLACEHOLDER, id="none-yet"),
        pytest.param("## DONE — not yet\n\nAll green.\n", DoneState.PLACEHOLDER, id="negated-in-the-heading"),
        pytest.param("### DONE\n\nAll green.\n", DoneState.UNCLEAR, id="a-deeper-heading"),
        pytest.param("DONE\n\nAll green, verified.\n", DoneState.UNCLEAR, id="no-heading"),
        pytest.param("## DONE\n\n> verified\n", DoneState.UNCLEAR, id="only-a-quote-below"),
        pytest.param("## DONE\n\nNot yet.\n\n## DONE\n\nVerified.\n", DoneState.UNCLEAR, id="two-marks-contradict"),
        pytest.param("Phase 2b is ## DONE\n\nVerified.\n", DoneState.ABSENT, id="a-mention-of-another-phase"),
        pytest.param("## Phase 2b is ## DONE\n\nVerified.\n", DoneState.ABSENT, id="a-mention-in-a-heading"),
        pytest.param("```\n## DONE\nVerified.\n```\n", DoneState.ABSENT, id="fenced"),
        pytest.param("> ## DONE\n> Verified.\n", DoneState.ABSENT, id="quoted"),
        pytest.param("<!--\n## DONE\nVerified.\n-->\n", DoneState.ABSENT, id="commented-out"),
        pytest.param("## ~~DONE~~\n\nVerified.\n", DoneState.ABSENT, id="struck-out"),
        pytest.param("    ## DONE\n    Verified.\n", DoneState.ABSENT, id="indented-code"),
        pytest.param("Write `## DONE` last.\n", DoneState.ABSENT, id="code-span"),
    ],
)
def test_the_done_mark_stands_only_as_a_heading_with_a_real_body(text: str, state: DoneState) -> None:
    assert parse_status(text).done.state is state


def test_another_done_marker_is_taken_from_the_configuration() -> None:
    text = "# SHIPPED\n\nVerified.\n\n## DONE\n\nVerified.\n"
    mark = parse_status(text, marker="# SHIPPED").done
    assert (mark.state, mark.line) == (DoneState.STANDING, 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "**WHAT:** the lint rung. **WHERE:** `bridge/lint.py` at 1234567. "
            "**HOW to verify (cold, from a fresh clone):** 1. `pytest` → EXPECTED: 246 passed\n",
            id="S16-one-line",
        ),
        pytest.param("**WHAT.** a\n\n**HOW.** b\n\n**EXPECTED.** c\n\n**WHERE.** d\n", id="S16-period"),
        pytest.param(
            "### WHAT\na\n### HOW to verify\n```\npytest\n```\n### EXPECTED\nc\n### WHERE\nd\n", id="headings"
        ),
        pytest.param("- WHAT: a\n- HOW: b\n- EXPECTED: c\n- WHERE: d\n", id="list"),
    ],
)
def test_the_four_sections_of_a_claim_are_found(text: str) -> None:
    assert set(parse_status(text).fields) == set(FIELDS)


@pytest.mark.parametrize(
    "text",
    [
        "We know WHAT: everything\n",
        "**WHAT:**\n\n**HOW:** TBD\n",
        "```\nWHAT: a\n```\n",
        "> WHERE: there\n",
        "`HOW:` x\n",
    ],
)
def test_a_mention_or_an_empty_section_is_no_section(text: str) -> None:
    assert not parse_status(text).fields


def test_s15_a_quoted_veto_is_no_veto() -> None:
    text = "All gates pass; no standing `## VETO` in REVIEW.\n\nno standing ## VETO\n\n> ## VETO leak\n\n```\n## VETO x\n```\n"
    assert parse_review(text).vetoes == ()


def P(item: str) -> tuple[str, Result]:
    return item, Result.PASS


def F(item: str) -> tuple[str, Result]:
    return item, Result.FAIL


def U(item: str) -> tuple[str, Result]:
    return item, Result.UNCLEAR


REVIEW_FORMS = [
    pytest.param("M1: PASS @2026-05-30T14:24:31Z", [P("M1")], id="R1"),
    pytest.param("- M1: FAIL @2026-05-30T14:24:31Z — F2-14c filed", [F("M1")], id="R1-fail"),
    pytest.param("## M1 — Implementation complete (pre-merge): **PASS** @ 2026-06-11T07:54Z", [P("M1")], id="R2"),
    pytest.param(
        "### ALL DoD PASS @2026-06-13T19:46Z — phase DONE\n\n#### D1 PASS @2026-06-13T19:46Z",
        [P(ALL), P("D1")],
        id="R3",
    ),
    pytest.param(
        "### porepo: ALL DoD PASS @2026-06-13T19:19Z\n\n**DoD-1 — repo + submodule + main pushed: PASS**",
        [P(ALL), P("DoD-1")],
        id="R4",
    ),
    pytest.param(
        "| DoD | verdict |\n|---|---|\n| D1 lifecycle | **PASS @2026-06-13T19:46Z** |\n| D2 | FAIL |",
        [P("D1"), F("D2")],
        id="R5",
    ),
    pytest.param("## Watchdog ping @~2026-05-28 04:35Z — FALSE POSITIVE (no verdict)", [], id="R8"),
    pytest.param("## Verdicts\n*(none yet — awaiting Builder push)*\n## Open VETOes\n(none)", [], id="R10"),
    pytest.param("- D6 — secrets, no leaks, rotatable: PASS @2026-06-13T19:46Z", [P("D6")], id="title-with-commas"),
    pytest.param("**V2–V8: PASS** @2026-06-13T19:46Z", [P(f"V{n}") for n in range(2, 9)], id="range"),
    pytest.param("M1, M2 and M3: PASS", [P("M1"), P("M2"), P("M3")], id="several"),
    pytest.param("M1: PARTIAL", [F("M1")], id="partial"),
    pytest.param("M1: PARTIAL PASS", [F("M1")], id="partial-pass"),
    pytest.param("M1: PASS (provisional)", [("M1", Result.PROVISIONAL)], id="provisional"),
    pytest.param("M1: PASS (conditional on the operator)", [("M1", Result.PROVISIONAL)], id="conditional"),
    pytest.param("M1: PASS?", [U("M1")], id="question"),
    pytest.param("M1: PASS/FAIL", [U("M1")], id="template"),
    pytest.param("M1: FAIL → PASS", [U("M1")], id="arrow"),
    pytest.param("M1: PASS on linux, FAIL on mac", [U("M1")], id="both"),
    pytest.param("M1: PASS except backup", [U("M1")], id="except"),
    pytest.param("M1 — expected: PASS", [U("M1")], id="expected"),
    pytest.param("M1 must PASS before M2", [U("M1")], id="demand"),
    pytest.param("M1: PASS withdrawn @2026-06-13T19:46Z", [U("M1")], id="withdrawn"),
    pytest.param("FAIL: M1", [U("M1")], id="reversed-fail"),
    pytest.param("M1: passed", [U("M1")], id="lower-case"),
    pytest.param("- M1 — Failed @2026-06-13T19:46Z", [U("M1")], id="capitalised"),
    pytest.param("M1 ❌", [U("M1")], id="a-cross-alone"),
    pytest.param("| item | verdict |\n|-|-|\n| M1 | ❌ |\n| M2 | fail |", [U("M1"), U("M2")], id="crosses-in-a-table"),
    pytest.param("M1 ✅: PASS", [P("M1")], id="tick-and-pass"),
    pytest.param("M1: ❌ FAIL", [F("M1")], id="cross-and-fail"),
    pytest.param("M1 passes its 12 tests on a good day.", [], id="lower-case-prose"),
    pytest.param("M1: NOT PASSED", [U("M1")], id="not-passed"),
    pytest.param("| item | expected | actual |\n|-|-|-|\n| M1 | PASS | FAIL |", [F("M1")], id="expected-and-actual"),
    pytest.param("| item | a | b |\n|-|-|-|\n| M1 | PASS | FAIL |", [U("M1")], id="two-results-in-a-row"),
    pytest.param("Once M1 PASS is logged we go on.", [], id="prose"),
    pytest.param("Phase 2b M1 PASS @2026-06-13T19:46Z", [], id="other-phase"),
    pytest.param("2b: ALL DoD PASS", [], id="other-phase-group"),
    pytest.param("~~M1: PASS~~", [], id="struck-out"),
    pytest.param("`M1: PASS`", [], id="code-span"),
    pytest.param("> M1: PASS\nM2: PASS", [], id="quote-and-its-lazy-line"),
    pytest.param("the `start\nM1: PASS\nend` span", [], id="code-span-across-lines"),
    pytest.param("we rely on the earlier\nM1 PASS @2026-06-13T19:46Z, which holds", [U("M1")], id="wrapped-prose"),
]


@pytest.mark.parametrize(("text", "verdicts"), REVIEW_FORMS)
def test_verdicts_in_review_are_read_as_a_careful_reader_would(text: str, verdicts: list[tuple[str, Result]]) -> None:
    review = parse_review(text + "\n", Vocabulary(phase="porepo"))
    assert [(one.item, one.result) for one in review.verdicts] == verdicts


def test_a_verdict_keeps_its_time_as_written() -> None:
    (verdict,) = parse_review("## M1 — x: **PASS** @ 2026-06-11T07:54Z\n").verdicts
    assert verdict.moment is not None
    assert (verdict.moment.written, verdict.moment.precision) == ("2026-06-11T07:54Z", Precision.MINUTE)


STANDING, WITHDRAWN, DOUBTFUL = VetoState.STANDING, VetoState.WITHDRAWN, VetoState.UNCLEAR


@pytest.mark.parametrize(
    ("text", "states"),
    [
        pytest.param("## VETO secrets are in the log", [STANDING], id="R1"),
        pytest.param("## VETO", [STANDING], id="bare"),
        pytest.param("## VETO — M2: policy reversed the plan", [STANDING], id="scoped"),
        pytest.param("**VETO:** secrets are in the log", [STANDING], id="bold-line"),
        pytest.param("## Open VETOes\n(none)", [], id="R10"),
        pytest.param("## Open VETOes\n- secrets are in the log", [STANDING], id="listed"),
        pytest.param("## VETO\n(none)", [], id="template"),
        pytest.param("VETO: none", [], id="none"),
        pytest.param("## VETO WITHDRAWN @2026-06-13T19:46Z", [], id="withdrawn-nothing"),
        pytest.param("## VETO secrets in the log — withdrawn @2026-06-13", [WITHDRAWN], id="withdrawn-in-place"),
        pytest.param("## VETO secrets\n\nWithdrawn @2026-06-13, fixed in abc1234.", [WITHDRAWN], id="withdrawn-below"),
        pytest.param("## VETO secrets\n\nleak\n\n## VETO withdrawn: fixed", [WITHDRAWN], id="withdrawn-later"),
        pytest.param("## VETO a\n\n## VETO b\n\n## VETO withdrawn", [STANDING, STANDING, DOUBTFUL], id="which-one"),
        pytest.param("## VETO a1\n\n## VETO b2\n\n## VETO withdrawn: b2", [STANDING, WITHDRAWN], id="named"),
        pytest.param("## ~~VETO secrets~~", [], id="struck-out"),
        pytest.param("There is no VETO.", [], id="mention"),
    ],
)
def test_vetoes_stand_until_they_are_withdrawn(text: str, states: list[VetoState]) -> None:
    assert [veto.state for veto in parse_review(text + "\n").vetoes] == states


@pytest.mark.parametrize(
    ("subject", "phase", "kind", "labels", "verdicts"),
    [
        ("claim(2w): Gate WC4+WC7 CLAIMED — warm pool", "2w", SubjectKind.CLAIM, ("WC4", "WC7"), []),
        ("claim(3 U0): results schema — gate CLAIMED", "3", SubjectKind.CLAIM, ("U0",), []),
        ("claim(M1): CLAIMED", "canon", SubjectKind.CLAIM, ("M1",), []),
        ("claim(feat:M1): CLAIMED", "canon", SubjectKind.CLAIM, ("M1",), []),
        (
            "review(mirror): Ph1 PASS, Ph3 PASS, Ph2 PARTIAL FAIL (A-mirror-1 OPEN) @00:40Z",
            "mirror",
            SubjectKind.REVIEW,
            ("Ph1", "Ph3", "Ph2"),
            [P("Ph1"), P("Ph3"), F("Ph2")],
        ),
        (
            "review(5): V5 PASS, V3 full PASS, V8 FAIL (A5-6 uptime-kuma not enrolled)",
            "5",
            SubjectKind.REVIEW,
            ("V5", "V3", "V8"),
            [P("V5"), P("V3"), F("V8")],
        ),
        ("review(3): Phase-3 Adversary loop live; ledger seeded; no gate yet …", "3", SubjectKind.REVIEW, (), []),
        ("review(5 init): orientation", "5", SubjectKind.REVIEW, (), []),
        ("review(M1): PASS @2026-06-13T19:46Z", "canon", SubjectKind.REVIEW, ("M1",), [P("M1")]),
        ("review(canon): PASS", "canon", SubjectKind.REVIEW, ("canon",), [P("canon")]),
        ("review(canon): ALL DoD PASS", "canon", SubjectKind.REVIEW, (), [P(ALL)]),
        ("chore(aotest): add code orientation notes to REVIEW", "aotest", SubjectKind.OTHER, (), []),
        ("status(canon): ## DONE — all verified", "canon", SubjectKind.DONE, (), []),
        ("status(mailu): init phase state for ## DONE", "mailu", SubjectKind.OTHER, (), []),
        ("DONE(1e)", "1e", SubjectKind.DONE, (), []),
        ('Revert "claim(M1): x"', "canon", SubjectKind.OTHER, (), []),
    ],
)
def test_commit_subjects(
    subject: str, phase: str, kind: SubjectKind, labels: tuple[str, ...], verdicts: list[tuple[str, Result]]
) -> None:
    read = parse_subject(subject, HANDOFF, Vocabulary(phase=phase))
    assert (read.kind, read.labels) == (kind, labels)
    assert [(one.item, one.result) for one in read.verdicts] == verdicts


def test_the_prefixes_of_claims_and_reviews_are_configurable() -> None:
    handoff = Handoff(repo="r", claim="claimed(", review="judge: ")
    assert parse_subject("claimed(M1): x", handoff, Vocabulary(phase="p")).labels == ("M1",)
    assert parse_subject("judge: M1 PASS", handoff, Vocabulary(phase="p")).gives_verdict
    assert parse_subject("claim(M1): x", handoff, Vocabulary(phase="p")).kind is SubjectKind.OTHER


BACKLOG = """# BACKLOG — phase 1e

## Build backlog
- [x] **B1 — PO scratch project** full lifecycle
- [ ] B2: staged skeleton
- [x] Gate: M0 — skeleton → CLAIMED 2026-05-26, awaiting Adversary

## Phase 1 — Create 3 missing mirrors ✓

## Adversary findings
- [ ] **F1e-1 [adversary]** — *the harness swallows errors*, rc 0 with a failure
- [x] **F2-14c [adversary]** — fixed
- [ ] A5-6 — uptime-kuma not enrolled
- [x] **DEFECT-2 [adversary] OPEN** — box and word disagree

### A-regall-2 [adversary] OPEN @2026-06-17T03:25Z — baseline is wrong
**Filed:** 2026-06-17 **Severity:** MEDIUM — only the sweep **Run:** 12 **Baseline:** x **Failure:** y
"""


def test_backlog_items_gates_and_findings() -> None:
    backlog = parse_backlog(BACKLOG)
    assert [(item.id, item.done) for item in backlog.items] == [
        ("B1", True),
        ("B2", False),
        ("M0", True),
        ("Phase 1", True),
    ]
    assert [(gate.label, gate.state) for gate in backlog.gates] == [("M0", CLAIMED)]
    assert [(one.id, one.state, one.severity) for one in backlog.findings] == [
        ("F1e-1", FindingState.OPEN, ""),
        ("F2-14c", FindingState.CLOSED, ""),
        ("A5-6", FindingState.OPEN, ""),
        ("DEFECT-2", FindingState.UNCLEAR, ""),
        ("A-regall-2", FindingState.OPEN, "MEDIUM"),
    ]


@pytest.mark.parametrize(
    ("text", "sender", "written", "precision", "begins"),
    [
        pytest.param(
            "@2026-05-30T14:24:31Z — Adversary: NEW orchestrator policy applies\n\nmore\n",
            "adversary",
            "2026-05-30T14:24:31Z",
            Precision.SECOND,
            "NEW orchestrator policy",
            id="CC-24",
        ),
        pytest.param(
            "BUILDER-INBOX — Adversary → Builder (non-gate) @2026-05-29\n\nTwo things.\n",
            "adversary",
            "2026-05-29",
            Precision.DAY,
            "Two things.",
            id="CC-12",
        ),
        pytest.param(
            "BUILDER-INBOX (Adversary → Builder)\n\n2026-06-17 ~08:40Z — heads-up (not a gate verdict): 1 of 5 real\n",
            "adversary",
            "2026-06-17 ~08:40Z",
            Precision.MINUTE,
            "2026-06-17 ~08:40Z — heads-up",
            id="CC-25",
        ),
        pytest.param(
            "# BUILDER-INBOX\n\n**From Adversary, 2026-05-31T13:45Z — Phase 5 orientation findings**\n\n"
            "## Critical finding: verdict reader (A5-2, BLOCKING for V2–V8)\n",
            "adversary",
            "2026-05-31T13:45Z",
            Precision.MINUTE,
            "## Critical finding",
            id="CC-20",
        ),
        pytest.param("please look at the log\n", "", None, None, "please look", id="no-head"),
    ],
)
def test_inbox_messages_in_all_their_shapes(
    text: str, sender: str, written: str | None, precision: Precision | None, begins: str
) -> None:
    message = parse_inbox(text)
    assert message is not None
    assert message.sender == sender
    assert (message.moment.written if message.moment else None) == written
    assert (message.moment.precision if message.moment else None) == precision
    assert message.body.startswith(begins)


def test_an_inbox_without_words_is_no_message() -> None:
    assert parse_inbox(" \n\n") is None


def test_deferred_entries_are_closed_by_their_box_wherever_they_stand() -> None:
    text = (
        "# DEFERRED\n\n## Open\n\n### 2026-06-01 — cold-cache\n- [ ] **What:** the cold cache\n"
        "**Filed by:** Builder, phase 2w\n**Reason for deferral:** no host\n**Re-entry trigger:** second host\n\n"
        "### 2026-06-02 — done-one\n- [x] **What:** x\n\n## Closed\n\n### 2026-06-03 — astray\n- [ ] **What:** y\n"
    )
    entries = parse_deferred(text).entries
    assert [(one.slug, one.closed, one.misplaced) for one in entries] == [
        ("cold-cache", False, False),
        ("done-one", True, True),
        ("astray", False, True),
    ]
    assert entries[0].trigger == "second host"
    assert entries[0].fields["Filed by"] == "Builder, phase 2w"


@pytest.mark.parametrize(
    ("message", "epoch"),
    [
        ("ok\nWAITING-UNTIL: 2026-06-01T19:19:30Z", 1780341570.0),
        ("ok\nWAITING-UNTIL: 2026-06-01T19:19:30.5Z\n\n", 1780341570.5),
        ("WAITING-UNTIL: 2026-06-01T19:19:30+00:00", 1780341570.0),
        ("WAITING-UNTIL: 2026-06-01T21:19:30+02:00", 1780341570.0),
        ("WAITING-UNTIL: 2026-06-01T19:19Z", 1780341540.0),
        ("WAITING-UNTIL: 2026-06-01T19:19:30Z\nand more", None),
        ("I end with WAITING-UNTIL: 2026-06-01T19:19:30Z", None),
        ("WAITING-UNTIL: 19:19:30Z", None),
        ("WAITING-UNTIL: 2026-06-01T19:19:30", None),
        ("WAITING-UNTIL: <ISO8601 UTC>", None),
        ("WAITING-UNTIL: 2026-13-01T19:19:30Z", None),
        ("", None),
    ],
)
def test_waiting_until_is_the_exact_last_line(message: str, epoch: float | None) -> None:
    assert waiting_until(message) == epoch


def test_on_a_screen_only_the_newest_marker_counts() -> None:
    older, newer = "● WAITING-UNTIL: 2026-06-01T19:19:30Z", "  WAITING-UNTIL: 2026-06-01T19:29:30Z"
    assert newest_waiting([older, "work", newer, "", "> type here"]) == 1780342170.0
    assert newest_waiting([older, "WAITING-UNTIL: soon"]) is None
    assert newest_waiting(["no marker"]) is None
