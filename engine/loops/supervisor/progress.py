"""Handoff and phases: what pushed commits mean, when a phase is done, and what comes next."""

from __future__ import annotations

import re

from loops.config.model import Handoff, NoticeKind, Phase, Verdicts
from loops.protocol.done import CheckResult, Judgement, Rule, candidate, items_of, judge
from loops.protocol.encoding import encode
from loops.protocol.evidence import Claim, Commit, Kind, PhaseEvidence, classify, observe
from loops.protocol.status import DoneState
from loops.protocol.verdicts import Verdict
from loops.supervisor import events as ev
from loops.supervisor import tokens
from loops.supervisor.action import ReadHistory, RunChecks
from loops.supervisor.observation import CheckEnded, Pushed, Told
from loops.supervisor.state import Asked, NudgeKind
from loops.supervisor.step import Step

_AGE = re.compile(r"-?[\d.]+ (?:h old|s in the future)")

# ---- pushed commits ----------------------------------------------------------------------------------------------------


def pushed(step: Step, seen: Pushed) -> None:
    """Take in the new commits of the handoff branch; each is acted on exactly once, for ``head`` moves with it."""
    handoff = step.config.loop.handoff
    phase = step.phase
    if handoff is None or phase is None or (seen.head == step.loop.head and not seen.rewritten):
        return
    if not seen.quiet and not step.loop.head:
        step.act(ReadHistory())  # the phase began while this was read: the whole history tells it
        return
    if seen.rewritten:
        step.emit(ev.HistoryRewritten(step.at, step.loop.head, seen.head))
        step.say(f"the history of {handoff.branch} was rewritten: all verdicts are read anew")
    evidence = PhaseEvidence(phase.id) if seen.quiet else step.loop.evidence
    others = frozenset(each.id for each in step.config.loop.phases) - {phase.id}
    kinds: list[Kind] = []
    try:
        for commit, documents in seen.commits:
            evidence = observe(
                evidence, commit, documents, phase, handoff, step.config.loop.done, others=others, seen=step.at
            )
            kinds.append(evidence.latest)
    except ValueError:  # read for other document names than the configuration gives now
        step.act(ReadHistory())
        return
    step.emit(ev.EvidenceTaken(phase.id, step.at, seen.head, encode(evidence)))
    if not seen.quiet:
        for (commit, _), kind in zip(seen.commits, kinds, strict=True):
            _hand_over(step, commit, kind, handoff, _labels(commit, phase, evidence, handoff, others))
    else:
        _open_claim(step, evidence, handoff)
    for file, digest, commit_sha in seen.inbox:
        _inbox(step, file, digest, commit_sha, handoff)
    consider(step)


def _labels(
    commit: Commit, phase: Phase, evidence: PhaseEvidence, handoff: Handoff, others: frozenset[str]
) -> tuple[str, ...]:
    """The gates that the commit names, else those of the latest claim."""
    known = (*(item.id for item in phase.items), *evidence.claimed)
    named = classify(commit, handoff, phase.id, others, known).labels
    return named or (evidence.claim.labels if evidence.claim is not None else ())


def _hand_over(step: Step, commit: Commit, kind: Kind, handoff: Handoff, labels: tuple[str, ...]) -> None:
    if kind is Kind.OTHER:
        return
    step.emit(ev.CommitSeen(step.loop.phase, step.at, commit.sha, commit.author, commit.subject, kind.value, labels))
    tokens.gate_ended(step, commit, kind, labels, handoff)
    short = commit.sha[:10]
    if kind is Kind.CLAIM:
        text = (
            f"A claim waits for your verdict: {commit.subject!r} ({short}). Pull in your own clone, verify cold what "
            f"{_status_name(step)} says under HOW, and give your verdict for each item with `loops verdict`."
        )
        _tell(step, handoff.adversary, NudgeKind.CLAIM, text, commit.sha, f"{commit.subject!r} was pushed", "claim")
    elif kind is Kind.VERDICT:
        text = (
            f"A verdict was pushed: {commit.subject!r} ({short}). Pull and read REVIEW-{step.loop.phase}.md: mend each "
            "FAIL and claim again; when every item has a PASS and no veto stands, write the done marker in "
            f"{_status_name(step)} with what was proved."
        )
        _tell(step, handoff.builder, NudgeKind.VERDICT, text, commit.sha, f"{commit.subject!r} was pushed", "verdict")
    else:
        text = f"The reviewer pushed a message without a verdict: {commit.subject!r} ({short}). Pull and read it."
        _tell(step, handoff.builder, NudgeKind.MESSAGE, text, commit.sha, f"{commit.subject!r} was pushed", "message")


def open_claim(evidence: PhaseEvidence) -> Claim | None:
    """The claim that waits for its verdict."""
    claim = evidence.claim
    judged = any(claim is None or each.at.position > claim.at.position for each in evidence.verdicts.values())
    return None if judged else claim


