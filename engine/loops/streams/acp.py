"""The Agent Client Protocol, version 1: JSON-RPC 2.0, with the vocabulary that the events have too."""

from __future__ import annotations

from typing import Any

from loops.known.model import Meaning
from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.reader import Facts, Reader
from loops.streams.reading import Document, count, first_text, identity, number, rows, table, text, whole
from loops.streams.texts import Failure, Texts
from loops.streams.usage import Tokens, used

_STOPS = frozenset({"end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"})
_KINDS = frozenset({"read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"})
_QUIET_UPDATES = frozenset(
    {"available_commands_update", "current_mode_update", "config_option_update", "session_info_update"}
)
_OPENS = ("session/new", "session/load", "session/resume", "session/fork")
_BEFORE = ("initialize", *_OPENS, "session/set_model", "session/set_config_option")
"""Without these there is no conversation, or not with the model that was ordered."""
_OPTIONS = frozenset({"allow_once", "allow_always", "reject_once", "reject_always"})
_ERRORS = {
    "ContextOverflowError": Meaning.CONTEXT,
    "ProviderAuthError": Meaning.AUTH,
    "ProviderModelNotFoundError": Meaning.MODEL,
    "MessageOutputLengthError": Meaning.TRUNCATED,
}
_AUTH_REQUIRED = -32000


