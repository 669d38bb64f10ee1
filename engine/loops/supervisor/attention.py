"""What an agent's backend says of it: its turns here, the rest handed on to who decides about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.agents import port
from loops.config.model import NoticeKind
from loops.supervisor import approvals, budgets, conversations, costs, holds
from loops.supervisor import events as ev
from loops.supervisor.observation import Signalled
from loops.supervisor.state import AgentState, Life, NudgeKind, Turn
from loops.supervisor.step import Step

WORKS_AGAIN = 30.0
"""Seconds of visible work after which a limit is over: a spinner alone also turns before the provider refuses."""


def signalled(step: Step, seen: Signalled) -> None:
    """Take in what the agent's own events said, then how far its signals file was read (last: see `Fold`)."""
    agent = step.agent(seen.agent)
    if agent.incarnation != seen.incarnation or not agent.alive:
        return
    read(step, seen.agent, seen.signals)
    _goes_on(step, seen)
    if seen.offset >= 0 and seen.offset != step.agent(seen.agent).signals_offset:
        step.emit(ev.SignalsRead(seen.agent, seen.offset))
    step.touch(seen.agent)


def _goes_on(step: Step, seen: Signalled) -> None:
    """A long turn's own events show that it does not hang; noted now and then, or each tool call would be journaled."""
    agent = step.agent(seen.agent)
    known = max(agent.turn_since, agent.last_output)
    if seen.signals and agent.turn is Turn.WORKING and step.at - known > step.config.watchdog.hang_after / 4:
        step.emit(ev.TurnGoesOn(seen.agent, step.at, step.at))


def read(step: Step, name: str, signals: tuple[port.Signal, ...]) -> None:
    """Take in *signals* of a living agent, in order."""
    for signal in signals:
        handler = _READ.get(type(signal))
        if isinstance(signal, _OF_ITS_END) and step.agent(name).life is Life.ENDING:
            continue
        if handler is not None:
            handler(step, name, signal)


def _turn_started(step: Step, name: str, signal: port.TurnStarted) -> None:
    for nudge in step.agent(name).nudges:
        if signal.nudge == nudge.id:  # also one that was given up as not taken: a busy agent takes it up later
            step.emit(ev.NudgeDelivered(name, step.at, nudge.id))
    _begin_turn(step, name, signal.nudge)
    _moved_on(step, name, approved=True)


def _begin_turn(step: Step, name: str, nudge: str = "") -> None:
    step.emit(ev.TurnStarted(name, step.at, nudge))
    budgets.check(step, name)
    for waiting in step.agent(name).nudges:
        if waiting.kind is NudgeKind.STALL and not waiting.sending:
            step.emit(ev.NudgeDropped(name, step.at, waiting.id, "the agent works again", "nudge-stale"))


def _turn_ended(step: Step, name: str, signal: port.TurnEnded) -> None:
    proven = holds.proves(step.agent(name)) and not signal.failed
    step.emit(ev.TurnCompleted(name, step.at, signal.waiting_until or 0.0, signal.failed))
    _moved_on(step, name, approved=True)
    if proven:
        holds.over(step, name, "a turn went through")


def _working(step: Step, name: str, _signal: port.Working) -> None:
    _moved_on(step, name)
    agent = step.agent(name)
    if agent.turn is not Turn.WORKING:
        _begin_turn(step, name)
    elif _began_after_hold(agent) and step.at - agent.turn_since >= WORKS_AGAIN:
        holds.over(step, name, "the agent works again")


def _idle(step: Step, name: str, signal: port.Idle) -> None:
    _moved_on(step, name)
    agent = step.agent(name)
    proven = _began_after_hold(agent)
    until = signal.waiting_until or 0.0
    if agent.turn is not Turn.IDLE or abs(agent.waiting_until - until) > 1.0:
        step.emit(ev.TurnCompleted(name, step.at, until))
    if proven:
        holds.over(step, name, "a turn went through")


def _ready(step: Step, name: str, _signal: port.Ready) -> None:
    _moved_on(step, name)
    if step.agent(name).turn is Turn.UNKNOWN:
        step.emit(ev.TurnCompleted(name, step.at))


def _moved_on(step: Step, name: str, *, approved: bool = False) -> None:
    """Whoever goes on has been answered: a person closed the dialog.  Approvals have an end of their own, or a turn's."""
    if step.agent(name).question:
        step.emit(ev.QuestionEnded(name, step.at, "", "answered"))
    if approved:
        approvals.close(step, name, "ended")


def _began_after_hold(agent: AgentState) -> bool:
    return agent.hold is not None and agent.turn is Turn.WORKING and agent.turn_since > agent.hold.since


# ---- questions, usage --------------------------------------------------------------------------------------------------


def _dialog(step: Step, name: str, signal: port.DialogShown) -> None:
    if step.agent(name).question != signal.text:
        step.emit(ev.QuestionAsked(name, step.at, "", signal.text))
        said = f"{name} waits for an answer: {holds.short(signal.text)}"
        text = f"{name} waits for an answer at its terminal: `loops attach {name}`"
        agent = step.agent(name)
        step.notice(NoticeKind.APPROVAL, f"{name}@{agent.incarnation} dialog {agent.turn_since:.3f}", text, said)


def _approval(step: Step, name: str, signal: port.ApprovalAsked) -> None:
    if signal.id:
        approvals.asked(step, name, signal.id, signal.text)
    else:  # nobody could answer it by its id: a person must, at the terminal
        _dialog(step, name, port.DialogShown(signal.text))


def _approval_ended(step: Step, name: str, signal: port.ApprovalEnded) -> None:
    approvals.ended(step, name, signal.id, signal.outcome)


def _limit_cleared(step: Step, name: str, _signal: port.LimitCleared) -> None:
    holds.over(step, name, "the backend said so")


def _usage(step: Step, name: str, signal: port.UsageReported) -> None:
    agent = step.agent(name)
    step.emit(costs.usage(step.config, agent, signal, step.at))
    if agent.hold is not None and agent.hold.kind == "provider" and signal.output_tokens:
        holds.over(step, name, "a request went through")
    budgets.check(step, name)


_OF_ITS_END = (port.ProviderUnavailable, port.Blocked)
"""What an agent that is being ended says of its cut-off turn; it must not hold back the next session."""
_READ: dict[type, Callable[[Step, str, Any], None]] = {
    port.TurnStarted: _turn_started,
    port.TurnEnded: _turn_ended,
    port.Working: _working,
    port.Idle: _idle,
    port.Ready: _ready,
    port.LimitReached: holds.limit,
    port.LimitCleared: _limit_cleared,
    port.ProviderUnavailable: holds.provider,
    port.Blocked: holds.block,
    port.Fatal: conversations.fatal,
    port.DialogShown: _dialog,
    port.ApprovalAsked: _approval,
    port.ApprovalEnded: _approval_ended,
    port.ConversationNamed: conversations.named,
    port.UsageReported: _usage,
}
