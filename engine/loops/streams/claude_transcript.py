"""Lines of claude's own record of a conversation: what its terminal interface used, and that it asks again (no hook does)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.known.model import Meaning
from loops.streams.reading import Document, epoch, flag, number, table, text, whole
from loops.streams.texts import Failure
from loops.streams.turn import retry

if TYPE_CHECKING:
    from loops.streams.claude import Claude
    from loops.streams.reader import Facts

STREAM = "transcript"
_MAIN = "repl_main_thread"
"""``querySource`` of the requests of the conversation itself (2.1.329 [run])."""


class Transcript:
    """The reader of one run's transcript lines (stream ``transcript``)."""

    def __init__(self, claude: Claude) -> None:
        self._claude = claude
        self._asked = 0
        """Requests since the last answer: claude notes each one down, and nothing when it failed."""

    def read(self, document: Document, now: float) -> Facts | None:
        """Read one line: hooks tell of turns and tools."""
        time = epoch(document.get("timestamp"))
        match document.get("type"):
            case "assistant":
                self._asked = 0
                message = table(document, "message")
                if flag(document, "isApiErrorMessage") or not message.get("stop_reason"):
                    return []  # its own words; or a part of an answer, whose tokens are not yet counted
                return self._claude.usage.request(message, time)
            case "user":
                self._asked = 0
                return []
            case "api-request":
                return self._request(document, time)
            case "system" if document.get("subtype") == "api_error":  # 2.1.197
                failure = Failure(Meaning.PROVIDER, "the provider's answer was an error")
                attempt, most = whole(document, "retryAttempt"), whole(document, "maxRetries")
                return self._again(failure, attempt or 1, most, number(document, "retryInMs"), time)
            case str():
                return []
            case _:
                return None

    def _request(self, document: Document, time: float | None) -> Facts:
        if text(document, "querySource") != _MAIN:
            return []
        self._asked += 1
        if self._asked < 2:
            return []
        failure = Failure(Meaning.PROVIDER, "the provider did not answer, and is asked again")
        return self._again(failure, self._asked - 1, None, None, time)

    def _again(
        self, failure: Failure, attempt: int, most: int | None, delay: float | None, time: float | None
    ) -> Facts:
        """Say a retry.  It is no failure of the turn: what comes of it, a hook tells, which may be heard before this."""
        return [retry(failure, attempt=attempt, most=most, delay_ms=delay, time=time), *self._claude.state("retrying")]
