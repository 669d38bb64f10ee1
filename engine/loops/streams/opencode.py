"""opencode: the events of its server, our own requests with their responses, and the lines of ``run --format json``."""

from __future__ import annotations

import json
import re

from loops.known.model import Meaning
from loops.known.opencode import LISTENING
from loops.streams import opencode_parts as parts
from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.opencode_errors import ERRORS, failure_of
from loops.streams.reader import Facts, Reader
from loops.streams.reading import Document, block_text, epoch, first_text, rows, table, text, texts, whole
from loops.streams.texts import Texts
from loops.streams.turn import nudge_of, retry

_ABORTED = "MessageAbortedError"
_QUIET = re.compile(
    r"server\.(?:connected|heartbeat|instance\.disposed)|global\.disposed|session\.(?:updated|diff|next\..*)"
    r"|message\.(?:removed|part\.(?:delta|removed))|(?:plugin|catalog|reference|integration|installation|lsp|mcp|ide|tui|pty"
    r"|project|vcs|file\.watcher|worktree|workspace|command|models-dev|account|permission\.v2|skill)\..*"
    r"|file\.watcher\..*|question\.(?:replied|rejected)"
)
_SESSION = re.compile(r"/session/(ses_[^/?]+)")
_REPLY = re.compile(r"/permission/([^/?]+)/reply|/session/[^/]+/permissions/([^/?]+)")