class Acp(Reader):
    """The stream of one run of an agent that speaks ACP."""

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        super().__init__(run, texts, conversation)
        self._requests: dict[str, str] = {}
        self._loading = False
        """The agent repeats the conversation's history."""
        self._piece = ("", "")
        """Kind and text of the message that is being told."""
        self._message = ""
        self._tools: dict[str, tuple[str, str, Any]] = {}
        """Tool calls: title, kind, input."""
        self._done: set[str] = set()
        self._choices: dict[str, dict[str, str]] = {}
        """What the options of a question mean, by its id."""
        self._opening = ""
        self._spent = self._usd = 0.0

    # ---- from the agent ----------------------------------------------------------------------------------------------

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read one line."""
        params = table(document, "params")
        match document.get("method"):
            case "session/update":
                return self._update(table(params, "update"))
            case "session/request_permission":
                return self._flushed() + self._asked(identity(document.get("id")), params)
            case str():
                return [] if "id" in document else None
            case _:
                return self._response(document, now) if "result" in document or "error" in document else None

    def _update(self, update: Document) -> Facts | None:
        kind = text(update, "sessionUpdate")
        if self._loading:
            return []
        if kind in ("agent_message_chunk", "agent_thought_chunk"):
            return self._chunk(kind, update)
        facts = self._flushed()
        match kind:
            case "tool_call":
                return facts + self._tool(update)
            case "tool_call_update":
                return facts + self._tool(update)
            case "plan":
                items = [
                    {"text": text(row, "content"), "status": text(row, "status")} for row in rows(update, "entries")
                ]
                return [*facts, Fact("plan.updated", {"items": items})]
            case "usage_update":
                return facts + self._cost(table(update, "cost"))
            case "user_message_chunk":
                return facts
            case _ if kind in _QUIET_UPDATES:
                return facts
            case _:
                return [*facts, Fact("backend.unmapped", {"raw_type": f"session/update/{kind}"[:200]})]

    def _chunk(self, kind: str, update: Document) -> Facts:
        message, piece = text(update, "messageId"), text(table(update, "content"), "text")
        facts = self.turn.begin_itself() + self.goes_on()
        if self._piece[0] and (self._piece[0] != kind or (message and message != self._message)):
            facts += self._flushed()
        self._message = message
        said = self._piece[1]
        self._piece = (kind, said + piece if len(said) < 100_000 else said)
        return facts

    def _flushed(self) -> Facts:
        """Tell the message that came in pieces: it is whole when something else comes."""
        kind, said = self._piece
        self._piece = ("", "")
        if not kind or not said:
            return []
        data = {"text": said, "message_id": self._message}
        if kind == "agent_thought_chunk":
            return [Fact("message.reasoning", data)]
        self.turn.says(said)
        return [Fact("message.assistant", data)]

    def _tool(self, update: Document) -> Facts:
        call, status = text(update, "toolCallId"), text(update, "status")
        title, kind, given = self._tools.get(call, ("", "other", None))
        new = call not in self._tools
        raw, named = update.get("rawInput"), text(update, "kind")
        kind = named if named in _KINDS else kind
        title = title or text(update, "title")
        given = raw if raw is not None else given
        if len(self._tools) > 2000:
            self._tools.clear()
            self._done.clear()
        self._tools[call] = (title, kind, given)
        facts = self.turn.begin_itself()
        if new:
            facts.append(tools.started(call, title, kind, given))
        elif status == "in_progress" and raw is not None:
            facts.append(Fact("tool.updated", {"tool_call_id": call, "tool": title, "kind": kind, "input": given}))
        if status in ("completed", "failed") and call not in self._done:
            self._done.add(call)
            facts += self._tool_ended(call, title, kind, status, update)
        return facts

    def _tool_ended(self, call: str, title: str, kind: str, status: str, update: Document) -> Facts:
        content = [block for block in rows(update, "content") if block.get("type") == "content"]
        output = "\n".join(text(table(block, "content"), "text") for block in content)
        raw = table(update, "rawOutput")
        exit_code = whole(table(raw, "metadata"), "exit")
        refused = status == "failed" and call in self.approvals.refused
        ended = tools.completed(call, title, "declined" if refused else status, output or text(raw, "output"))
        ended.data["kind"] = kind
        if exit_code is not None:
            ended.data["exit_code"] = exit_code
        paths = [text(block, "path") for block in rows(update, "content") if block.get("type") == "diff"]
        changes = [Fact("file.changed", {"path": path, "change": "update", "tool_call_id": call}) for path in paths]
        return [ended, *changes]

    def _cost(self, cost: Document) -> Facts:
        """Keep what the conversation cost: `_usage` reports what the turn added to it."""
        total = number(cost, "amount")
        if total is not None and text(cost, "currency") in ("USD", ""):
            self._spent = total
        return []

    def _usage(self, usage: Document) -> Facts:
        """Report a turn's tokens.  Agents disagree whether input includes cache; the total tells which they mean."""
        read, written = count(usage, "cachedReadTokens"), count(usage, "cachedWriteTokens")
        given, out, thought = count(usage, "inputTokens"), count(usage, "outputTokens"), count(usage, "thoughtTokens")
        total = count(usage, "totalTokens")
        if total >= given + out + read + written and read + written:
            given += read + written
        if total >= given + out + thought and thought:
            out += thought
        usd = max(0.0, self._spent - self._usd)
        if self.is_resumed() and not self._usd:
            usd = 0.0  # with all that was spent before this run
        self._usd = max(self._spent, self._usd)
        tokens = Tokens(given, out, read, written, thought)
        return [used(tokens, usd=usd, model=self.model, scope="step")] if tokens.some() else []

    def _asked(self, request: str, params: Document) -> Facts:
        call = table(params, "toolCall")
        id_ = text(call, "toolCallId")
        title, kind, given = self._tools.get(id_, ("", "other", None))
        given = call.get("rawInput") or given
        named = text(call, "kind")
        offered = [text(option, "kind") for option in rows(params, "options")]
        options = tuple(dict.fromkeys(name for name in offered if name in _OPTIONS))
        line = tools.line(given) or text(call, "title") or title
        shown = named if named in _KINDS else kind
        options = options or ("allow_once", "reject_once")
        self._choices[request] = {text(option, "optionId"): text(option, "kind") for option in rows(params, "options")}
        asked = self.approvals.ask(request, title or text(call, "title"), shown, line, given, options, id_)
        return asked + self.state("waiting_approval")

    def _response(self, document: Document, now: float) -> Facts:
        method = self._requests.pop(identity(document.get("id")), "")
        if "error" in document:
            return self._refused(method, table(document, "error"), now)
        result = table(document, "result")
        if method == "initialize":
            self.version = text(table(result, "agentInfo"), "version")
        elif method in _OPENS:
            self._loading = False
            self.model = text(table(result, "models"), "currentModelId") or self.model
            return self.named(text(result, "sessionId") or self._opening, model=self.model)
        elif method == "session/prompt":
            reason = text(result, "stopReason")
            facts = self._flushed() + self._usage(table(result, "usage"))
            return facts + self.turn.complete(reason if reason in _STOPS else "end_turn")
        return []

    def _refused(self, method: str, error: Document, now: float) -> Facts:
        data = table(error, "data")
        message = first_text(error, "message")
        details = first_text(data, "message", "details", "errorMessage")
        words = f"{message}: {details}" if details and details not in message else message
        named = _ERRORS.get(text(data, "errorName"))
        if whole(error, "code") == _AUTH_REQUIRED:
            named = Meaning.AUTH
        failure = self.texts.failure(words, now, named=named, status=whole(data, "statusCode"))
        self._loading = False
        if method in ("session/load", "session/resume"):
            return self.resume_failed(words)
        if method == "session/prompt":
            return self._flushed() + self.turn.fail(failure)
        if method not in _BEFORE:
            return [Fact("warning", _warned(failure))]
        if failure.meaning is Meaning.OTHER and method.startswith("session/set_") and "model" in words.lower():
            failure = failure._replace(meaning=Meaning.MODEL)
        return self.opening_failed(failure)

    # ---- to the agent ------------------------------------------------------------------------------------------------

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read one line of ours."""
        method, id_, params = document.get("method"), identity(document.get("id")), table(document, "params")
        if not isinstance(method, str):
            return (
                self._answered(id_, table(document, "result")) if "result" in document or "error" in document else None
            )
        if id_:
            self._requests[id_] = method
        match method:
            case "session/prompt":
                said = "\n".join(text(block, "text") for block in rows(params, "prompt"))
                began = self.turn.begin(said)
                return [began, Fact("message.user", {"text": said}), *self.state("working", "runner")]
            case "session/load" | "session/resume":
                self._opening = text(params, "sessionId")
                self._loading = method == "session/load"
                self.resumes(self._opening)
            case "session/cancel":
                self.turn.interrupted = self.turn.interrupted or "interrupted"
        return []

    def _answered(self, request: str, result: Document) -> Facts:
        outcome = table(result, "outcome")
        chosen = self._choices.pop(request, {}).get(text(outcome, "optionId"), "")
        allowed = outcome.get("outcome") == "selected" and chosen.startswith("allow")
        # A person's answer was told by the runner before: what still waits is answered by the permissions of the agent.
        ended = self.approvals.end(request, "granted" if allowed else "denied", "policy")
        return ended + self.state("working", "runner") if ended else []


def _warned(failure: Failure) -> dict[str, Any]:
    return {"class": failure.meaning.value, "message": failure.message}
