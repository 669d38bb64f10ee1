"""The hooks of claude and codex, which share one shape: what a terminal interface tells of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loops.known.model import Meaning
from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.reading import Document, block_text, flag, text

if TYPE_CHECKING:
    from loops.streams.reader import Facts, Reader
    from loops.streams.texts import Failure

_QUIET = frozenset(
    {
        "SubagentStart",
        "SubagentStop",
        "PreCompact",
        "InstructionsLoaded",
        "ConfigChange",
        "CwdChanged",
        "FileChanged",
        "Setup",
        "TaskCreated",
        "TaskCompleted",
        "TeammateIdle",
        "WorktreeCreate",
        "WorktreeRemove",
        "UserPromptExpansion",
        "MessageDisplay",
        "PostToolBatch",
    }
)


class Hooks:
    """The hooks of one run."""

    def __init__(self, reader: Reader, resumes_itself: str = "") -> None:
        """*resumes_itself*: see `loops.known.model.Known`."""
        self._reader = reader
        self._resumes = re.compile(resumes_itself) if resumes_itself else None

    def read(self, payload: Document, failure: Failure | None) -> Facts | None:
        """Read one payload.  *failure*: what a ``StopFailure`` means, which only the backend's mapping can tell."""
        reader, name = self._reader, text(payload, "hook_event_name")
        reader.model = text(payload, "model") or reader.model
        session = text(payload, "session_id")
        if name == "SessionStart":
            return self._session(payload, session)
        if session and reader.conversation and session != reader.conversation:
            return []  # codex titles a conversation in a second one, which has hooks too
        # A conversation that could not be resumed ends without ever having begun.
        facts = [] if name == "SessionEnd" else reader.named(session, model=text(payload, "model"))
        found = self._named(name, payload, failure)
        return None if found is None and not facts else facts + (found or [])

    def _named(self, name: str, payload: Document, failure: Failure | None) -> Facts | None:
        reader = self._reader
        match name:
            case "UserPromptSubmit":
                prompt = text(payload, "prompt")
                started = reader.turn.begin(prompt, text(payload, "turn_id") or text(payload, "prompt_id"))
                return [
                    *self._unanswered("denied"),
                    started,
                    Fact("message.user", {"text": prompt}),
                    *reader.state("working", "hook"),
                ]
            case "PreToolUse":
                return self._before(payload)
            case "PostToolUse" | "PostToolUseFailure":
                return self._after(payload, name == "PostToolUse")
            case "PermissionRequest":
                return self._asked(payload)
            case "PermissionDenied":
                data = {"tool": text(payload, "tool_name"), "by": "policy", "reason": text(payload, "reason")}
                return [Fact("approval.denied", data)]
            case "Notification":
                return self._notified(payload)
            case "Stop":
                reader.turn.says(text(payload, "last_assistant_message"))
                facts = self._said() + self._unanswered("denied")
                return [*facts, *reader.turn.end(text(payload, "turn_id"))]
            case "StopFailure":
                facts = self._unanswered("denied")
                if failure:
                    facts += [self._resuming(fact, failure) for fact in reader.turn.fail(failure)]
                return facts
            case "PostCompact":
                return [Fact("context.compacted", {"reason": text(payload, "trigger")})]
            case "SessionEnd":
                reader.turn.open = False
                return [*self._unanswered("expired"), *reader.leaves(text(payload, "reason") or "completed")]
            case _:
                return [] if name in _QUIET else None

    def _resuming(self, fact: Fact, failure: Failure) -> Fact:
        """Mark a limit after whose reset the agent goes on by itself."""
        if failure.meaning is Meaning.LIMIT and self._resumes and self._resumes.search(failure.message):
            return fact._replace(data={**fact.data, "retrying": True})
        return fact

    def _session(self, payload: Document, session: str) -> Facts:
        reader, source = self._reader, text(payload, "source")
        if source == "compact":
            return [*reader.named(session), Fact("context.compacted", {"reason": "compact"})]
        if source == "resume":
            reader.resumes(session)
        facts = reader.named(session, model=text(payload, "model"), permission_mode=text(payload, "permission_mode"))
        return [*facts, *reader.state("waiting_input", "hook")]

    def _before(self, payload: Document) -> Facts:
        tool, call = text(payload, "tool_name"), text(payload, "tool_use_id")
        return [tools.started(call, tool, tools.kind(tool), payload.get("tool_input"))]

    def _after(self, payload: Document, well: bool) -> Facts:
        tool, call, response = text(payload, "tool_name"), text(payload, "tool_use_id"), payload.get("tool_response")
        output = response if isinstance(response, str) else ""
        if isinstance(response, dict):
            output = text(response, "stdout") or block_text(response.get("content"))
            well = well and not flag(response, "interrupted")
        facts = self._unanswered("granted", payload)
        status = "completed" if well else "failed"
        return [*facts, tools.completed(call, tool, status, output or text(payload, "error"))]

    def _asked(self, payload: Document) -> Facts:
        tool, given = text(payload, "tool_name"), payload.get("tool_input")
        request, line = text(payload, "tool_use_id"), tools.line(given)
        facts = self._reader.approvals.ask(request, tool, tools.kind(tool), line, given, call=request)
        return facts + self._reader.state("waiting_approval", "hook")

    def _notified(self, payload: Document) -> Facts:
        match text(payload, "notification_type"):
            case "idle_prompt":
                return self._reader.state("idle", "hook")
            case "permission_prompt":
                return self._reader.state("waiting_approval", "hook")
            case "elicitation_dialog":
                return [Fact("input.requested", {"question": text(payload, "message"), "options": []})]
            case _:
                return []

    def _said(self) -> Facts:
        said = self._reader.turn.said
        return [Fact("message.assistant", {"text": said})] if said else []

    def _unanswered(self, outcome: str, used: Document | None = None) -> Facts:
        """End what was answered in the agent's own window: a tool that ran was granted, one at a turn's end was not."""
        approvals, facts = self._reader.approvals, []
        for request in approvals.waiting():
            asked = approvals.asked(request) or {}
            if used is None or _same(asked, used):
                facts += approvals.end(request, outcome, "human")
        if facts:
            facts += self._reader.state("working", "hook")
        return facts


def _same(asked: dict[str, Any], used: Document) -> bool:
    """Return whether the tool that was *used* is the one that was *asked* for (codex adds a description to it)."""
    given = used.get("tool_input")
    return bool(asked.get("tool") == used.get("tool_name") and tools.line(asked.get("input")) == tools.line(given))
