"""Done is computed, never believed: the evidence of a phase judged against its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from loops.config.model import Done, Item, Phase, Verdicts
from loops.protocol.evidence import ALL_CODE, Change, PhaseEvidence
from loops.protocol.moment import iso
from loops.protocol.review import Result
from loops.protocol.statements import ALL
from loops.protocol.status import DoneState
from loops.protocol.verdicts import Verdict

_CLOCK_SKEW = 300.0
"""Seconds by which a verdict may be dated ahead of us."""


class Rule(StrEnum):
    """Why a claim of done is refused.  The values are stable: scripts and the journal hold them."""

    MARKER_ABSENT = "marker-absent"
    MARKER_PLACEHOLDER = "marker-placeholder"
    NO_ITEMS = "no-items"
    NOT_CLAIMED = "not-claimed"
    NO_VERDICT = "no-verdict"
    VERDICT_FAILED = "verdict-failed"
    VERDICT_PROVISIONAL = "verdict-provisional"
    VERDICT_STALE_AGE = "verdict-stale-age"
    VERDICT_OLDER_THAN_CHANGE = "verdict-older-than-change"
    SELF_REVIEW = "self-review"
    VETO_STANDING = "veto-standing"
    CLAIM_INCOMPLETE = "claim-incomplete"
    CHECK_MISSING = "check-missing"
    CHECK_FAILED = "check-failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The phase's checks as the engine ran them itself, in a fresh clone of ``commit``.  ``text``: what failed."""

    commit: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why the phase is not done: ``rule`` for machines, ``text`` for people (place, rule, remedy)."""

    rule: Rule
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """``done`` exactly when there is no refusal.  ``open_items``: those without a PASS that counts."""

    done: bool
    refusals: tuple[Refusal, ...]
    open_items: tuple[str, ...]


def candidate(evidence: PhaseEvidence) -> str:
    """The commit that would be accepted, which is where the checks must run: the last claim or the last change of code,
    whichever came later; commits that touch only documents need no new run."""
    points = [change.at for change in (evidence.changes.get(ALL_CODE),) if change]
    if evidence.claim:
        points.append(evidence.claim.at)
    return max(points, key=lambda point: point.position).sha if points else evidence.head


def items_of(evidence: PhaseEvidence, phase: Phase) -> tuple[Item, ...]:
    """The phase's own items, else every label claimed in it."""
    return phase.items or tuple(Item(label) for label in evidence.labels)


def judge(evidence: PhaseEvidence, phase: Phase, done: Done, now: float, check: CheckResult | None = None) -> Judgement:
    """Say whether the phase is done at *now* (epoch seconds), and if not, every reason."""
    refusals = [*_marker(evidence, phase, done), *_claim(evidence)]
    items = items_of(evidence, phase)
    if not items:
        refusals.append(
            Refusal(
                Rule.NO_ITEMS,
                f"phase {phase.id} has nothing that could be verified: give it items in agents.toml, or claim a gate",
            )
        )
    open_items: list[str] = []
    for item in items:
        against = list(_item(evidence, item, done, now))
        if against:
            open_items.append(item.id)
        refusals += against
    refusals += [
        Refusal(Rule.VETO_STANDING, f"a veto stands: {veto}; the Adversary withdraws it in REVIEW when it is answered")
        for veto in evidence.vetoes
    ]
    refusals += [
        Refusal(
            Rule.UNCLEAR,
            f"{one.document} line {one.line}: {one.text!r} is never closed, so all below it is hidden; close it",
        )
        for one in evidence.unclear
    ]
    refusals += _checks(evidence, phase, check)
    return Judgement(not refusals, tuple(refusals), tuple(open_items))


def verdict_on(evidence: PhaseEvidence, item: str) -> Verdict | None:
    """The verdict in force on *item*: its own, or a later one on all items, unless the item was claimed after that."""
    own, group = evidence.verdicts.get(item), evidence.verdicts.get(ALL)
    if group is None or group.result is Result.UNCLEAR:
        return own
    claimed = evidence.claimed.get(item)
    if claimed is not None and claimed.position > group.at.position:
        return own
    return own if own is not None and own.at.position >= group.at.position else group


def last_change(evidence: PhaseEvidence, item: Item) -> Change | None:
    """The last change to what *item* covers (all code when it names nothing); None: nothing changed in this phase."""
    code = evidence.changes.get(ALL_CODE)
    changes = [evidence.changes.get(glob, code) for glob in item.covers] if item.covers else [code]
    return max((change for change in changes if change), key=lambda change: change.at.position, default=None)


