"""pi: ``--mode rpc`` and ``--mode json``."""

from __future__ import annotations

import re

from loops.known.model import Meaning
from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.reader import Facts, Reader
from loops.streams.reading import (
    Document,
    block_text,
    count,
    epoch,
    first_text,
    flag,
    identity,
    number,
    rows,
    table,
    text,
    texts,
    whole,
)
from loops.streams.texts import Failure, Texts
from loops.streams.turn import retry
from loops.streams.usage import Tokens, used

RETRIED = re.compile(
    r"overloaded|provider.?returned.?error|rate.?limit|too many requests|429|500|502|503|504|service.?unavailable"
    r"|server.?error|internal.?error|network.?error|connection.?error|connection.?refused|connection.?lost"
    r"|websocket.?closed|websocket.?error|other side closed|fetch failed|upstream.?connect|reset before headers"
    r"|socket hang up|ended without|http2 request did not get a response|timed? out|timeout|terminated|retry delay",
    re.IGNORECASE,
)
"""Errors that pi tries again (0.73.1 [src]): its ``agent_end`` is then no end."""
_QUIET = frozenset(
    {
        "turn_start",
        "turn_end",
        "message_start",
        "message_update",
        "tool_execution_update",
        "queue_update",
        "compaction_start",
        "auto_compaction_start",
        "session_info_changed",
        "thinking_level_changed",
        "model_select",
        "bash_output",
    }
)
_FIRST_WORD = re.compile(r"Allow (\S{1,100})\?")
_STATUS = re.compile(r"([1-9]\d\d)\b")
_MOST_RETRIES = 3
"""pi's own default; an ``auto_retry_start`` says the real one."""


