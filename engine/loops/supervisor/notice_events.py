"""What the journal says of notices: due (decided), sending (the intent), then sent or failed."""

from __future__ import annotations

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
    """``channels``: those that took it in this try.  ``trouble``: where nobody knows whether it arrived."""

    type = "notice.sent"
    at: float
    ids: tuple[str, ...]
    channels: tuple[str, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class NoticeFailed(AboutNotices):
    """A channel did not take it.  ``retry_at`` 0: it is not sent again.  ``settled``: channels that get it no more."""

    type = "notice.failed"
    at: float
    ids: tuple[str, ...]
    reason: str
    retry_at: float
    settled: tuple[str, ...]
    rule: str
