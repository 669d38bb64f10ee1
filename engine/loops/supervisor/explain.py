"""Why the supervisor did what it did, in sentences: pure, from the journal alone.

Each decision's event carries what was observed (``why``) and the name of the rule; `RULES` has the rule in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from loops.journal import Record
from loops.protocol.moment import span, wall
from loops.supervisor import events as ev
from loops.supervisor import reboots
from loops.supervisor.fates import status_text
from loops.supervisor.remedies import REMEDIES
from loops.supervisor.rules import RULES


def lines(history: Iterable[tuple[Record, ev.Event]], about: str = "") -> Iterator[str]:
    """Explain the journal's events, oldest first, one paragraph of one or two lines each.

    *about*: "" for everything that was a decision or an act, the name of an agent or the id of a phase, or a sequence
    number for that one event.  Nothing is yielded when the journal has nothing about it.
    """
    number = int(about) if about.isdecimal() else None
    known = False
    for record, event in history:
        if isinstance(event, ev.ConfigLoaded) and isinstance(event.document, dict):
            known = about in event.document.get("agents", ())
        # A phase may well be called "3": then both are told.
        if (number is not None and record.sequence == number) or _concerns(event, about, known):
            yield from _paragraph(record, event)


def _concerns(event: ev.Event, about: str, is_agent: bool) -> bool:
    if not about:
        return type(event) not in _BOOKKEEPING
    if isinstance(event, ev.OperatorAsked):
        return about in event.names or (is_agent and not event.names)
    return event.subject == about


def _paragraph(record: Record, event: ev.Event) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.recordedtime))
    yield f"{when}  #{record.sequence}  {sentence(event)}"
    why, rule = getattr(event, "why", ""), getattr(event, "rule", "")
    reason = f"because {why}" if why else ""
    words = f"rule {rule}: {RULES.get(rule, 'of a later engine')}" if rule else ""
    if reason or words:
        yield f"    {'; '.join(part for part in (reason, words) if part)}"


def sentence(event: ev.Event) -> str:
    """Say in one line what *event* records.  Control characters of foreign texts are shown as "?"."""
    say = _SENTENCES.get(type(event))
    text = say(event) if say is not None else f"{event.type} {event.subject}".rstrip()
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


# ---- one sentence a type ---------------------------------------------------------------------------------------------

_SENTENCES: dict[type[ev.Event], Callable[[Any], str]] = {}


def _carried(e: ev.StateCarried) -> str:
    where = f"phase {e.phase}" if e.phase else "no phase"
    where = f"the end of the plan (last {where})" if e.complete else where
    names = ", ".join(e.conversations) if isinstance(e.conversations, dict) else ""
    return f"the state of {e.source} was taken over: {where}, conversations of {names or 'nobody'}"


def _supervisor_started(e: ev.SupervisorStarted) -> str:
    return f"the supervisor started (pid {e.pid}, epoch {e.epoch}) and took over {_count(e.adopted, 'session')}"


def _rebooted(e: ev.MachineRebooted) -> str:
    phase = f" in phase {e.phase}" if e.phase else ""
    return f"the machine was rebooted{phase} ({reboots.told(e)}); in flight: {'; '.join(e.in_flight) or 'nothing'}"


def _config_loaded(e: ev.ConfigLoaded) -> str:
    agents = e.document.get("agents", {}) if isinstance(e.document, dict) else {}
    return f"agents.toml was read: {_count(len(agents), 'agent')}, digest {e.digest[:10]}"


def _config_refused(e: ev.ConfigRefused) -> str:
    first = e.problems[0] if e.problems else "no reason given"
    more = f" (and {len(e.problems) - 1} more)" if len(e.problems) > 1 else ""
    return f"an edit of agents.toml was refused, the last good one stays in force: {first}{more}"


def _operator_asked(e: ev.OperatorAsked) -> str:
    whom = ", ".join(e.names) or "the project"
    once = ", ".join(f"{what} {value}" for what, value in (("model", e.model), ("backend", e.backend)) if value)
    how = f", once with {once}" if once else ""
    asked = {"up": f"bring {whom} up", "down": f"end {whom}", "run": f"run {whom}", "estop": "end everything at once"}
    afresh = ", afresh" if e.fresh else ""
    words = f": {e.words}" if e.words else ""
    return f"the operator asked to {asked.get(e.verb, f'{e.verb} {whom}')}{afresh}{how}{words}"


def _scheduled(e: ev.TaskScheduled) -> str:
    if not e.schedule:
        return f"task {e.agent} has no schedule any more"
    return (
        f"task {e.agent} is due next {wall(e.due)}" if e.due else f"task {e.agent} is never due again by {e.schedule!r}"
    )


def _starting(e: ev.SessionStarting) -> str:
    how = f"resuming conversation {e.conversation}" if e.conversation else "with a fresh conversation"
    if not e.backend:
        how = "a plain command"
    on = f" on {e.backend}" if e.backend else ""
    model = f" with model {e.model}" if e.model else ""
    phase = f" for phase {e.phase}" if e.phase else ""
    return f"{e.agent} is started{on}{model}{phase} (number {e.incarnation}), {how}"


def _confined(e: ev.AgentConfined) -> str:
    if e.lack:
        return f"{e.agent} runs without isolation, and sees what its user sees: {e.lack}"
    network = "no network" if e.network == "none" else "the machine's network"
    return f"{e.agent} can write {_listed(e.writes)}, can read {_listed(e.reads)}, and has {network}"


def _listed(paths: tuple[str, ...]) -> str:
    return ", ".join(paths) or "nothing"


def _failed(e: ev.SessionFailed) -> str:
    parked = "; it is parked" if e.parked else ""
    return f"{e.agent} could not be started ({e.reason}){parked}; tried again in {span(e.delay)}"


def _ending(e: ev.SessionEnding) -> str:
    then = " and started again" if e.again else ""
    fresh = " with a fresh conversation" if e.again and e.fresh else ""
    wait = f" after {span(e.delay)}" if e.again and e.delay >= 1 else ""
    return f"{e.agent} is ended{then}{fresh}{wait}"


def _ended(e: ev.SessionEnded) -> str:
    how = f"{e.agent} ended ({status_text(e.code, e.signal)}) after {span(e.lived)}"
    if e.delay < 0:
        return f"{how}; it is not started again by itself"
    if e.parked:
        return f"{how}; it is parked, and tried again in {span(e.delay)}"
    return f"{how}; it is started again " + (f"in {span(e.delay)}" if e.delay >= 1 else "at once")


def _hold_began(e: ev.HoldBegan) -> str:
    probes = f", {_count(e.probes, 'probe')} so far" if e.probes else ""
    for_long = f"for {span(e.until - e.at)}{probes}"
    if e.kind in REMEDIES:
        return f"{e.agent} is blocked ({e.kind}) and left alone {for_long}"
    itself = "; it tries again by itself" if e.open else ""
    return f"{e.agent} waits for its {'usage limit' if e.kind == 'limit' else 'provider'} {for_long}{itself}"


def _turn_ended(e: ev.TurnCompleted) -> str:
    until = f", and waits for {span(e.waiting_until - e.at)} more" if e.waiting_until > e.at else ""
    return f"the turn of {e.agent} failed" if e.failed else f"{e.agent} ended its turn{until}"


def _asked(e: ev.QuestionAsked) -> str:
    what = f"approval {e.id}" if e.id else "an answer to a dialog"
    return f"{e.agent} waits for {what}: {e.text}"


def _answered(e: ev.ApprovalAnswered) -> str:
    reason = f": {e.reason}" if e.reason else ""
    return f"approval {e.id} of {e.agent} was {'granted' if e.allow else 'denied'} by {e.by}{reason}"


def _question_ended(e: ev.QuestionEnded) -> str:
    if not e.id:
        return f"the question of {e.agent} is {e.outcome}"
    by = f" (by {e.by}{f': {e.reason}' if e.reason else ''})" if e.by else ""
    said = {
        "granted": f"{e.agent} was granted approval {e.id}{by} and goes on",
        "denied": f"{e.agent} was denied approval {e.id}{by}",
        "expired": f"approval {e.id} of {e.agent} expired: nobody answered in time, so it was refused",
    }
    return said.get(e.outcome, f"nobody waits for approval {e.id} of {e.agent} any more ({e.outcome})")


def _notice_sending(e: ev.NoticeSending) -> str:
    return f"{', '.join(e.ids)} {'are put together and' if len(e.ids) > 1 else 'is'} sent"


def _notice_sent(e: ev.NoticeSent) -> str:
    doubt = f"; nobody knows whether it arrived by {ev.spoken(e.unknown)}" if e.unknown else ""
    return f"{', '.join(e.ids)} went out by {', '.join(e.delivered) or 'no other channel'}{doubt}"


def _notice_failed(e: ev.NoticeFailed) -> str:
    reasons = ev.spoken((*e.failed, *e.unknown))
    said = f" ({reasons})" if reasons else ""
    after = f"tried there again in {span(e.retry_at - e.at)}" if e.retry_at else "it is not sent again"
    return f"{', '.join(e.ids)} did not get through{said}; {after}"


def _used(e: ev.UsageUpdated) -> str:
    cached = f" ({e.cached_tokens} cached)" if e.cached_tokens else ""
    cost = "at an unknown cost" if e.usd is None else f"{e.usd:.4f} USD"
    return f"{e.agent} used {e.input_tokens}{cached} + {e.output_tokens} tokens, {cost}"


def _measured(e: ev.TokensMeasured) -> str:
    shares = ", ".join(f"{name} {int(use.get('tokens') or 0):,}" for name, use in e.agents.items())
    what = f"gate {e.gate} of phase {e.phase}" if e.gate else f"phase {e.phase}"
    return f"{what} took {span(e.seconds)}; tokens: {shares or 'nobody told of any'}"


def _renewed(e: ev.BudgetRenewed) -> str:
    return f"{e.agent} may go on" + (f": the {e.scope}'s budget is granted once more" if e.afresh else "")


def _check_completed(e: ev.CheckCompleted) -> str:
    how = "succeeded" if e.ok else f"failed: {e.text}"
    return f"the checks of phase {e.phase} at {e.commit[:10]} {how}"


def _refused(e: ev.DoneRefused) -> str:
    return f"phase {e.phase} is not done at {e.commit[:10]}: {'; '.join(e.reasons)}"


def _completed(e: ev.SequenceCompleted) -> str:
    task = f"; {e.task} is run" if e.task else ""
    return f"all {_count(e.phases, 'phase')} are done, the loop agents are ended{task}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


_SENTENCES |= {
    ev.SupervisorStarted: _supervisor_started,
    ev.StateCarried: _carried,
    ev.MachineRebooted: _rebooted,
    ev.SupervisorEnded: lambda e: "the supervisor ended",
    ev.ConfigLoaded: _config_loaded,
    ev.ConfigRefused: _config_refused,
    ev.OperatorAsked: _operator_asked,
    ev.SessionStarting: _starting,
    ev.AgentConfined: _confined,
    ev.AgentBlinded: lambda e: (
        f"{', '.join(e.patterns)} is kept out of the clone of {e.agent} until its verdict is pushed"
        if e.patterns
        else f"the clone of {e.agent} shows everything again"
    ),
    ev.SessionStarted: lambda e: f"{e.agent} runs (pid {e.pid})",
    ev.SessionFailed: _failed,
    ev.SessionEnding: _ending,
    ev.SessionEnded: _ended,
    ev.SessionCancelled: lambda e: f"the restart of {e.agent} is no longer wanted",
    ev.ConversationKnown: lambda e: f"{e.agent} goes by conversation {e.conversation}",
    ev.ConversationChanged: lambda e: f"{e.agent} was to resume {e.asked} and goes by conversation {e.conversation}",
    ev.ConversationRefused: lambda e: f"conversation {e.conversation} is refused to {e.agent}: it is {e.owner}'s",
    ev.ConversationDropped: lambda e: f"conversation {e.conversation} of {e.agent} is given up",
    ev.TurnStarted: lambda e: f"{e.agent} began a turn" + (f" for nudge {e.nudge}" if e.nudge else ""),
    ev.TurnCompleted: _turn_ended,
    ev.TurnGoesOn: lambda e: f"the long turn of {e.agent} goes on: last sign {span(e.at - e.last_output)} ago",
    ev.HoldBegan: _hold_began,
    ev.HoldTold: lambda e: (
        f"the operator is to hear that {e.agent} is held up ({e.kind}), since {span(e.at - e.since)}"
    ),
    ev.NoticeDue: lambda e: f"{e.id} ({e.kind}) is due: {e.text}",
    ev.NoticeSending: _notice_sending,
    ev.NoticeSent: _notice_sent,
    ev.NoticeFailed: _notice_failed,
    ev.HoldEnded: lambda e: f"{e.agent} goes on",
    ev.QuestionAsked: _asked,
    ev.ApprovalAnswered: _answered,
    ev.QuestionEnded: _question_ended,
    ev.UsageUpdated: _used,
    ev.TokensMeasured: _measured,
    ev.BudgetExceeded: lambda e: f"{e.agent} is stopped: the {e.scope}'s budget is used up",
    ev.BudgetRenewed: _renewed,
    ev.SignalsRead: lambda e: f"the signals of {e.agent} are read up to byte {e.offset}",
    ev.StallSuspected: lambda e: f"{e.agent} seems to stall",
    ev.NudgeQueued: lambda e: f"nudge {e.id} ({e.kind}) waits for {e.agent}",
    ev.NudgeSending: lambda e: f"nudge {e.id} is typed into {e.agent}",
    ev.NudgeDelivered: lambda e: f"nudge {e.id} was taken up by {e.agent}",
    ev.NudgeReturned: lambda e: (
        f"nudge {e.id} did not get through to {e.agent}: {e.reason}; tried again in {span(e.retry_at - e.at)}"
    ),
    ev.NudgeDropped: lambda e: f"nudge {e.id} for {e.agent} is dropped",
    ev.TaskScheduled: _scheduled,
    ev.TaskDue: lambda e: f"task {e.agent} was due {wall(e.due)}",
    ev.TaskDeferred: lambda e: f"the run of task {e.agent} that is due waits {span(e.until - e.at)} more",
    ev.TaskAsked: lambda e: f"the run of task {e.agent} that is due begins",
    ev.TaskPassedOver: lambda e: f"the run of task {e.agent} that was due is passed over",
    ev.WakeScheduled: lambda e: f"{e.agent} is woken in {span(e.due - e.at)}",
    ev.CommitSeen: lambda e: f"{e.author} pushed a {e.kind} in phase {e.phase}: {e.sha[:10]} {e.subject_line}",
    ev.EvidenceTaken: lambda e: f"phase {e.phase} was read up to {e.head[:10]}",
    ev.HistoryRewritten: lambda e: f"the branch was rewritten from {e.old[:10]} to {e.new[:10]}: all is read anew",
    ev.CheckStarted: lambda e: f"the engine runs the checks of phase {e.phase} at {e.commit[:10]}",
    ev.CheckCompleted: _check_completed,
    ev.DoneRefused: _refused,
    ev.PhaseStarted: lambda e: (
        f"phase {e.phase} is now number {e.index + 1}" if e.rule == "phase-moved" else f"phase {e.phase} began"
    ),
    ev.PhaseDone: lambda e: f"phase {e.phase} is done at {e.commit[:10]}: {', '.join(e.items)}",
    ev.SequenceCompleted: _completed,
}

_BOOKKEEPING = {ev.SignalsRead, ev.EvidenceTaken, ev.UsageUpdated, ev.TurnGoesOn, ev.WakeScheduled, ev.NudgeSending}