class Opencode(Reader):
    """The streams of one run of opencode."""

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        super().__init__(run, texts, conversation)
        self._parts = parts.Parts(self)
        self._busy = False
        """The server works on this turn: only then an ``idle`` is this turn's."""

    def complain(self, line: str, now: float) -> Facts:
        """Read a line that the server printed; that it listens is no complaint."""
        return [] if re.search(LISTENING, line.encode()) else super().complain(line, now)

    # ---- from the server ---------------------------------------------------------------------------------------------

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read an event, a response to a request of ours, or a line of ``run``."""
        if "response" in document and "type" not in document:
            return self._response(table(document, "response"), now)
        kind = text(document, "type")
        if "properties" not in document:
            return self._ran(kind, document, now)
        properties = table(document, "properties")
        match kind:
            case "message.part.updated":
                return self._part(properties)
            case "message.updated":
                return self._message(table(properties, "info"))
            case "session.status":
                return self._status(properties, now)
            case "session.idle":
                return self._idle() if self._ours(properties) else []
            case "session.error":
                return self._error(properties, now)
            case "session.created":
                return self._created(table(properties, "info"))
            case "session.deleted":
                gone = text(table(properties, "info"), "id") or text(properties, "sessionID")
                return self.leaves("deleted") if gone and gone == self.conversation else []
            case "session.compacted":
                return [Fact("context.compacted", {"reason": "context window"})]
            case "permission.asked" | "permission.updated":
                return self._asked(properties)
            case "permission.replied":
                return self._replied(properties)
            case "question.asked":
                return self._questioned(properties)
            case "todo.updated":
                todos = rows(properties, "todos")
                items = [{"text": text(todo, "content"), "status": text(todo, "status")} for todo in todos]
                return [Fact("plan.updated", {"items": items})]
            case "file.edited":
                return [Fact("file.changed", {"path": text(properties, "file"), "change": "update"})]
            case _:
                return [] if _QUIET.fullmatch(kind) else None

    def _ours(self, properties: Document) -> bool:
        """Return whether an event is of our conversation, not of a subagent's."""
        session = text(properties, "sessionID")
        return not session or not self.conversation or session == self.conversation

    def _created(self, info: Document) -> Facts:
        self.version = text(info, "version") or self.version
        if text(info, "parentID") or self.conversation:
            return []
        return self.named(text(info, "id"), epoch(table(info, "time").get("created")), model=self.model)

    def _message(self, info: Document) -> Facts:
        self._parts.role(text(info, "id"), text(info, "role"))
        self.model = text(info, "modelID") or self.model
        return []

    def _part(self, properties: Document) -> Facts:
        part, time, ours = (
            table(properties, "part"),
            epoch(properties.get("time")),
            self._ours(table(properties, "part")),
        )
        if ours and part.get("type") == "text" and self._parts.is_user(text(part, "messageID")):
            return self._prompted(part, time)
        if ours and not self._parts.is_user(text(part, "messageID")):
            self._busy = True
        return self._parts.read(part, ours, time)

    def _prompted(self, part: Document, time: float | None) -> Facts:
        """A prompt: ours (then the request said it), or typed into the terminal interface."""
        said = text(part, "text")
        if part.get("synthetic") is True or not self._parts.first(text(part, "id")):
            return []
        if self.turn.open and nudge_of(said) == self.turn.nudge:
            return []
        return [self.turn.begin(said, time=time), Fact("message.user", {"text": said}, time)]

    def _status(self, properties: Document, now: float) -> Facts:
        status = table(properties, "status")
        if not self._ours(properties):
            return []
        match status.get("type"):
            case "busy":
                self._busy = True
                if self.turn.open and self.turn.failure:
                    return []  # the next try of what failed
                return [*self.turn.begin_itself(), *self.state("working")]
            case "retry":
                self._busy = True
                return self.turn.begin_itself() + self._retry(status, now)
            case "idle":
                return self._idle()
            case _:
                return []

    def _retry(self, status: Document, now: float) -> Facts:
        next_at, message = epoch(status.get("next")), text(status, "message")
        named = ERRORS.get(text(table(status, "action"), "reason"))
        failure = self.texts.failure(message, now, named=named)
        if failure.meaning is Meaning.OTHER:  # what opencode tries again is, as far as it knows, passing
            failure = failure._replace(meaning=Meaning.PROVIDER)
        if failure.meaning is Meaning.LIMIT and failure.resets_at is None:
            failure = failure._replace(resets_at=next_at)
        self.turn.failure = failure
        delay = None if next_at is None else max(0, round((next_at - now) * 1000))
        scheduled = retry(failure, attempt=whole(status, "attempt"), delay_ms=delay, next_at=next_at)
        return [scheduled, *self.state("retrying")]

    def _idle(self) -> Facts:
        if not self._busy and not self.turn.interrupted:
            return []  # of the turn before, which the next one has overtaken
        self._busy = False
        return self.turn.end()

    def _error(self, properties: Document, now: float) -> Facts:
        if not self._ours(properties):
            return []
        error = table(properties, "error")
        self._busy = True
        if text(error, "name") == _ABORTED:
            self.turn.interrupted = self.turn.interrupted or "interrupted"
            self.turn.failure = None
            return []
        return self.fails(failure_of(self.texts, error, now))

    def _asked(self, properties: Document) -> Facts:
        tool, call = first_text(properties, "permission", "type"), text(table(properties, "tool"), "callID")
        metadata = table(properties, "metadata")
        line = tools.line(metadata) or ", ".join(texts(properties, "patterns")) or text(properties, "title")
        options = ("allow_once", "allow_always", "reject_once")
        asked = self.approvals.ask(
            text(properties, "id"), tool, tools.kind(tool), line or tool, metadata, options, call
        )
        return asked + self.state("waiting_approval")

    def _replied(self, properties: Document) -> Facts:
        reply = first_text(properties, "reply", "response")
        request = first_text(properties, "requestID", "permissionID")
        ended = self.approvals.end(request, "denied" if reply == "reject" else "granted", "human")
        return ended + self.state("working") if ended else []

    def _questioned(self, properties: Document) -> Facts:
        questions = rows(properties, "questions")
        options = [text(option, "label") for question in questions for option in rows(question, "options")]
        asked = "; ".join(text(question, "question") for question in questions)
        return [Fact("input.requested", {"question": asked, "options": options})]

    # ---- requests of ours, and their responses -----------------------------------------------------------------------

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read ``{"method", "path", "body"}``."""
        path, body = text(document, "path"), document.get("body")
        if not path:
            return None
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except (ValueError, RecursionError):
                body = None
        body = body if isinstance(body, dict) else {}
        if found := _REPLY.search(path):
            return self._answered(found[1] or found[2], body)
        session = _SESSION.match(path)
        facts = self.named(session[1]) if session and text(document, "method") == "POST" else []
        if path.endswith(("/prompt_async", "/message")) and text(document, "method") == "POST":
            if "messageID" in body:
                return facts  # the prompt of this turn, which the server has let lie
            said = block_text(body.get("parts"))
            self._busy = False
            began = [self.turn.begin(said), Fact("message.user", {"text": said})]
            return [*facts, *began, *self.state("working", "runner")]
        if path.endswith("/abort"):
            self.turn.interrupted = self.turn.interrupted or "interrupted"
        return facts

    def _answered(self, request: str, body: Document) -> Facts:
        reply = first_text(body, "reply", "response")
        outcome = "denied" if reply == "reject" else "granted"
        ended = self.approvals.end(request, outcome, "human", text(body, "message"))
        return ended + self.state("working", "runner") if ended else []

    def _response(self, response: Document, now: float) -> Facts:
        """Read ``{"to": "POST /session", "status": 200, "body": ...}``."""
        to, status, body = text(response, "to"), whole(response, "status") or 0, table(response, "body")
        method, _, path = to.partition(" ")
        path = path or text(response, "path")
        if status == 0 or status >= 400:
            return self._refused(method, path, status, response, now)
        if to == "POST /session" or _SESSION.fullmatch(path):
            self.version = text(body, "version") or self.version
            return self.named(text(body, "id"), model=self.model)
        return self._missed(path.partition("?")[0], response, now) if method == "GET" else []

    def _missed(self, path: str, response: Document, now: float) -> Facts:
        """Read what was asked for because the events had broken off: a part, or a question, counts once however it comes."""
        if path == "/session/status" and self.conversation:
            status = table(table(response, "body"), self.conversation) or {"type": "idle"}
            return self._status({"sessionID": self.conversation, "status": status}, now)
        if path == "/permission":
            return [fact for asked in rows(response, "body") for fact in self._asked(asked)]
        if not path.endswith("/message"):
            return []
        messages = rows(response, "body")
        prompts = [i for i, each in enumerate(messages) if text(table(each, "info"), "role") == "user"]
        facts: Facts = []
        for message in messages[prompts[-1] + 1 if prompts else 0 :]:  # what is older is of other turns
            info = table(message, "info")
            facts += self._message(info)
            for part in rows(message, "parts"):
                facts += self._part({"part": part})
            if table(info, "error") and self.turn.open and self.turn.failure is None:
                facts += self._error({"sessionID": self.conversation, "error": table(info, "error")}, now)
        return facts

    def _refused(self, method: str, path: str, status: int, response: Document, now: float) -> Facts:
        body = table(response, "body")
        data = table(body, "data")
        words = text(data, "message") or first_text(body, "message", "name") or text(response, "body")
        message = f"{method} {path}: {status} {words}".strip()
        session = _SESSION.fullmatch(path)
        if status == 404 and session and method == "GET" and not self.conversation:
            return self.resume_failed(words or message)
        failure = failure_of(self.texts, body, now) if body else self.texts.failure(words, now)
        failure = failure._replace(message=message)
        # No answer is no word of the provider: our server ends, and the run with it, or its events will tell.
        if status and path.endswith(("/prompt_async", "/message")):
            return self.turn.fail(failure)
        if not self.conversation and status and (path == "/session" or (session and method == "GET")):
            return self.opening_failed(failure)
        return [Fact("warning", {"class": failure.meaning.value, "message": message})]

    # ---- opencode run --format json ----------------------------------------------------------------------------------

    def _ran(self, kind: str, document: Document, now: float) -> Facts | None:
        time, part = epoch(document.get("timestamp")), table(document, "part")
        if kind not in ("step_start", "step_finish", "text", "reasoning", "tool_use", "error"):
            return None
        facts = self.named(text(document, "sessionID"), time) + self.turn.begin_itself(time=time)
        if kind == "error":
            return facts + self.turn.fail(failure_of(self.texts, table(document, "error"), now), time=time)
        facts += self._parts.read(part, True, time)
        if kind == "step_finish" and text(part, "reason") == "stop":
            facts += self.turn.complete(time=time)
        return facts
