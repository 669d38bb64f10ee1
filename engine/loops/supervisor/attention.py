"""What an agent's backend says of it: turns, limit windows, questions, conversations, usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.agents import port
from loops.supervisor import events as ev
from loops.supervisor.action import Notice
from loops.supervisor.lives import end
from loops.supervisor.observation import Signalled
from loops.supervisor.state import Hold, Life, NudgeKind, Turn
from loops.supervisor.step import Step


def signalled(step: Step, seen: Signalled) -> None:
    """Take in what the agent's own events said, then how far its signals file was read (last: see `Fold`)."""
    agent = step.agent(seen.agent)
    if agent.incarnation != seen.incarnation:
        return
    read(step, seen.agent, seen.signals)
    if seen.offset >= 0 and seen.offset != step.agent(seen.agent).signals_offset:
        step.emit(ev.SignalsRead(seen.agent, seen.offset))
    step.touch(seen.agent)


def read(step: Step, name: str, signals: tuple[port.Signal, ...]) -> None:
    """Take in *signals* of a living agent, in order."""
    for signal in signals:
        handler = _READ.get(type(signal))
        if handler is not None:
            handler(step, name, signal)


def _turn_started(step: Step, name: str, signal: port.TurnStarted) -> None:
    sending = [n for n in step.agent(name).nudges if n.sending]
    for nudge in sending:
        if signal.nudge == nudge.id:
            step.emit(ev.NudgeDelivered(name, step.at, nudge.id))
    step.emit(ev.TurnStarted(name, step.at, signal.nudge))


def _turn_ended(step: Step, name: str, signal: port.TurnEnded) -> None:
    step.emit(ev.TurnCompleted(name, step.at, signal.waiting_until or 0.0))
    _hold_is_over(step, name, "a turn went through")


def _working(step: Step, name: str, _signal: port.Working) -> None:
    if step.agent(name).turn is not Turn.WORKING:
        step.emit(ev.TurnStarted(name, step.at))
    agent = step.agent(name)
    if agent.hold is not None and agent.hold.probes:
        _hold_is_over(step, name, "the agent works again")


def _idle(step: Step, name: str, signal: port.Idle) -> None:
    agent = step.agent(name)
    until = signal.waiting_until or 0.0
    if agent.turn is not Turn.IDLE or abs(agent.waiting_until - until) > 1.0:
        step.emit(ev.TurnCompleted(name, step.at, until))


def _ready(step: Step, name: str, _signal: port.Ready) -> None:
    if step.agent(name).turn is Turn.UNKNOWN:
        step.emit(ev.TurnCompleted(name, step.at))
    if step.agent(name).question and not step.agent(name).question_id:
        step.emit(ev.QuestionEnded(name, step.at, "", "answered"))


# ---- limit windows ---------------------------------------------------------------------------------------------------


def _limit(step: Step, name: str, signal: port.LimitReached) -> None:
    watchdog = step.config.watchdog
    agent = step.agent(name)
    probes = agent.hold.probes if agent.hold is not None else 0
    if signal.resets_at is not None and signal.resets_at > step.at:
        until = signal.resets_at + watchdog.limit_reset_slack
        why = f"{_short(signal.text)} (resets in {signal.resets_at - step.at:.0f} s)"
    else:
        if agent.hold is None and signal.text == agent.last_hold and not signal.structured:
            return  # the old banner, still on the screen (incidents 4 and 5)
        until = step.at + watchdog.limit_probe_fallback
        why = f"{_short(signal.text)} (no reset time)"
    _hold(step, name, "limit", until, probes, signal.text, why)


def _provider(step: Step, name: str, signal: port.ProviderUnavailable) -> None:
    agent = step.agent(name)
    tries = agent.hold.probes if agent.hold is not None else 0
    backoff = step.config.watchdog.restart_backoff
    pause = min(backoff.max, max(backoff.first, 1.0) * 15.0 * backoff.factor**tries)
    _hold(step, name, "provider", step.at + pause, tries, signal.text, _short(signal.text))


def _hold(step: Step, name: str, kind: str, until: float, probes: int, text: str, why: str) -> None:
    standing = step.agent(name).hold
    if standing is not None and standing.kind == kind and abs(standing.until - until) < 1.0:
        return
    if standing is not None and not _again(standing, step.at, until):
        return
    step.emit(ev.HoldBegan(name, step.at, kind, until, probes, text, why, kind))
    if step.agent(name).turn is Turn.WORKING:  # whatever it was doing, it does not do it any more
        step.emit(ev.TurnCompleted(name, step.at))
    if standing is None or standing.kind != kind:
        step.act(Notice(f"{name}: {why}"))
    for nudge in step.agent(name).nudges:
        if nudge.kind is NudgeKind.PROBE and not nudge.sending:
            step.emit(ev.NudgeDropped(name, step.at, nudge.id, "the window was renewed", "nudge-stale"))


def _again(standing: Hold, at: float, until: float) -> bool:
    """A repeated banner renews a window only when it is over, or when it names a later end than before."""
    return at >= standing.until or until > standing.until + 1.0 or standing.probes > 0


def _hold_is_over(step: Step, name: str, why: str) -> None:
    hold = step.agent(name).hold
    if hold is None:
        return
    step.emit(ev.HoldEnded(name, step.at, why, "limit-over" if hold.kind == "limit" else "provider-back"))
    for nudge in step.agent(name).nudges:
        if nudge.kind is NudgeKind.PROBE and not nudge.sending:
            step.emit(ev.NudgeDropped(name, step.at, nudge.id, "the agent went on by itself", "nudge-stale"))


def _limit_cleared(step: Step, name: str, _signal: port.LimitCleared) -> None:
    _hold_is_over(step, name, "the backend said so")


# ---- questions, conversations, usage ---------------------------------------------------------------------------------


def _fatal(step: Step, name: str, signal: port.Fatal) -> None:
    agent = step.agent(name)
    if agent.life is not Life.RUNNING:
        return
    why = _short(signal.text)
    step.emit(ev.ConversationDropped(name, step.at, agent.conversation, why, "fatal"))
    spec = step.spec(name)
    if spec is not None and spec.watch.heals:
        end(step, name, why=why, rule="fatal", again=True, fresh=True)


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
    step.emit(ev.UsageUpdated(name, step.at, agent.phase, signal.input_tokens, signal.output_tokens, signal.usd))
    _check_budget(step, name)


def _check_budget(step: Step, name: str) -> None:
    spec = step.spec(name)
    if spec is None or step.agent(name).over_budget:
        return
    for budget, names in ((spec.budget, [name]), (step.config.watchdog.budget, list(step.agents))):
        used = [usage for each in names for usage in step.agent(each).usage.values()]
        tokens = sum(u.input_tokens + u.output_tokens for u in used)
        usd = sum(u.usd for u in used)
        if (budget.tokens and tokens >= budget.tokens) or (budget.usd and usd >= budget.usd):
            whose = "its" if len(names) == 1 else "the project's"
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
