"""What an error of a backend means: by its name, by the words of `loops.known`, by its HTTP status, in this order."""

from __future__ import annotations

import re
from typing import NamedTuple

from loops.known.model import Meaning, Text

_STATUS = {
    400: Meaning.OTHER,
    401: Meaning.AUTH,
    402: Meaning.BILLING,
    403: Meaning.AUTH,
    404: Meaning.MODEL,
    408: Meaning.PROVIDER,
    413: Meaning.CONTEXT,
    429: Meaning.RATE,
}
_LONGEST = 4096
"""Characters of a message that are searched: what says the cause stands at its beginning."""


class Failure(NamedTuple):
    """Why something failed."""

    meaning: Meaning
    message: str = ""
    http_status: int | None = None
    resets_at: float | None = None
    """Epoch seconds, when the backend said them."""


class Texts:
    """The texts of one backend; *utc_offset* (seconds east, None: the machine's) is the zone of times without one."""

    def __init__(self, known: tuple[Text, ...], utc_offset: int | None = None) -> None:
        self._known = known
        self._patterns: list[tuple[re.Pattern[str], Meaning]] | None = None
        self._utc_offset = utc_offset

    def meaning(self, message: str) -> Meaning | None:
        """Return what *message* means; None when no text of the table is in it."""
        if self._patterns is None:
            self._patterns = [(re.compile(text.pattern), text.meaning) for text in self._known]
        head = message[:_LONGEST]
        return next((meaning for pattern, meaning in self._patterns if pattern.search(head)), None)

    def failure(
        self,
        message: str,
        now: float,
        *,
        named: Meaning | None = None,
        status: int | None = None,
        resets_at: float | None = None,
    ) -> Failure:
        """Return the failure that *message* tells of; *named* is what a structured field said already."""
        status = status if status and 100 <= status <= 999 else None
        meaning = named or self.meaning(message) or by_status(status) or Meaning.OTHER
        if meaning is Meaning.LIMIT and resets_at is None:
            resets_at = self.reset(message, now)
        return Failure(meaning, message[:_LONGEST], status, resets_at)

    def reset(self, message: str, now: float) -> float | None:
        """Return the reset time that *message* names, in epoch seconds."""
        from datetime import timedelta, timezone  # only when a limit was reached

        from loops.streams.limits import parse_reset

        zone = None if self._utc_offset is None else timezone(timedelta(seconds=self._utc_offset))
        return parse_reset(message[:_LONGEST], now, zone)


def by_status(status: int | None) -> Meaning | None:
    """Return what an HTTP status alone says."""
    if status is None:
        return None
    return Meaning.PROVIDER if status >= 500 else _STATUS.get(status)
