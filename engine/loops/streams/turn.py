"""The turn that runs, as the mappings keep it: its nudge, its last words, and what is known of its failure."""

from __future__ import annotations

import re
from typing import Any

from loops.streams.event import Fact
from loops.streams.texts import Failure

_NUDGE = re.compile(r"\[nudge ([\w.:-]{1,100})\]")
_SHOWN = 2000
"""Characters of the last answer that an event of a turn repeats."""
_KEPT = 100_000
"""Characters of an answer that arrives in pieces."""


class Turn:
    """One agent's turns.  A turn begins with a message of ours (or on the agent's own account) and ends once."""

    def __init__(self) -> None:
        self.open = False
        self.number = 0
        self.failure: Failure | None = None
        """What went wrong in this turn and was not overcome."""
        self.interrupted = ""
        """Why the runner broke it off."""
        self.nudge = ""
        self.prompted = False
        """A message of ours began it; the backend's echo of it is no news."""
        self._said = ""

    def begin(self, message: str = "", turn_id: str = "", time: float | None = None) -> Fact:
        """A prompt was taken up: *message* holds the nudge's tag."""
        self.open, self.failure, self.interrupted, self._said = True, None, "", ""
        self.number += 1
        self.nudge, self.prompted = nudge_of(message), bool(message)
        data: dict[str, Any] = {"nudge": self.nudge} if self.nudge else {}
        if turn_id:
            data["turn_id"] = turn_id
        return Fact("turn.started", data, time)

    def begin_itself(self, turn_id: str = "", time: float | None = None) -> list[Fact]:
        """The backend says that a turn runs: a fact only when nothing of ours had begun it."""
        return [] if self.open else [self.begin("", turn_id, time)]

    def says(self, text: str) -> None:
        """Remember the last answer."""
        if text.strip():
            self._said = text

    def adds(self, piece: str) -> None:
        """Lengthen the last answer by a piece of it."""
        if len(self._said) < _KEPT:
            self._said += piece

    @property
    def said(self) -> str:
        """The last answer."""
        return self._said

    def complete(self, stop_reason: str = "end_turn", turn_id: str = "", time: float | None = None) -> list[Fact]:
        """The turn ended well; nothing when none runs."""
        if not self.open:
            return []
        data: dict[str, Any] = {"stop_reason": stop_reason, "text": self._said[:_SHOWN]}
        if (until := waiting_until(self._said)) is not None:
            data["waiting_until"] = until
        return self._end("turn.completed", data, turn_id, time)

    def fail(self, failure: Failure, turn_id: str = "", time: float | None = None) -> list[Fact]:
        """The turn failed; nothing when none runs."""
        return self._end("turn.failed", failed(failure), turn_id, time) if self.open else []

    def end(self, turn_id: str = "", time: float | None = None) -> list[Fact]:
        """The turn ended as far as is known: badly when a failure was not overcome."""
        if self.failure:
            return self.fail(self.failure, turn_id, time)
        return self.complete("cancelled" if self.interrupted else "end_turn", turn_id, time)

    def _end(self, type_: str, data: dict[str, Any], turn_id: str, time: float | None) -> list[Fact]:
        self.open = False
        if turn_id:
            data["turn_id"] = turn_id
        return [Fact(type_, data, time)]


def nudge_of(message: str) -> str:
    """Return the id in a message's ``[nudge ID]`` tag, else an empty text."""
    found = _NUDGE.search(message)
    return found[1] if found else ""


def failed(failure: Failure) -> dict[str, Any]:
    """Return a failure as an event's data."""
    data: dict[str, Any] = {"class": failure.meaning.value, "message": failure.message}
    if failure.http_status is not None:
        data["http_status"] = failure.http_status
    if failure.resets_at is not None:
        data["resets_at"] = failure.resets_at
    return data


def waiting_until(message: str) -> float | None:
    """Return the time that the last line of *message* names, in epoch seconds."""
    if "WAITING-UNTIL:" not in message[-4096:]:
        return None
    from loops.protocol.waiting import waiting_until as read  # few messages have one

    return read(message)


def retry(
    failure: Failure,
    *,
    attempt: int | None = None,
    most: int | None = None,
    delay_ms: float | None = None,
    next_at: float | None = None,
    time: float | None = None,
) -> Fact:
    """Return the fact that the backend tries a request again."""
    data = failed(failure)
    for name, value in (("attempt", attempt), ("max_attempts", most), ("delay_ms", delay_ms), ("next_at", next_at)):
        if value is not None:
            data[name] = value
    return Fact("retry.scheduled", data, time)
