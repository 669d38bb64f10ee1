"""Lines of codex's rollout file: the only place where its terminal interface tells of a failed turn, and of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.streams.event import Fact
from loops.streams.reading import Document, count, epoch, table, text
from loops.streams.turn import failed
from loops.streams.usage import Tokens, used

if TYPE_CHECKING:
    from loops.streams.codex import Codex
    from loops.streams.reader import Facts


class Rollout:
    """The reader of one run's rollout lines (stream ``rollout``)."""

    def __init__(self, codex: Codex) -> None:
        self._codex = codex
        self._total: Tokens | None = None

    def read(self, document: Document, now: float) -> Facts | None:
        """Read one line: hooks say everything else, so only failures and tokens matter."""
        if not isinstance(document.get("type"), str):
            return None
        if document["type"] != "event_msg":
            return []
        payload, time, codex = table(document, "payload"), epoch(document.get("timestamp")), self._codex
        error = table(payload, "error")
        match payload.get("type"):
            case "task_complete" | "turn_complete" if error:
                return codex.turn.fail(codex.failure(error, now), text(payload, "turn_id"), time)
            case "error" | "stream_error":
                return [Fact("error", failed(codex.failure(payload, now)), time)]
            case "turn_aborted":
                return codex.turn.complete("cancelled", text(payload, "turn_id"), time)
            case "token_count":
                return self._usage(table(payload, "info"), time)
            case _:
                return []

    def _usage(self, info: Document, time: float | None) -> Facts:
        """Report what was added to the thread's counter; what is told before the first turn is history."""
        total, last = _tokens(table(info, "total_token_usage")), _tokens(table(info, "last_token_usage"))
        before, self._total = self._total, total
        new = total.less(total.less(last) if before is None else before)
        if not self._codex.turn.number or not new.some():
            return []
        return [used(new, model=self._codex.model, scope="step", time=time)]


def _tokens(part: Document) -> Tokens:
    return Tokens(
        count(part, "input_tokens"),
        count(part, "output_tokens"),
        count(part, "cached_input_tokens"),
        count(part, "cache_write_input_tokens"),
        count(part, "reasoning_output_tokens"),
    )
