"""Lines of codex's rollout file: the only place where its terminal interface tells of a failed turn, and of refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.streams.event import Fact
from loops.streams.reading import Document, count, epoch, table, text
from loops.streams.usage import NONE, Tokens, used

if TYPE_CHECKING:
    from loops.streams.codex import Codex
    from loops.streams.reader import Facts


class Rollout:
    """The reader of one run's rollout lines (stream ``rollout``)."""

    def __init__(self, codex: Codex) -> None:
        self._codex = codex
        self._total = NONE

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
            case "token_count":
                return self._usage(table(payload, "info"), time)
            case _:
                return []

    def _usage(self, info: Document, time: float | None) -> Facts:
        """Report a request's tokens: the thread's counter moves with each of them, and is told again without."""
        total = _tokens(table(info, "total_token_usage"))
        if not total.some() or total == self._total:
            return []
        self._total = total
        return [used(_tokens(table(info, "last_token_usage")), model=self._codex.model, time=time)]


def _tokens(part: Document) -> Tokens:
    return Tokens(
        count(part, "input_tokens"),
        count(part, "output_tokens"),
        count(part, "cached_input_tokens"),
        count(part, "cache_write_input_tokens"),
        count(part, "reasoning_output_tokens"),
    )