def _open_claim(step: Step, evidence: PhaseEvidence, handoff: Handoff) -> None:
    """A claim that was pushed while nobody watched is not lost."""
    verdict = max(evidence.verdicts.values(), key=lambda each: each.at.position, default=None)
    claim = open_claim(evidence)
    if claim is None:
        if verdict is not None:
            _open_verdict(step, verdict, handoff)
        return
    text = (
        f"A claim waits for your verdict ({claim.at.sha[:10]}, {', '.join(claim.labels)}). Pull in your own clone, verify "
        f"cold what {_status_name(step)} says under HOW, and give your verdict for each item with `loops verdict`."
    )
    _tell(
        step, handoff.adversary, NudgeKind.CLAIM, text, claim.at.sha, f"claim {claim.at.sha[:10]} is open", "open-claim"
    )


def _open_verdict(step: Step, verdict: Verdict, handoff: Handoff) -> None:
    """Neither is a verdict that nobody has claimed behind."""
    short = verdict.at.sha[:10]
    text = (
        f"The last word in phase {step.loop.phase} is a verdict ({short}). Pull and read REVIEW-{step.loop.phase}.md: mend each "
        f"FAIL and claim again; when every item has a PASS and no veto stands, write the done marker in {_status_name(step)}."
    )
    why = f"verdict {short} is the last word"
    _tell(step, handoff.builder, NudgeKind.VERDICT, text, verdict.at.sha, why, "open-verdict")


def _inbox(step: Step, file: str, digest: str, commit: str, handoff: Handoff) -> None:
    owners = handoff.builder if file.upper().startswith("BUILDER") else handoff.adversary
    text = f"There is a message for you in {file}. Pull, read it, act on it, then delete the file, commit and push."
    _tell(step, owners, NudgeKind.INBOX, text, f"{file}@{digest}", f"{file} was pushed ({commit[:10]})", "inbox")


def _tell(step: Step, names: tuple[str, ...], kind: NudgeKind, text: str, cause: str, why: str, rule: str) -> None:
    for name in names:
        if name in step.config.agents:
            step.queue(name, kind, text, cause=cause, why=why, rule=rule)


def _status_name(step: Step) -> str:
    phase = step.phase
    return phase.status if phase is not None else "STATUS"


# ---- done --------------------------------------------------------------------------------------------------------------


def consider(step: Step) -> None:
    """If the done marker stands: run the checks, refuse with the reasons, or end the phase."""
    phase = step.phase
    evidence = step.loop.evidence
    if phase is None or evidence.done.state in (DoneState.ABSENT, DoneState.PLACEHOLDER) or not active(step):
        return  # nobody says that it is done, or nobody wants the plan to go on now
    check = step.loop.check
    commit = candidate(evidence)
    known = check if check is not None and check.commit == commit else None
    result = CheckResult(known.commit, known.ok, known.text) if known is not None and known.ok is not None else None
    judgement = judge(evidence, phase, step.config.loop.done, step.at, result)
    if judgement.done:
        _phase_done(step, judgement, commit)
        return
    if [r.rule for r in judgement.refusals] == [Rule.CHECK_MISSING]:
        if known is None:
            number = step.loop.checks_run + 1
            step.emit(ev.CheckStarted(phase.id, step.at, commit, number))
            step.act(RunChecks(phase.id, commit, number))
        return
    _refuse(step, judgement, commit)


def _refuse(step: Step, judgement: Judgement, commit: str) -> None:
    handoff = step.config.loop.handoff
    refusals = [r for r in judgement.refusals if r.rule is not Rule.CHECK_MISSING]
    reasons = tuple(r.text for r in refusals)
    if handoff is None or _timeless(step.loop.refused) == _timeless((commit, *reasons)):
        return
    step.emit(ev.DoneRefused(step.loop.phase, step.at, commit, tuple(r.rule.value for r in refusals), reasons))
    listed = "; ".join(reasons)
    text = f"Phase {step.loop.phase} is not done: {listed}. Mend this, then claim again."
    _tell(step, handoff.builder, NudgeKind.REFUSAL, text, commit, listed, "done-refused")


