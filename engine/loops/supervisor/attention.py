"""What an agent's backend says of it: turns, limit windows, questions, conversations, usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.agents import port
from loops.supervisor import events as ev
from loops.supervisor.action import Notice
from loops.supervisor.lives import end, in_window
from loops.supervisor.observation import Signalled
from loops.supervisor.state import AgentState, Life, NudgeKind, Turn
from loops.supervisor.step import Step

PROVIDER_PAUSE = 15.0
"""Seconds that a silent provider is left alone at first; then it grows with ``restart_backoff``."""
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
        if handler is not None:
            handler(step, name, signal)


def _turn_started(step: Step, name: str, signal: port.TurnStarted) -> None:
    for nudge in step.agent(name).nudges:
        if signal.nudge == nudge.id:  # also one that was given up as not taken: a busy agent takes it up later
            step.emit(ev.NudgeDelivered(name, step.at, nudge.id))
    _begin_turn(step, name, signal.nudge)
    _moved_on(step, name, approvals=True)


def _begin_turn(step: Step, name: str, nudge: str = "") -> None:
    step.emit(ev.TurnStarted(name, step.at, nudge))
    for waiting in step.agent(name).nudges:
        if waiting.kind is NudgeKind.STALL and not waiting.sending:
            step.emit(ev.NudgeDropped(name, step.at, waiting.id, "the agent works again", "nudge-stale"))


def _turn_ended(step: Step, name: str, signal: port.TurnEnded) -> None:
    proven = _began_after_hold(step, name)
    step.emit(ev.TurnCompleted(name, step.at, signal.waiting_until or 0.0))
    _moved_on(step, name, approvals=True)
    if proven:
        _hold_is_over(step, name, "a turn went through")


def _working(step: Step, name: str, _signal: port.Working) -> None:
    _moved_on(step, name)
    agent = step.agent(name)
    if agent.turn is not Turn.WORKING:
        _begin_turn(step, name)
    elif _began_after_hold(step, name) and step.at - agent.turn_since >= WORKS_AGAIN:
        _hold_is_over(step, name, "the agent works again")


def _idle(step: Step, name: str, signal: port.Idle) -> None:
    _moved_on(step, name)
    agent = step.agent(name)
    proven = _began_after_hold(step, name)
    until = signal.waiting_until or 0.0
    if agent.turn is not Turn.IDLE or abs(agent.waiting_until - until) > 1.0:
        step.emit(ev.TurnCompleted(name, step.at, until))
    if proven:
        _hold_is_over(step, name, "a turn went through")


def _ready(step: Step, name: str, _signal: port.Ready) -> None:
    _moved_on(step, name)
    if step.agent(name).turn is Turn.UNKNOWN:
        step.emit(ev.TurnCompleted(name, step.at))


def _moved_on(step: Step, name: str, *, approvals: bool = False) -> None:
    """Whoever goes on has been answered: a person closed the dialog.  Approvals have an end of their own, or a turn's."""
    agent = step.agent(name)
    if agent.question and (approvals or not agent.question_id):
        step.emit(ev.QuestionEnded(name, step.at, agent.question_id, "answered"))


def _began_after_hold(step: Step, name: str) -> bool:
    """Whether the turn under way can prove that the limit is over: the one that met the limit cannot (incident 3)."""
    agent = step.agent(name)
    return agent.hold is not None and agent.turn is Turn.WORKING and agent.turn_since > agent.hold.since


# ---- limit windows ---------------------------------------------------------------------------------------------------


def _limit(step: Step, name: str, signal: port.LimitReached) -> None:
    watchdog = step.config.watchdog
    agent = step.agent(name)
    resets = signal.resets_at if signal.resets_at is not None and signal.resets_at > step.at else None
    shown = not signal.structured and (
        _same_banner(agent, signal.text, step.at) or (resets is None and signal.text == agent.last_hold)
    )
    if agent.turn is not Turn.IDLE:  # a limited agent waits, whether or not its backend says that the turn is over
        step.emit(ev.TurnCompleted(name, step.at))
    if shown:
        return
    if resets is not None:
        until = resets + watchdog.limit_reset_slack
        why = f"{_short(signal.text)} (resets in {resets - step.at:.0f} s)"
    else:
        until = step.at + watchdog.limit_probe_fallback
        why = f"{_short(signal.text)} (no reset time)"
    _hold(step, name, "limit", until, signal.text, why)


def _same_banner(agent: AgentState, text: str, at: float) -> bool:
    """Whether this is the banner of the window that stands: read again, it must not lengthen it (incident 5)."""
    hold = agent.hold
    return (
        hold is not None
        and hold.kind == "limit"
        and hold.text == text
        and at < hold.until
        and not (agent.turn is Turn.WORKING and agent.turn_since > hold.since)
    )


def _provider(step: Step, name: str, signal: port.ProviderUnavailable) -> None:
    hold = step.agent(name).hold
    if hold is not None and step.at < hold.until:
        return  # known; and a limit's window is never shortened
    tries = hold.probes + 1 if hold is not None and hold.kind == "provider" else 0
    backoff = step.config.watchdog.restart_backoff
    pause = min(max(backoff.max, PROVIDER_PAUSE), PROVIDER_PAUSE * max(1.0, backoff.factor) ** min(tries, 16))
    _hold(step, name, "provider", step.at + pause, signal.text, _short(signal.text), probes=tries)


