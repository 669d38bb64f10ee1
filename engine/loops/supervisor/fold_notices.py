"""The fold of notices: which wait, which is under way, which were sent within the hour."""

from __future__ import annotations

from dataclasses import replace

from loops.config.model import NoticeKind
from loops.supervisor import notice_events as ev
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import KNOWN_EVENTS, LOST_NOTICES, Notice, Notices

HOUR = 3600.0


def named(kind: str, key: str) -> str:
    """The name of the event that a notice is about."""
    return f"{kind} {key}"


def _put(work: Fold, notices: Notices) -> None:
    work.state = replace(work.state, notices=notices)


@on(ev.NoticeDue)
def _due(work: Fold, e: ev.NoticeDue) -> None:
    known = work.state.notices
    notice = Notice(e.id, NoticeKind(e.kind), e.text, e.at)
    told = (*known.told[1 - KNOWN_EVENTS :], named(e.kind, e.key))
    _put(work, replace(known, count=known.count + 1, waiting=(*known.waiting, notice), told=told))


@on(ev.NoticeSending)
def _sending(work: Fold, e: ev.NoticeSending) -> None:
    known = work.state.notices
    counts = any(n.id in e.ids and not n.tries and n.kind is not NoticeKind.TEST for n in known.waiting)
    waiting = tuple(replace(n, sending=True, tries=n.tries + 1) if n.id in e.ids else n for n in known.waiting)
    recent = tuple(at for at in known.recent if at + HOUR > e.at)
    _put(work, replace(known, waiting=waiting, recent=(*recent, e.at) if counts else recent))


@on(ev.NoticeSent)
def _sent(work: Fold, e: ev.NoticeSent) -> None:
    known = work.state.notices
    waiting = tuple(n for n in known.waiting if n.id not in e.ids)
    _put(work, replace(known, waiting=waiting, lost=(), lost_count=0))


@on(ev.NoticeFailed)
def _failed(work: Fold, e: ev.NoticeFailed) -> None:
    known = work.state.notices
    reason = ev.spoken((*e.failed, *e.unknown)) or e.why
    tried = tuple(_settled(n, e, reason) if n.id in e.ids else n for n in known.waiting)
    if e.retry_at:
        _put(work, replace(known, waiting=tried))
        return
    lost = tuple(n for n in tried if n.id in e.ids and n.kind is not NoticeKind.TEST)
    others = tuple(n for n in tried if n.id not in e.ids)
    kept = (*known.lost, *lost)[-LOST_NOTICES:]
    _put(work, replace(known, waiting=others, lost=kept, lost_count=known.lost_count + len(lost)))


def _settled(notice: Notice, e: ev.NoticeFailed, reason: str) -> Notice:
    settled = (*notice.settled, *e.delivered, *(pair[0] for pair in e.unknown))
    return replace(notice, sending=False, retry_at=e.retry_at, settled=settled, reason=reason)
