"""What the journal says of notices: due (decided), sending (the intent), then sent or failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loops.supervisor.event import Event

SUBJECT = "notices"
"""What all of them are about: ``loops explain notices``."""


@dataclass(frozen=True, slots=True)
class AboutNotices(Event):
    @property
    def subject(self) -> str:
        return SUBJECT


@dataclass(frozen=True, slots=True)
class NoticeDue(AboutNotices):
    """The operator is to be told.  ``kind`` and ``key`` name the event: none is ever told twice."""

    type = "notice.due"
    at: float
    id: str
    kind: str
    key: str
    text: str
    rule: str


@dataclass(frozen=True, slots=True)
class NoticeSending(AboutNotices):
    """The intent: written before anything is sent.  Several ``ids`` are put together into one notice."""

    type = "notice.sending"
    at: float
    ids: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class NoticeSent(AboutNotices):
    """``delivered``: the channels that took it in this try.  ``unknown``: that may have; each with the reason."""

    type = "notice.sent"
    at: float
    ids: tuple[str, ...]
    delivered: tuple[str, ...]
    unknown: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeFailed(AboutNotices):
    """Not every channel took it.  ``retry_at`` 0: it is not sent again, else only to those that ``failed``."""

    type = "notice.failed"
    at: float
    ids: tuple[str, ...]
    retry_at: float
    why: str
    rule: str
    delivered: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


def spoken(pairs: Iterable[Iterable[str]]) -> str:
    """Return channels and reasons in words (from the journal a pair comes as a list)."""
    return "; ".join(": ".join(pair) for pair in pairs)
