"""Lines of codex's rollout file: the only place where its terminal interface tells of a failed turn, and of refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.streams.event import Fact
from loops.streams.reading import Document, epoch, table, text

if TYPE_CHECKING:
    from loops.streams.codex import Codex
    from loops.streams.reader import Facts


class Rollout:
    """The reader of one run's rollout lines (stream ``rollout``)."""

    def __init__(self, codex: Codex) -> None:
        self._codex = codex

    def read(self, document: Document, now: float) -> Facts | None:
        """Read one line: hooks say everything else, so only failures matter."""
        if not isinstance(document.get("type"), str):
            return None
        if document["type"] != "event_msg":
            return []
        payload, time, codex = table(document, "payload"), epoch(document.get("timestamp")), self._codex
        error = table(payload, "error")
        match payload.get("type"):
            case "task_complete" | "turn_complete" if error:
                failure = codex.failure(error, now)
                return codex.turn.fail(failure, text(payload, "turn_id"), time)
            case "error" | "stream_error":
                return [
                    Fact(
                        "error",
                        {"class": codex.failure(payload, now).meaning.value, "message": text(payload, "message")},
                    )
                ]
            case "turn_aborted":
                return codex.turn.complete("cancelled", text(payload, "turn_id"), time)
            case _:
                return []
