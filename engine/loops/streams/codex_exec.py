"""The events of ``codex exec --json``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loops.streams import codex_items, tools
from loops.streams.event import Fact
from loops.streams.reading import Document, count, rows, table, text, whole
from loops.streams.turn import retry
from loops.streams.usage import NONE, Tokens, used

if TYPE_CHECKING:
    from loops.streams.codex import Codex
    from loops.streams.reader import Facts

_ATTEMPT = re.compile(r"Reconnecting\.\.\.(?: (\d{1,6})/(\d{1,6}))?")
_TOOLS = {
    "command_execution": "exec_command",
    "file_change": "apply_patch",
    "mcp_tool_call": "mcp",
    "web_search": "web_search",
    "collab_tool_call": "collab",
}
_STATUS = {"completed": "completed", "declined": "declined"}


class Exec:
    """The reader of one run's ``exec --json``."""

    def __init__(self, codex: Codex) -> None:
        self._codex = codex
        self._total = NONE

    def read(self, document: Document, now: float) -> Facts | None:
        """Read one line."""
        codex = self._codex
        match document.get("type"):
            case "thread.started":
                return codex.named(text(document, "thread_id"))
            case "turn.started":
                return codex.turn.begin_itself()
            case "turn.completed":
                return self._usage(table(document, "usage")) + codex.turn.begin_itself() + codex.turn.complete()
            case "turn.failed":
                failure = codex.failure(table(document, "error"), now)
                return codex.turn.begin_itself() + codex.turn.fail(failure)
            case "error":
                return self._error(text(document, "message"), now)
            case "item.started":
                return self._started(table(document, "item"))
            case "item.completed":
                return self._completed(table(document, "item"))
            case "item.updated":
                item = table(document, "item")
                return self._todo(item) if item.get("type") == "todo_list" else []
            case _:
                return None

    def _usage(self, usage: Document) -> Facts:
        total = Tokens(
            count(usage, "input_tokens"),
            count(usage, "output_tokens"),
            count(usage, "cached_input_tokens"),
            count(usage, "cache_write_input_tokens"),
            count(usage, "reasoning_output_tokens"),
        )
        new, self._total = total.less(self._total), total
        return [used(new, scope="invocation")] if new.some() else []

    def _error(self, message: str, now: float) -> Facts:
        codex = self._codex
        failure = codex.failure({"message": message}, now)
        if not _ATTEMPT.match(message):
            return codex.fails(failure)
        attempt, most = attempts(message)
        codex.turn.failure = failure
        return [retry(failure, attempt=attempt, most=most), *codex.state("retrying")]

    def _started(self, item: Document) -> Facts:
        tool = _TOOLS.get(text(item, "type"))
        if tool is None:
            return self._todo(item) if item.get("type") == "todo_list" else []
        tool = self._name(item, tool)
        given = {name: item[name] for name in ("command", "query", "arguments") if item.get(name)}
        return [tools.started(text(item, "id"), tool, tools.kind(tool), given)]

    def _completed(self, item: Document) -> Facts:
        kind, codex = text(item, "type"), self._codex
        if tool := _TOOLS.get(kind):
            return self._ended(item, self._name(item, tool))
        match kind:
            case "agent_message":
                said = text(item, "text")
                codex.turn.says(said)
                return [*codex.goes_on(), Fact("message.assistant", {"text": said, "message_id": text(item, "id")})]
            case "reasoning":
                return [Fact("message.reasoning", {"text": text(item, "text"), "message_id": text(item, "id")})]
            case "todo_list":
                return self._todo(item)
            case "error":
                return [Fact("warning", {"class": "other", "message": text(item, "message")})]
            case _:
                return [Fact("backend.unmapped", {"raw_type": f"item/{kind}"[:200]})]

    def _ended(self, item: Document, tool: str) -> Facts:
        call, status = text(item, "id"), text(item, "status")
        done = tools.completed(
            call,
            tool,
            _STATUS.get(status, "failed" if status else "completed"),
            text(item, "aggregated_output"),
            exit_code=whole(item, "exit_code"),
        )
        if status != "completed":
            return [done]
        return [done, *(codex_items.changed(change, call, None) for change in rows(item, "changes"))]

    def _todo(self, item: Document) -> Facts:
        items = [
            {"text": text(row, "text"), "status": "completed" if row.get("completed") is True else "pending"}
            for row in rows(item, "items")
        ]
        return [Fact("plan.updated", {"items": items})]

    def _name(self, item: Document, tool: str) -> str:
        if tool != "mcp":
            return tool
        server = text(item, "server")
        return f"{server}.{text(item, 'tool')}" if server else tool


def attempts(message: str) -> tuple[int | None, int | None]:
    """Return the attempt and the most of them that ``Reconnecting... 2/5`` names."""
    found = _ATTEMPT.search(message)
    return (int(found[1]), int(found[2])) if found and found[1] else (None, None)
