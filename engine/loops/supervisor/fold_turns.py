"""The fold of an agent's turns: limits, questions, conversations, what was used."""

from __future__ import annotations

from dataclasses import replace

from loops.supervisor import events as ev
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import KNOWN_CONVERSATIONS, AgentState, Approval, Hold, Turn, Usage

REAL_WORK = 120.0
"""Seconds of a turn that was more than an answer to a stall nudge: the next silence is a new one."""


# ---- conversations ---------------------------------------------------------------------------------------------------


def known_conversations(agent: AgentState, id: str) -> tuple[str, ...]:
    """The agent's conversations with *id* as the latest."""
    if not id or id in agent.conversations:
        return agent.conversations
    return (*agent.conversations[1 - KNOWN_CONVERSATIONS :], id)


@on(ev.ConversationKnown)
def _conversation(work: Fold, e: ev.ConversationKnown) -> None:
    known = known_conversations(work.agent(e.agent), e.conversation)
    work.change(e.agent, conversation=e.conversation, conversations=known)


@on(ev.ConversationChanged)
def _conversation_changed(work: Fold, e: ev.ConversationChanged) -> None:
    known = known_conversations(work.agent(e.agent), e.conversation)
    work.change(e.agent, conversation=e.conversation, conversations=known)


@on(ev.ConversationDropped)
def _conversation_dropped(work: Fold, e: ev.ConversationDropped) -> None:
    failed = e.rule == "resume-failed" or work.agent(e.agent).resume_failed
    work.change(e.agent, conversation="", fresh_next=True, resuming=False, resume_failed=failed)


# ---- turns, limits, questions ---------------------------------------------------------------------------------------


@on(ev.TurnStarted)
def _turn_started(work: Fold, e: ev.TurnStarted) -> None:
    work.change(
        e.agent,
        turn=Turn.WORKING,
        turn_since=e.at,
        waiting_until=0.0,
        last_output=0.0,
        uncosted=Usage(),
        resuming=False,
        resume_failed=False,
        denied_by_hand=False,
        last_hold="",
        reboot=0,
    )


@on(ev.TurnGoesOn)
def _turn_goes_on(work: Fold, e: ev.TurnGoesOn) -> None:
    work.change(e.agent, last_output=e.last_output, hangs=0)


@on(ev.TurnCompleted)
def _turn_completed(work: Fold, e: ev.TurnCompleted) -> None:
    agent = work.agent(e.agent)
    if agent.turn is Turn.IDLE:
        work.change(e.agent, waiting_until=e.waiting_until)
        return
    worked = agent.turn is Turn.WORKING and e.at - agent.turn_since >= REAL_WORK
    parked = e.waiting_until > e.at
    work.change(
        e.agent,
        turn=Turn.IDLE,
        turn_since=e.at,
        unproven=agent.unproven if e.failed else None,
        waiting_until=e.waiting_until,
        uncosted=Usage(),
        stalled_at=0.0 if worked or parked else agent.stalled_at,
        stall_rounds=0 if worked else agent.stall_rounds,
        hangs=0 if agent.turn is Turn.WORKING else agent.hangs,
    )


@on(ev.HoldBegan)
def _hold(work: Fold, e: ev.HoldBegan) -> None:
    agent = work.agent(e.agent)
    earlier = agent.hold or agent.unproven
    same = earlier if earlier is not None and earlier.kind == e.kind else None
    began, told = (same.began, same.told) if same is not None else (e.at, False)
    work.change(e.agent, hold=Hold(e.kind, e.until, e.probes, e.text, e.at, e.open, began, told), unproven=None)


@on(ev.HoldTold)
def _hold_told(work: Fold, e: ev.HoldTold) -> None:
    hold = work.agent(e.agent).hold
    if hold is not None:
        work.change(e.agent, hold=replace(hold, told=True))


@on(ev.HoldEnded)
def _hold_ended(work: Fold, e: ev.HoldEnded) -> None:
    agent = work.agent(e.agent)
    # The wait was not the agent's fault: its silence counts from now (incident 3).
    since = e.at if agent.turn is Turn.IDLE else agent.turn_since
    text = agent.hold.text if agent.hold is not None else ""
    unproven = None if e.proven else agent.hold
    work.change(e.agent, hold=None, unproven=unproven, turn_since=since, stalled_at=0.0, last_hold=text)


@on(ev.QuestionAsked)
def _question(work: Fold, e: ev.QuestionAsked) -> None:
    if not e.id:
        work.change(e.agent, question=e.text)
        return
    others = tuple(approval for approval in work.agent(e.agent).approvals if approval.id != e.id)
    work.change(e.agent, approvals=(*others, Approval(e.id, e.text, e.at, e.expires)))


@on(ev.ApprovalAnswered)
def _answered(work: Fold, e: ev.ApprovalAnswered) -> None:
    said = "granted" if e.allow else "denied"
    agent = work.agent(e.agent)
    approvals = tuple(
        replace(each, answer=said, by=e.by, reason=e.reason) if each.id == e.id else each for each in agent.approvals
    )
    # It waited for a person: its silence counts from now.
    work.change(e.agent, approvals=approvals, last_output=max(agent.last_output, e.at))


@on(ev.QuestionEnded)
def _question_ended(work: Fold, e: ev.QuestionEnded) -> None:
    agent = work.agent(e.agent)
    if not e.id:
        work.change(e.agent, question="", last_output=max(agent.last_output, e.at))
        return
    left = tuple(each for each in agent.approvals if each.id != e.id)
    by_hand = agent.denied_by_hand or (e.outcome == "denied" and e.by == "human")
    work.change(e.agent, approvals=left, denied_by_hand=by_hand, last_output=max(agent.last_output, e.at))


@on(ev.SignalsRead)
def _signals_read(work: Fold, e: ev.SignalsRead) -> None:
    work.change(e.agent, signals_offset=e.offset)


@on(ev.StallSuspected)
def _stalled(work: Fold, e: ev.StallSuspected) -> None:
    work.change(e.agent, stalled_at=e.at)