def _marker(evidence: PhaseEvidence, phase: Phase, done: Done) -> Iterator[Refusal]:
    status, mark = phase.status or f"STATUS-{phase.id}.md", evidence.done
    where = f"{status} line {mark.line}: {mark.text!r}"
    if mark.state is DoneState.ABSENT:
        yield Refusal(Rule.MARKER_ABSENT, f'{status} has no heading "{done.marker}"')
    elif mark.state is DoneState.PLACEHOLDER:
        yield Refusal(
            Rule.MARKER_PLACEHOLDER,
            f"{where} only keeps its place; say below it what was done and verified",
        )
    elif mark.state is DoneState.UNCLEAR:
        yield Refusal(
            Rule.UNCLEAR,
            f'{where} may or may not mean done; write one heading "{done.marker}" with a body, and no other mark',
        )


def _claim(evidence: PhaseEvidence) -> Iterator[Refusal]:
    claim = evidence.claim
    if claim and claim.missing:
        yield Refusal(
            Rule.CLAIM_INCOMPLETE,
            f"the claim of {', '.join(claim.labels)} in {claim.at.sha[:10]} lacks {', '.join(claim.missing)}: "
            "nobody can verify it cold; claim again with all of WHAT, HOW, EXPECTED and WHERE",
        )


def _item(evidence: PhaseEvidence, item: Item, done: Done, now: float) -> Iterator[Refusal]:
    verdict = verdict_on(evidence, item.id)
    if done.verdicts is Verdicts.OPTIONAL and (verdict is None or verdict.result is Result.PASS):
        if item.id not in evidence.claimed:  # else the checks judge it, wherever the PASS stands that somebody gave
            yield Refusal(Rule.NOT_CLAIMED, f"{item.id}: not claimed in this phase; claim it with `loops claim`")
        return
    if verdict is None:
        yield Refusal(Rule.NO_VERDICT, f"{item.id}: no verdict in this phase; the Adversary has to verify it")
        return
    where = f"{item.id}: {verdict.text!r} in {verdict.at.sha[:10]}"
    if verdict.result is Result.FAIL:
        yield Refusal(Rule.VERDICT_FAILED, f"{where} is a FAIL; fix it and claim again")
    elif verdict.result is Result.PROVISIONAL:
        yield Refusal(Rule.VERDICT_PROVISIONAL, f"{where} is provisional, which is not a PASS")
    elif verdict.result is Result.UNCLEAR:
        yield Refusal(
            Rule.UNCLEAR,
            f'{where} is no clear verdict; a review commit must say "{item.id}: PASS" or "{item.id}: FAIL"',
        )
    else:
        yield from _pass(evidence, item, verdict, done, now, where)


def _pass(
    evidence: PhaseEvidence, item: Item, verdict: Verdict, done: Done, now: float, where: str
) -> Iterator[Refusal]:
    age = now - verdict.at.time
    # The texts hold no age: a refusal is told once, so it must not change with the clock.
    if age > done.verdict_max_age:
        limit = f"{done.verdict_max_age / 3600:g} h"
        yield Refusal(Rule.VERDICT_STALE_AGE, f"{where} is older than verdict_max_age ({limit}); verify again")
    elif age < -_CLOCK_SKEW:
        yield Refusal(
            Rule.VERDICT_STALE_AGE, f"{where} is dated in the future ({iso(verdict.at.time)}); set the clocks"
        )
    if verdict.line and verdict.line not in evidence.lines:
        yield Refusal(Rule.UNCLEAR, f"{where} has gone from REVIEW, as if it were taken back; judge again")
    change = last_change(evidence, item)
    if change and change.at.position >= verdict.at.position:
        yield Refusal(
            Rule.VERDICT_OLDER_THAN_CHANGE,
            f"{where} does not cover the later change of {change.path} in {change.at.sha[:10]}; verify again",
        )
    if _same_hand(evidence, verdict):
        yield Refusal(
            Rule.SELF_REVIEW,
            f"{where} was given by {verdict.author}, who claims in this phase; the Adversary judges",
        )


def _same_hand(evidence: PhaseEvidence, verdict: Verdict) -> bool:
    """Whether a claimer judged, where identities tell the roles apart.

    Old projects commit everything under one identity; then nothing can be told from it.  They are told apart as soon as
    a second identity claims or reviews in the phase.
    """
    distinct = len({*evidence.claimers, *evidence.reviewers}) > 1
    return distinct and verdict.author in evidence.claimers


def _checks(evidence: PhaseEvidence, phase: Phase, check: CheckResult | None) -> Iterator[Refusal]:
    if not phase.checks:
        return
    commit = candidate(evidence)
    if check is None:
        yield Refusal(Rule.CHECK_MISSING, f"the phase's checks have not run at {commit[:10]}")
    elif check.commit != commit:
        yield Refusal(
            Rule.CHECK_MISSING,
            f"the phase's checks ran at {check.commit[:10]}, but {commit[:10]} would be accepted; they must run there",
        )
    elif not check.ok:
        yield Refusal(Rule.CHECK_FAILED, f"the phase's checks fail at {commit[:10]}: {check.text}")