def _hold(step: Step, name: str, kind: str, until: float, text: str, why: str, probes: int = -1) -> None:
    """Open a window, or renew the one that stands."""
    standing = step.agent(name).hold
    renewed = standing is not None and standing.kind == kind
    if standing is not None and renewed:
        if step.at < standing.until and abs(standing.until - until) < 1.0:
            return
        probes = standing.probes if probes < 0 else probes
    step.emit(ev.HoldBegan(name, step.at, kind, until, max(probes, 0), text, why, kind))
    if not renewed:
        step.act(Notice(f"{name}: {why}"))
    _drop_probes(step, name, "the window was renewed")


def _drop_probes(step: Step, name: str, why: str) -> None:
    for nudge in step.agent(name).nudges:
        if nudge.kind is NudgeKind.PROBE and not nudge.sending:
            step.emit(ev.NudgeDropped(name, step.at, nudge.id, why, "nudge-stale"))


def _hold_is_over(step: Step, name: str, why: str) -> None:
    hold = step.agent(name).hold
    if hold is None:
        return
    step.emit(ev.HoldEnded(name, step.at, why, "limit-over" if hold.kind == "limit" else "provider-back"))
    _drop_probes(step, name, "the agent went on by itself")


def _limit_cleared(step: Step, name: str, _signal: port.LimitCleared) -> None:
    _hold_is_over(step, name, "the backend said so")


# ---- questions, conversations, usage ---------------------------------------------------------------------------------


def _fatal(step: Step, name: str, signal: port.Fatal) -> None:
    agent = step.agent(name)
    if agent.life is not Life.RUNNING:
        return
    why = _short(signal.text)
    if _began_after_hold(step, name) or (agent.hold is not None and agent.hold.kind == "provider"):
        _hold_is_over(step, name, "the provider answered")
    if not agent.fresh_next:
        step.emit(ev.ConversationDropped(name, step.at, agent.conversation, why, "fatal"))
    spec = step.spec(name)
    if spec is not None and spec.watch.heals and not in_window(step, step.agent(name)):
        end(step, name, why=why, rule="fatal", again=True, fresh=True, failed=True)


def _dialog(step: Step, name: str, signal: port.DialogShown) -> None:
    _ask(step, name, "", signal.text)


def _approval(step: Step, name: str, signal: port.ApprovalAsked) -> None:
    _ask(step, name, signal.id, signal.text)


def _ask(step: Step, name: str, id: str, text: str) -> None:
    agent = step.agent(name)
    if agent.question == text and agent.question_id == id:
        return
    step.emit(ev.QuestionAsked(name, step.at, id, text))
    step.act(Notice(f"{name} waits for an answer: {_short(text)}"))


def _approval_ended(step: Step, name: str, signal: port.ApprovalEnded) -> None:
    if step.agent(name).question_id == signal.id:
        step.emit(ev.QuestionEnded(name, step.at, signal.id, signal.outcome))


def _conversation(step: Step, name: str, signal: port.ConversationNamed) -> None:
    if step.agent(name).conversation != signal.id:
        step.emit(ev.ConversationKnown(name, step.at, signal.id))


def _usage(step: Step, name: str, signal: port.UsageReported) -> None:
    agent = step.agent(name)
    step.emit(ev.UsageUpdated(name, step.at, agent.phase, signal.input_tokens, signal.output_tokens, signal.usd or 0.0))
    if agent.hold is not None and agent.hold.kind == "provider" and signal.output_tokens:
        _hold_is_over(step, name, "a request went through")
    _check_budget(step, name)


def _check_budget(step: Step, name: str) -> None:
    spec = step.spec(name)
    if spec is None or step.agent(name).over_budget:
        return
    own = step.agent(name).usage.values()
    for budget, used, whose in (
        (spec.budget, own, "its"),
        (step.config.watchdog.budget, (step.state.spent,), "the project's"),
    ):
        if not budget.tokens and not budget.usd:
            continue
        tokens = sum(u.input_tokens + u.output_tokens for u in used)
        usd = sum(u.usd for u in used)
        if (budget.tokens and tokens >= budget.tokens) or (budget.usd and usd >= budget.usd):
            why = f"{whose} budget is used up: {tokens} tokens, {usd:.2f} USD"
            step.emit(ev.BudgetExceeded(name, step.at, why, "budget"))
            step.act(Notice(f"{name}: {why}"))
            return


def _short(text: str) -> str:
    """One line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."


_READ: dict[type, Callable[[Step, str, Any], None]] = {
    port.TurnStarted: _turn_started,
    port.TurnEnded: _turn_ended,
    port.Working: _working,
    port.Idle: _idle,
    port.Ready: _ready,
    port.LimitReached: _limit,
    port.LimitCleared: _limit_cleared,
    port.ProviderUnavailable: _provider,
    port.Fatal: _fatal,
    port.DialogShown: _dialog,
    port.ApprovalAsked: _approval,
    port.ApprovalEnded: _approval_ended,
    port.ConversationNamed: _conversation,
    port.UsageReported: _usage,
}
