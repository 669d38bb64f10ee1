"""Codex: app-server (JSON-RPC without its version field), hooks, rollout lines, and the events of ``exec --json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.known.model import Meaning
from loops.streams import codex_asking, codex_errors, codex_exec, codex_items, codex_rollout
from loops.streams.codex_names import GRANTING, QUIET
from loops.streams.event import Fact
from loops.streams.hooks import Hooks
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
)
from loops.streams.texts import Failure, Texts
from loops.streams.turn import retry
from loops.streams.usage import NONE, Tokens, used

_NEAR = 90
"""Percent of a usage window from which it is worth a warning."""

_Read = Callable[["Codex", Document, float, "float | None"], "Facts"]


class Codex(Reader):
    """The streams of one run of codex."""

    quiet = tuple(f'{{"method":"{name}",'.encode() for name in sorted(QUIET) if name.endswith(("elta", "progress")))

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        super().__init__(run, texts, conversation)
        self._hooks = Hooks(self)
        self._requests: dict[str, str] = {}
        """Methods of our requests that have no answer yet, by id."""
        self.turn_id = ""
        """Codex' name of the turn that runs."""
        self._total: Tokens | None = None
        """The thread's counter, which goes on where an earlier run left it."""
        self._resets: float | None = None
        self._warned = False
        self.exec = codex_exec.Exec(self)
        self._rollout = codex_rollout.Rollout(self)

    # ---- from the agent ----------------------------------------------------------------------------------------------

    def read(self, stream: str, document: Document, now: float) -> Facts | None:
        """Read one document of *stream*; codex has one more: what it writes into its rollout file."""
        return self._rollout.read(document, now) if stream == "rollout" else super().read(stream, document, now)

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read one line of the app-server, or of ``exec --json``."""
        method = document.get("method")
        if not isinstance(method, str):
            if "id" in document and ("result" in document or "error" in document):
                return self._response(document, now)
            return self.exec.read(document, now)
        params, time = table(document, "params"), epoch(document.get("emittedAtMs"))
        read = _READ.get(method)
        if read is None:
            return [] if method in QUIET else self._foreign(document, method)
        if "id" in document:
            return read(self, {**params, "method": method, "request": identity(document["id"])}, now, time)
        return read(self, params, now, time)

    def _foreign(self, document: Document, method: str) -> Facts | None:
        """A request that no program can answer for a person is a question; anything else is unknown."""
        if method in ("item/tool/requestUserInput", "mcpServer/elicitation/request"):
            params = table(document, "params")
            asked = rows(params, "questions")
            question = "; ".join(text(row, "question") for row in asked) or text(params, "message")
            return [Fact("input.requested", {"question": question, "options": []})]
        return None

    def _response(self, document: Document, now: float) -> Facts:
        method = self._requests.pop(identity(document.get("id")), "")
        if "error" in document:
            message = text(table(document, "error"), "message")
            if method == "thread/resume":
                return self.resume_failed(message)
            failure = self.texts.failure(message, now)
            return self.turn.fail(failure) if method == "turn/start" else self.fails(failure)
        result = table(document, "result")
        if method in ("thread/start", "thread/resume", "thread/fork"):
            return self._thread(table(result, "thread"), result, now, None)
        if method == "turn/start":
            self.turn_id = text(table(result, "turn"), "id")
        elif method == "initialize":
            self.version = text(result, "userAgent").partition("/")[2].partition(" ")[0] or self.version
        return []

    def _thread_started(self, params: Document, now: float, time: float | None) -> Facts:
        return self._thread(table(params, "thread"), params, now, time)

    def _thread(self, thread: Document, around: Document, now: float, time: float | None) -> Facts:
        if text(thread, "parentThreadId") or (self.conversation and text(thread, "id") != self.conversation):
            return []  # a subagent's
        self.version = text(thread, "cliVersion") or self.version
        self.model = first_text(around, "model") or text(thread, "model") or self.model
        return self.named(text(thread, "id"), time, model=self.model)

    def _status(self, params: Document, now: float, time: float | None) -> Facts:
        status = table(params, "status")
        if self._elsewhere(params):
            return []
        match status.get("type"):
            case "active":
                waiting = texts(status, "activeFlags")
                if "waitingOnApproval" in waiting:
                    return self.state("waiting_approval", time=time)
                return self.state("waiting_input" if "waitingOnUserInput" in waiting else "working", time=time)
            case "systemError":
                return self.state("error", time=time)
            case _:
                return []  # idle: the turn's end says it

    def _turn_started(self, params: Document, now: float, time: float | None) -> Facts:
        if self._elsewhere(params):
            return []
        turn_id = self.turn_id = text(table(params, "turn"), "id")
        return [*self.turn.begin_itself(turn_id, time), *self.state("working", time=time)]

    def _turn_completed(self, params: Document, now: float, time: float | None) -> Facts:
        if self._elsewhere(params):
            return []
        turn = table(params, "turn")
        turn_id, error, status = text(turn, "id"), table(turn, "error"), text(turn, "status")
        facts = self.turn.begin_itself(turn_id, time)
        if status == "interrupted":
            return facts + self.turn.complete("cancelled", turn_id, time)
        if status == "failed" or error:
            return facts + self.turn.fail(self.failure(error, now), turn_id, time)
        return facts + self.turn.complete("end_turn", turn_id, time)

    def _item_started(self, params: Document, now: float, time: float | None) -> Facts:
        item = table(params, "item")
        return codex_items.started(self, item, self._elsewhere(params), time)

    def _item_completed(self, params: Document, now: float, time: float | None) -> Facts:
        return codex_items.completed(self, table(params, "item"), self._elsewhere(params), time)

    def _typed(self, params: Document, now: float, time: float | None) -> Facts:
        """Something was typed into a command that runs on, perhaps from an earlier turn."""
        call, given = text(params, "itemId"), {"stdin": text(params, "stdin")}
        data = {"tool_call_id": call, "tool": "exec_command", "kind": "execute", "input": given}
        return [Fact("tool.updated", data, time)]

    def _plan(self, params: Document, now: float, time: float | None) -> Facts:
        items = [{"text": text(step, "step"), "status": text(step, "status")} for step in rows(params, "plan")]
        return [Fact("plan.updated", {"items": items}, time)]

    def _usage(self, params: Document, now: float, time: float | None) -> Facts:
        """Report what was added to the thread's counter; the first one after a resume is history, told for an old turn."""
        usage = table(params, "tokenUsage")
        total, last = _tokens(table(usage, "total")), _tokens(table(usage, "last"))
        if self._elsewhere(params):
            return [used(last, model=self.model, scope="step", time=time)] if last.some() else []
        before, self._total = self._total, total
        if before is None:
            ours = self.turn_id and text(params, "turnId") == self.turn_id
            before = NONE if not self.is_resumed() else total.less(last) if ours else total
        new = total.less(before)
        return [used(new, model=self.model, time=time)] if new.some() else []

    def _rates(self, params: Document, now: float, time: float | None) -> Facts:
        limits = table(params, "rateLimits")
        windows = [window for name in ("primary", "secondary") if (window := table(limits, name))]
        full = max(windows, key=lambda window: number(window, "usedPercent") or 0, default=None)
        if full is None:
            return []
        part, self._resets = number(full, "usedPercent") or 0, epoch(full.get("resetsAt"))
        minutes = count(full, "windowDurationMins")
        near = part >= _NEAR
        known, self._warned = self._warned, near
        if known or not near:
            return []
        data: dict[str, Any] = {"class": Meaning.LIMIT.value, "window": f"{minutes} min", "utilization": part / 100}
        if self._resets is not None:
            data["resets_at"] = self._resets
        return [Fact("limit.warning", {**data, "message": f"{part:g} % of the window are used"}, time)]

    def _error(self, params: Document, now: float, time: float | None) -> Facts:
        failure = self.failure(table(params, "error"), now)
        if self._elsewhere(params):
            return []
        if not flag(params, "willRetry"):
            return self.fails(failure, time)
        self.turn.failure = failure
        attempt, most = codex_exec.attempts(failure.message)
        return [retry(failure, attempt=attempt, most=most, time=time), *self.state("retrying", time=time)]

    def _warning(self, params: Document, now: float, time: float | None) -> Facts:
        message = first_text(params, "message", "summary", "details")
        return [Fact("warning", {"class": "other", "message": message}, time)]

    def _closed(self, params: Document, now: float, time: float | None) -> Facts:
        return [] if self._elsewhere(params) else self.leaves("closed", time)

    # ---- approvals ---------------------------------------------------------------------------------------------------

    def _asked(self, params: Document, now: float, time: float | None) -> Facts:
        return codex_asking.asked(self, params, time) + self.state("waiting_approval", time=time)

    def _resolved(self, params: Document, now: float, time: float | None) -> Facts:
        return self.approvals.end(identity(params.get("requestId")), "expired", "backend", time=time)

    # ---- to the agent ------------------------------------------------------------------------------------------------

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read one line of ours."""
        method, id_ = document.get("method"), identity(document.get("id"))
        if not isinstance(method, str):
            return self._answered(document, id_) if "result" in document or "error" in document else None
        if id_:
            self._requests[id_] = method
        params = table(document, "params")
        match method:
            case "turn/steer":
                return [Fact("message.user", {"text": block_text(params.get("input"))})]
            case "turn/start":
                said = block_text(params.get("input"))
                began = self.turn.begin(said)
                return [began, Fact("message.user", {"text": said}), *self.state("working", "runner")]
            case "turn/interrupt":
                self.turn.interrupted = self.turn.interrupted or "interrupted"
            case "thread/resume":
                self.resumes(text(params, "threadId"))
        return []

    def _answered(self, document: Document, request: str) -> Facts:
        decision = table(document, "result").get("decision")
        allowed = decision in GRANTING if isinstance(decision, str) else isinstance(decision, dict)
        if isinstance(document.get("result"), dict) and decision is None:
            allowed = bool(table(document["result"], "permissions"))
        ended = self.approvals.end(request, "granted" if allowed else "denied", "human")
        return ended + self.state("working", "runner") if ended else []

    # ---- hooks, and what the other forms share -----------------------------------------------------------------------

    def hooked(self, document: Document, now: float) -> Facts | None:
        """Read the payload of one hook."""
        return self._hooks.read(document, None)

    def failure(self, error: Document, now: float) -> Failure:
        """Return what a ``TurnError`` (also in the rollout's spelling) means."""
        return codex_errors.failure(self.texts, error, now, self._resets)

    def _elsewhere(self, params: Document) -> bool:
        """Return whether a notification is of another thread: a subagent's, or the one that titles ours."""
        thread = params.get("threadId")
        return bool(thread and self.conversation and thread != self.conversation)


_READ: dict[str, _Read] = {
    "thread/started": Codex._thread_started,
    "thread/status/changed": Codex._status,
    "thread/closed": Codex._closed,
    "thread/tokenUsage/updated": Codex._usage,
    "turn/started": Codex._turn_started,
    "turn/completed": Codex._turn_completed,
    "turn/plan/updated": Codex._plan,
    "item/started": Codex._item_started,
    "item/completed": Codex._item_completed,
    "item/commandExecution/terminalInteraction": Codex._typed,
    "account/rateLimits/updated": Codex._rates,
    "error": Codex._error,
    "warning": Codex._warning,
    "guardianWarning": Codex._warning,
    "configWarning": Codex._warning,
    "deprecationNotice": Codex._warning,
    "item/commandExecution/requestApproval": Codex._asked,
    "item/fileChange/requestApproval": Codex._asked,
    "item/permissions/requestApproval": Codex._asked,
    "execCommandApproval": Codex._asked,
    "applyPatchApproval": Codex._asked,
    "serverRequest/resolved": Codex._resolved,
}


def _tokens(part: Document) -> Tokens:
    return Tokens(
        count(part, "inputTokens"),
        count(part, "outputTokens"),
        count(part, "cachedInputTokens"),
        count(part, "cacheWriteInputTokens"),
        count(part, "reasoningOutputTokens"),
    )