def _timeless(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons without the ages in them: a verdict that grows older is refused once, not at each push."""
    return tuple(_AGE.sub("", reason) for reason in reasons)


def check_ended(step: Step, seen: CheckEnded) -> None:
    """The engine's own checks have ended."""
    check = step.loop.check
    if check is None or check.phase != seen.phase or check.commit != seen.commit or check.ok is not None:
        return
    step.emit(ev.CheckCompleted(seen.phase, step.at, seen.commit, seen.ok, seen.text))
    consider(step)


def open_work(step: Step, name: str) -> str:
    """What the phase still lacks, for the nudge of a stalled agent (incident 11: built, but never marked done)."""
    phase = step.phase
    if phase is None:
        return "You are idle. If you wait for something, end with a line WAITING-UNTIL: <ISO 8601 UTC>."
    judgement = judge(step.loop.evidence, phase, step.config.loop.done, step.at, None)
    lacking = [r.text for r in judgement.refusals if r.rule is not Rule.CHECK_MISSING]
    text = f"You are idle and phase {phase.id} is not done: " + ("; ".join(lacking) or "nothing is claimed") + "."
    if step.config.loop.done_nudge and {r.rule for r in judgement.refusals} <= {Rule.MARKER_ABSENT, Rule.CHECK_MISSING}:
        optional = step.config.loop.done.verdicts is Verdicts.OPTIONAL
        has = "is claimed" if optional else "has its PASS"
        text = (
            f"Every item of phase {phase.id} {has}, but {phase.status} has no done marker: the Builder writes it now."
        )
    return f"{text} Go on; if you wait for something, end with a line WAITING-UNTIL: <ISO 8601 UTC>."


# ---- phases ------------------------------------------------------------------------------------------------------------


def _phase_done(step: Step, judgement: Judgement, commit: str) -> None:
    phase = step.phase
    assert phase is not None
    items = tuple(item.id for item in items_of(step.loop.evidence, phase))
    passed = "claimed" if step.config.loop.done.verdicts is Verdicts.OPTIONAL else "passed"
    why = f"marker, {len(items)} items {passed}, no veto" + (", checks succeeded" if phase.checks else "")
    step.emit(ev.PhaseDone(phase.id, step.at, commit, items, why, "phase-done"))
    step.notice(NoticeKind.PHASE_DONE, f"{phase.id} {commit}", f"phase {phase.id} is done ({commit[:10]})")
    following = step.loop.index + 1
    if following < len(step.config.loop.phases):
        begin(step, following, f"phase {phase.id} is done", "phase-next")
        return
    _complete(step)


def _complete(step: Step) -> None:
    task = step.config.loop.on_complete
    tokens.phase_ended(step)
    step.emit(ev.SequenceCompleted(step.at, len(step.config.loop.phases), task))
    _drop_nudges(step, "all phases are done")
    step.notice(NoticeKind.FINISHED, f"{step.at:.3f}", "all phases are done")
    if task:
        step.touch(task)
    _touch_loop(step)


def begin(step: Step, index: int, why: str, rule: str) -> None:
    """Start phase number *index* (from 0)."""
    phase = step.config.loop.phases[index]
    tokens.phase_ended(step)
    step.emit(ev.PhaseStarted(phase.id, step.at, index, why, rule))
    _drop_nudges(step, f"phase {phase.id} began")
    step.act(ReadHistory())
    _touch_loop(step)


def _drop_nudges(step: Step, why: str) -> None:
    """What waits for the loop's agents is about a phase that is over, but for a person's words."""
    for name in step.loop_agents():
        for nudge in step.agent(name).nudges:
            if nudge.kind is not NudgeKind.OPERATOR:
                step.emit(ev.NudgeDropped(name, step.at, nudge.id, why, "nudge-stale"))


def _touch_loop(step: Step) -> None:
    for name in step.loop_agents():
        step.touch(name)


def active(step: Step) -> bool:
    """Whether the sequence moves: the project is up, or the operator asked for one of its loop agents."""
    if step.state.stopped:
        return False
    return step.state.up or any(step.agent(name).asked is Asked.UP for name in step.loop_agents())


def keep_place(step: Step) -> None:
    """After the configuration or the operator's word changed: begin, or resume behind an appended phase."""
    phases = step.config.loop.phases
    if not phases or not active(step):
        return
    if step.loop.index < 0:
        begin(step, 0, "the project came up", "phase-first")
        return
    if step.loop.complete:
        appended = 1 + max((i for i, phase in enumerate(phases) if phase.id in step.loop.done), default=-1)
        if appended < len(phases):
            begin(step, appended, f"phase {phases[appended].id} was appended", "phase-appended")
        return
    moved = next((i for i, phase in enumerate(phases) if phase.id == step.loop.phase), None)
    if moved is None:
        why = f"phase {step.loop.phase} is no longer in the file"
        left = (i for i, phase in enumerate(phases) if i >= step.loop.index and phase.id not in step.loop.done)
        index = next(left, None)
        if index is None:
            _complete(step)
        else:
            begin(step, index, why, "operator")
    elif moved != step.loop.index:
        why = "the order of the phases changed"
        step.emit(ev.PhaseStarted(step.loop.phase, step.at, moved, why, "phase-moved"))


def told_phase(step: Step, seen: Told) -> None:
    """The operator moves the phase: an id, a number from 1, or "next"."""
    phases = step.config.loop.phases
    ids = [phase.id for phase in phases]
    if seen.detail == "next":
        index = step.loop.index + 1
    elif seen.detail in ids:
        index = ids.index(seen.detail)
    else:
        index = int(seen.detail) - 1 if seen.detail.isdecimal() else -1
    if 0 <= index < len(phases):
        begin(step, index, "the operator set the phase", "operator")