class Pi(Reader):
    """The stream of one run of pi."""

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        super().__init__(run, texts, conversation)
        self._running: dict[str, tuple[str, object]] = {}
        """Tools that run, by call: name and input."""
        self._attempts, self._most = 0, _MOST_RETRIES
        self._compacts = False
        """pi shortens a conversation that has become too long, and tries again."""

    # ---- from the agent ----------------------------------------------------------------------------------------------

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read one line."""
        match document.get("type"):
            case "message_end":
                return self._message(table(document, "message"), now)
            case "tool_execution_start":
                return self._tool_started(document)
            case "tool_execution_end":
                return self._tool_ended(document)
            case "agent_start":
                return [*self.turn.begin_itself(), *self.state("working")]
            case "agent_end":
                return self._agent_ended(document)
            case "agent_settled":
                return self.turn.end()
            case "auto_retry_start":
                return self._retry(document, now)
            case "auto_retry_end":
                return self._retried(document, now)
            case "extension_ui_request":
                return self._asked(document)
            case "extension_error":
                return [Fact("warning", {"class": "other", "code": "extension", "message": text(document, "error")})]
            case "compaction_end" | "auto_compaction_end":
                return self._compacted(document)
            case "response":
                return self._response(document, now)
            case "session":
                return self.named(text(document, "id"), epoch(document.get("timestamp")))
            case str() as known if known in _QUIET:
                return []
            case _:
                return None

    def _message(self, message: Document, now: float) -> Facts:
        time = epoch(message.get("timestamp"))
        if message.get("role") == "user":
            said = block_text(message.get("content"))
            return [] if self.turn.prompted else [Fact("message.user", {"text": said}, time)]
        if message.get("role") != "assistant":
            return []
        facts, reason = self.turn.begin_itself(time=time), text(message, "stopReason")
        self.model = text(message, "model") or self.model
        for block in rows(message, "content"):
            facts += self._block(block, time)
        facts += self._usage(message, reason, time)
        if reason == "error":
            failure = self._failure(text(message, "errorMessage"), now)
            self.turn.failure = failure
            return facts
        if reason == "aborted":
            self.turn.interrupted = self.turn.interrupted or "interrupted"
            self.turn.failure = None
            return facts
        self._attempts = 0
        if reason == "length":
            self.turn.failure = Failure(Meaning.TRUNCATED, "the answer reached its longest length")
            return facts
        return facts + self.goes_on(time)

    def _block(self, block: Document, time: float | None) -> Facts:
        match block.get("type"):
            case "text":
                said = text(block, "text")
                self.turn.says(said)
                return [Fact("message.assistant", {"text": said, "model": self.model}, time)]
            case "thinking":
                return [Fact("message.reasoning", {"text": text(block, "thinking"), "model": self.model}, time)]
            case "toolCall":
                return []  # its execution says it
            case other:
                return [Fact("backend.unmapped", {"raw_type": f"content/{other}"[:200]}, time)]

    def _usage(self, message: Document, reason: str, time: float | None) -> Facts:
        usage = table(message, "usage")
        if not usage or reason in ("error", "aborted"):
            return []
        read, written = count(usage, "cacheRead"), count(usage, "cacheWrite")
        tokens = Tokens(count(usage, "input") + read + written, count(usage, "output"), read, written)
        usd = number(table(usage, "cost"), "total")
        return [used(tokens, usd=usd, model=self.model, finish=reason, time=time)]

    def _agent_ended(self, document: Document) -> Facts:
        """End the turn, unless pi is about to try again: nothing in the line says so before 0.87."""
        failure = self.turn.failure
        if failure is None or self.turn.interrupted:
            return self.turn.end()
        again = document.get("willRetry")
        if not isinstance(again, bool):
            tries = self._attempts < self._most and bool(RETRIED.search(failure.message))
            again = self._compacts if failure.meaning is Meaning.CONTEXT else tries
        return [] if again else self.turn.end()

    def _retry(self, document: Document, now: float) -> Facts:
        self._attempts = count(document, "attempt")
        self._most = whole(document, "maxAttempts") or self._most
        failure = self._failure(text(document, "errorMessage"), now)
        if failure.meaning is Meaning.OTHER:  # pi tries again only what it takes for passing
            failure = failure._replace(meaning=Meaning.PROVIDER)
        self.turn.failure = failure
        scheduled = retry(failure, attempt=self._attempts, most=self._most, delay_ms=number(document, "delayMs"))
        return [*self.turn.begin_itself(), scheduled, *self.state("retrying")]

    def _failure(self, message: str, now: float) -> Failure:
        found = _STATUS.match(message)
        return self.texts.failure(message, now, status=int(found[1]) if found else None)

    def _retried(self, document: Document, now: float) -> Facts:
        self._attempts = 0
        if flag(document, "success"):
            return self.goes_on()
        failure = self.turn.failure or self._failure(text(document, "finalError"), now)
        if self.turn.interrupted:
            return self.turn.complete("cancelled")
        return self.turn.fail(failure)

    def _compacted(self, document: Document) -> Facts:
        facts: Facts = []
        if not text(document, "errorMessage") and not flag(document, "aborted"):
            facts.append(Fact("context.compacted", {"reason": text(document, "reason") or "context window"}))
        if self.turn.failure and self.turn.failure.meaning is Meaning.CONTEXT and not flag(document, "willRetry"):
            facts += self.turn.end()
        return facts

    def _response(self, document: Document, now: float) -> Facts:
        command, message = text(document, "command"), text(document, "error")
        if document.get("success") is False:
            failure = self.texts.failure(message, now)
            if command == "prompt":
                return self.turn.fail(failure)
            return [Fact("warning", {"class": failure.meaning.value, "message": f"{command}: {message}"})]
        if command == "get_state":
            data = table(document, "data")
            self.model = text(table(data, "model"), "id") or self.model
            self._compacts = flag(data, "autoCompactionEnabled")
            return self.named(text(data, "sessionId"), model=self.model)
        if command == "abort":
            self.turn.interrupted = self.turn.interrupted or "interrupted"
            self.turn.failure = None
            return self.turn.end()
        return []

    # ---- tools and approvals -----------------------------------------------------------------------------------------

    def _tool_started(self, document: Document) -> Facts:
        call, tool, given = text(document, "toolCallId"), text(document, "toolName"), document.get("args")
        if len(self._running) > 1000:
            self._running.clear()
        self._running[call] = (tool, given)
        return [tools.started(call, tool, tools.kind(tool), given)]

    def _tool_ended(self, document: Document) -> Facts:
        call, tool, result = text(document, "toolCallId"), text(document, "toolName"), table(document, "result")
        _, given = self._running.pop(call, ("", None))
        failed, refused = flag(document, "isError"), call in self.approvals.refused
        status = "declined" if failed and refused else "failed" if failed else "completed"
        output, exit_code = block_text(result.get("content")), whole(table(result, "details"), "exitCode")
        done = tools.completed(call, tool, status, output, exit_code=exit_code)
        return [done, *tools.changed(tool, given, call, status)]

    def _asked(self, document: Document) -> Facts:
        request, title = identity(document.get("id")), text(document, "title")
        match document.get("method"):
            case "confirm":
                named = _FIRST_WORD.search(title)
                tool = named[1] if named else ""
                running = [(call, given) for call, (name, given) in self._running.items() if name == tool]
                call, given = running[-1] if running else ("", None)
                line = text(document, "message") or title
                asked = self.approvals.ask(request, tool or "confirm", tools.kind(tool), line, given, call=call)
                return asked + self.state("waiting_approval")
            case "select" | "input" | "editor":
                question = " ".join(filter(None, (title, text(document, "message"))))
                return [Fact("input.requested", {"question": question, "options": texts(document, "options")})]
            case _:
                return []

    # ---- to the agent ------------------------------------------------------------------------------------------------

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read one command of ours."""
        match document.get("type"):
            case "prompt":
                said = first_text(document, "message")
                self._attempts = 0
                began = self.turn.begin(said)
                return [began, Fact("message.user", {"text": said}), *self.state("working", "runner")]
            case "steer" | "follow_up":
                return [Fact("message.user", {"text": text(document, "message")})]
            case "abort":
                self.turn.interrupted = self.turn.interrupted or "interrupted"
                return []
            case "extension_ui_response":
                return self._answered(document)
            case str():
                return []
            case _:
                return None

    def _answered(self, document: Document) -> Facts:
        request, allowed = identity(document.get("id")), flag(document, "confirmed")
        return self.approvals.end(request, "granted" if allowed else "denied", "human")
