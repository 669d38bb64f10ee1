"""Notices: what the operator is told wherever they are.  Which one is sent when, and what came of it.

`Step.notice` decides that something is told, `settle` that it is sent now.  The intent is journaled before the act, and
what is under way when a supervisor is killed is never sent again: better one notice less than one that comes twice.
"""

from __future__ import annotations

from loops.config.model import NoticeKind
from loops.supervisor import events as ev
from loops.supervisor.action import Notify
from loops.supervisor.fold_notices import HOUR
from loops.supervisor.observation import NoticeTried
from loops.supervisor.state import Notice, Notices, State
from loops.supervisor.step import Step

TEST = "this is a test: notices of this project arrive here"
GATHER = 30.0
"""Seconds: what failed so shortly after another is tried again together with it."""
PAUSES = (60.0, 300.0, 1800.0, 7200.0)
"""Seconds before each further try of a notice that a channel did not take; then it is given up."""


# ---- which one is sent now -----------------------------------------------------------------------------------------------


def settle(step: Step) -> None:
    """Send what may be sent, one at a time; a supervisor that departs sends nothing more."""
    notices = step.state.notices
    if not step.state.watching or not notices.waiting or any(notice.sending for notice in notices.waiting):
        return
    notify = step.config.notify
    if not notify.channels:
        ids = tuple(notice.id for notice in notices.waiting)
        why = "agents.toml names no way to send it any more"
        step.emit(ev.NoticeFailed(step.at, ids, 0.0, why, "notice-given-up"))
        return
    batch, rule = _batch(notices, notify.per_hour, step.at)
    if batch:
        ids = tuple(notice.id for notice in batch)
        step.emit(ev.NoticeSending(step.at, ids, rule))
        step.act(Notify(batch, notices.lost_count))


def _batch(notices: Notices, per_hour: int, at: float) -> tuple[tuple[Notice, ...], str]:
    """What goes into the next notice, and by which rule.

    Tries again are put together and do not count: nobody got them.  The last one that the hour allows takes in all.
    """
    ready = [notice for notice in notices.waiting if notice.retry_at <= at]
    first = next((notice for notice in ready if notice.tries), None)
    if first is not None:
        soon = [notice for notice in notices.waiting if notice.tries and notice.retry_at <= at + GATHER]
        return tuple(notice for notice in soon if notice.settled == first.settled), "notice-retry"
    tests = [notice for notice in ready if notice.kind is NoticeKind.TEST]
    if tests:
        return (tests[0],), "operator"
    left = per_hour - sum(1 for sent in notices.recent if sent + HOUR > at)
    if not ready or left <= 0:
        return (), ""
    if left > 1 or len(ready) == 1:
        return (ready[0],), "notice"
    return tuple(ready), "notices-merged"


def due(state: State) -> float | None:
    """When `settle` has something to send next, steady seconds; None: nothing waits, or its outcome is waited for."""
    notices, config = state.notices, state.config
    if config is None or not state.watching or not notices.waiting or any(notice.sending for notice in notices.waiting):
        return None
    per_hour = config.notify.per_hour
    free = notices.recent[-per_hour] + HOUR if len(notices.recent) >= per_hour else 0.0
    return min(notice.retry_at if notice.tries else free for notice in notices.waiting)


# ---- what came of it -----------------------------------------------------------------------------------------------------


def tried(step: Step, seen: NoticeTried) -> None:
    """The sending process has ended."""
    batch = [notice for notice in step.state.notices.waiting if notice.sending and notice.id in seen.ids]
    if not batch:
        return
    ids = tuple(notice.id for notice in batch)
    if not seen.failed and (seen.delivered or batch[0].settled):
        step.emit(ev.NoticeSent(step.at, ids, seen.delivered, seen.unknown))
        return
    tries = max(notice.tries for notice in batch)
    retry_at, why, rule = 0.0, f"{len(PAUSES) + 1} tries failed", "notice-given-up"
    if not seen.failed:
        why, rule = "no channel said that it took it", "notice-unknown"
    elif batch[0].kind is NoticeKind.TEST:
        why = "a test is tried once"
    elif tries <= len(PAUSES):
        retry_at, why, rule = step.at + PAUSES[tries - 1], f"try {tries} failed", "notice-retry"
    step.emit(ev.NoticeFailed(step.at, ids, retry_at, why, rule, seen.delivered, seen.failed, seen.unknown))
    if not retry_at:
        step.say(f"{', '.join(ids)} did not get through: {ev.spoken((*seen.failed, *seen.unknown))}")


def abandon(step: Step, unsure: tuple[str, ...]) -> None:
    """A supervisor ended while it sent these: nobody knows what arrived."""
    under_way = [notice for notice in step.state.notices.waiting if notice.id in unsure and notice.sending]
    if under_way:
        why = "the supervisor ended while it was being sent, so nobody knows whether it arrived"
        ids = tuple(notice.id for notice in under_way)
        step.emit(ev.NoticeFailed(step.at, ids, 0.0, why, "notice-unknown"))
