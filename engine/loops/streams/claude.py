"""Claude Code: stream-json both ways, the control protocol, and hooks."""

from __future__ import annotations

from typing import Any

from loops.known.claude import KNOWN
from loops.known.model import Meaning
from loops.streams import tools
from loops.streams.claude_names import ERRORS, QUIET, QUIET_SYSTEM, STOPS
from loops.streams.claude_transcript import STREAM, Transcript
from loops.streams.claude_usage import Usage
from loops.streams.event import Fact
from loops.streams.hooks import Hooks
from loops.streams.reader import Facts, Reader, unmapped
from loops.streams.reading import (
    Document,
    block_text,
    epoch,
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


class Claude(Reader):
    """The stream of one run of claude."""

    quiet = (b'{"type":"stream_event",',)

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        super().__init__(run, texts, conversation)
        self._hooks = Hooks(self, KNOWN.resumes_itself)
        self._transcript = Transcript(self)
        self._limit: Failure | None = None
        """The plan's limit, since an event of its own said it."""
        self.usage = Usage()

    # ---- from the agent ----------------------------------------------------------------------------------------------

    def read(self, stream: str, document: Document, now: float) -> Facts | None:
        """Read one document of *stream*; claude has one more: its own record of the conversation."""
        return self._transcript.read(document, now) if stream == STREAM else super().read(stream, document, now)

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read one line of the stream."""
        match document.get("type"):
            case "assistant":
                return self._assistant(document, now)
            case "user":
                return self._user(document)
            case "result":
                return self._result(document, now)
            case "system":
                return self._system(document, now)
            case "control_request":
                return self._control(document)
            case "control_cancel_request":
                return self.approvals.end(identity(document.get("request_id")), "expired", "backend")
            case "rate_limit_event":
                return self._rate(table(document, "rate_limit_info"))
            case str() as known if known in QUIET:
                return []
            case _:
                return None

    def _assistant(self, document: Document, now: float) -> Facts:
        message, time = table(document, "message"), epoch(document.get("timestamp"))
        parent = text(document, "parent_tool_use_id")
        facts = self.named(text(document, "session_id")) + self.turn.begin_itself(time=time)
        if named := text(document, "error"):
            failure = self._failure(named, block_text(message.get("content")), now, whole(document, "api_error_status"))
            return facts + self.fails(failure, time)
        facts += self.goes_on(time)
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict):
                facts += self._block(block, message, parent, time)
        return facts + self.usage.request(message, time)

    def _block(self, block: Document, message: Document, parent: str, time: float | None) -> Facts:
        base: dict[str, Any] = {"message_id": text(message, "id"), "model": text(message, "model")}
        if parent:
            base["parent_tool_call_id"] = parent
        match block.get("type"):
            case "text":
                said = text(block, "text")
                if not parent:
                    self.turn.says(said)
                return [Fact("message.assistant", {"text": said, **base}, time)]
            case "thinking":
                return [Fact("message.reasoning", {"text": text(block, "thinking"), **base}, time)]
            case "redacted_thinking":
                return [Fact("message.reasoning", {"text": "", **base}, time)]
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                tool, call = text(block, "name"), text(block, "id")
                self.calls(call, tool, block.get("input"))
                return [tools.started(call, tool, tools.kind(tool), block.get("input"), time)]
            case str() as other if other.endswith("_tool_result"):
                call = text(block, "tool_use_id")
                tool, _ = self.call_of(call, other)
                return [tools.completed(call, tool, "completed", block_text(block.get("content")), time=time)]
            case other:
                return [unmapped(f"assistant/{other}")]

    def _user(self, document: Document) -> Facts:
        content, time = table(document, "message").get("content"), epoch(document.get("timestamp"))
        declined = {
            text(meta, "id")
            for meta in rows(document, "tool_result_meta")
            if text(table(meta, "permission_decision"), "decision") == "reject"
        }
        facts: Facts = []
        results = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        for block in results:
            if block.get("type") == "tool_result":
                call = text(block, "tool_use_id")
                status = "declined" if call in declined else "failed" if flag(block, "is_error") else "completed"
                tool, given = self.call_of(call)
                output = block_text(block.get("content"))
                facts.append(tools.completed(call, tool, status, output, time=time))
                facts += tools.changed(tool, given, call, status)
        said = block_text(content)
        return [*facts, Fact("message.user", {"text": said}, time)] if said or not facts else facts

    def _result(self, document: Document, now: float) -> Facts:
        said, subtype = text(document, "result"), text(document, "subtype")
        failed = flag(document, "is_error") or subtype.startswith("error")
        # A conversation that could not be resumed is named by nothing but the failure.
        facts = [] if failed else self.named(text(document, "session_id"))
        facts += self.turn.begin_itself() + self.usage.turn(document)
        for denial in rows(document, "permission_denials"):
            facts += self._denied(text(denial, "tool_use_id"), text(denial, "tool_name"))
        if subtype == "error_max_turns":
            return facts + self.turn.complete("max_turn_requests")
        if failed:
            if self.turn.interrupted:
                return facts + self.turn.complete("cancelled")
            message = said or "; ".join(texts(document, "errors"))
            status = whole(document, "api_error_status")
            failure = self.turn.failure or self._failure("", message or subtype, now, status)
            return facts + self.turn.fail(failure)
        self.turn.says(said)
        reason = "cancelled" if self.turn.interrupted else STOPS.get(text(document, "stop_reason"), "end_turn")
        return facts + self.turn.complete(reason)

    def _denied(self, call: str, tool: str, reason: str = "") -> Facts:
        """Say once that a rule refused a tool: its own event, its result and the turn's result may all tell."""
        if call in self.approvals.refused:
            return []
        self.approvals.refused.add(call)
        return [Fact("approval.denied", {"tool": tool, "tool_call_id": call, "by": "policy", "reason": reason[:300]})]

    def _system(self, document: Document, now: float) -> Facts | None:
        match document.get("subtype"):
            case "init":
                self.version = text(document, "claude_code_version") or self.version
                self.model = self.usage.model = text(document, "model")
                return self.named(
                    text(document, "session_id"),
                    model=self.model,
                    permission_mode=text(document, "permissionMode"),
                )
            case "api_retry":
                return self._retry(document, now)
            case "compact_boundary":
                return [Fact("context.compacted", {"reason": text(table(document, "compact_metadata"), "trigger")})]
            case "permission_denied":
                call, tool = text(document, "tool_use_id"), text(document, "tool_name")
                return self._denied(call, tool, text(document, "message"))
            case "session_state_changed":
                states = {"running": "working", "requires_action": "waiting_approval"}
                state = states.get(text(document, "state"))
                return self.state(state) if state else []
            case str() as known if known in QUIET_SYSTEM:
                return []
            case _:
                return None

    def _retry(self, document: Document, now: float) -> Facts:
        status, named = whole(document, "error_status"), text(document, "error")
        meaning = ERRORS.get(named)
        if meaning is None:
            meaning = Meaning.PROVIDER if status is None else Meaning.RATE if named == "rate_limit" else None
        failure = self.texts.failure(named, now, named=meaning, status=status)
        self.turn.failure = failure
        started = self.turn.begin_itself()
        scheduled = retry(
            failure,
            attempt=whole(document, "attempt"),
            most=whole(document, "max_retries"),
            delay_ms=number(document, "retry_delay_ms"),
        )
        return [*started, scheduled, *self.state("retrying")]

    def _rate(self, info: Document) -> Facts:
        status, window = text(info, "status"), text(info, "rateLimitType")
        resets, utilization = epoch(info.get("resetsAt")), number(info, "utilization")
        if status == "rejected":
            self._limit = Failure(Meaning.LIMIT, f"usage limit: {window}".strip(": "), None, resets)
            return self.limits(self._limit, window)
        self._limit = None
        if status != "allowed_warning":
            return []
        data: dict[str, Any] = {"class": Meaning.LIMIT.value, "window": window, "message": "near the usage limit"}
        if utilization is not None:
            data["utilization"] = utilization
        if resets is not None:
            data["resets_at"] = resets
        return [Fact("limit.warning", data)]

    def _failure(self, named: str, message: str, now: float, status: int | None = None) -> Failure:
        """Return what an error means: *named* is the backend's own class of it."""
        if self._limit and named in ("rate_limit", ""):
            return self._limit._replace(message=message, http_status=status)
        found = self.texts.meaning(message)
        if found is None and named == "rate_limit":
            found = Meaning.RATE
        return self.texts.failure(message, now, named=ERRORS.get(named) or found, status=status)

    def _control(self, document: Document) -> Facts | None:
        asked, request = table(document, "request"), identity(document.get("request_id"))
        match asked.get("subtype"):
            case "can_use_tool":
                tool, given = text(asked, "tool_name"), asked.get("input")
                line = tools.line(given) or text(asked, "description")
                options = ("allow_once", "allow_always", "reject_once")
                call = text(asked, "tool_use_id")
                facts = self.approvals.ask(request, tool, tools.kind(tool), line, given, options, call)
                return facts + self.state("waiting_approval")
            case "elicitation":
                return [Fact("input.requested", {"question": text(asked, "message"), "options": []})]
            case "hook_callback" | "mcp_message":
                return []
            case _:
                return None

    # ---- to the agent ------------------------------------------------------------------------------------------------

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read one line of ours."""
        match document.get("type"):
            case "user":
                said = block_text(table(document, "message").get("content"))
                return [self.turn.begin(said), Fact("message.user", {"text": said}), *self.state("working", "runner")]
            case "control_request":
                if table(document, "request").get("subtype") == "interrupt":
                    self.turn.interrupted = self.turn.interrupted or "interrupted"
                return []
            case "control_response":
                return self._answered(table(document, "response"))
            case _:
                return None

    def _answered(self, response: Document) -> Facts:
        answer, request = table(response, "response"), identity(response.get("request_id"))
        allowed = text(answer, "behavior") == "allow"
        outcome = "granted" if allowed else "denied"
        facts = self.approvals.end(request, outcome, "human", "" if allowed else text(answer, "message"))
        return facts + self.state("working", "runner") if facts else facts

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def hooked(self, document: Document, now: float) -> Facts | None:
        """Read the payload of one hook."""
        failure = None
        if document.get("hook_event_name") == "StopFailure":
            message = text(document, "last_assistant_message") or text(document, "error_details")
            failure = self._failure(text(document, "error"), message, now)
        return self._hooks.read(document, failure)
