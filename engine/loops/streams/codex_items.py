"""The items of a codex turn: what it says, runs and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.reading import Document, block_text, number, rows, table, text, texts, whole

if TYPE_CHECKING:
    from loops.streams.reader import Facts, Reader

TOOLS = {
    "commandExecution": ("exec_command", "execute"),
    "fileChange": ("apply_patch", "edit"),
    "webSearch": ("web_search", "search"),
    "imageView": ("view_image", "read"),
    "imageGeneration": ("image_generation", "other"),
    "mcpToolCall": ("", "other"),
    "dynamicToolCall": ("", "other"),
    "collabAgentToolCall": ("", "think"),
}
_QUIET = frozenset({"hookPrompt", "functionCallOutput", "subAgentActivity", "sleep"})
_STATUS = {"completed": "completed", "declined": "declined", "inProgress": "completed"}
_CHANGES = {"add": "add", "delete": "delete", "update": "update"}


def started(reader: Reader, item: Document, elsewhere: bool, time: float | None) -> Facts:
    """Read ``item/started``: only tools are worth it, everything else is told when it is whole."""
    found = TOOLS.get(text(item, "type"))
    if found is None:
        return []
    call, tool, given = text(item, "id"), _name(item, found[0]), _input(item)
    reader.calls(call, tool, given)
    return [tools.started(call, tool, found[1], given, time)]


def completed(reader: Reader, item: Document, elsewhere: bool, time: float | None) -> Facts:
    """Read ``item/completed``."""
    kind = text(item, "type")
    if found := TOOLS.get(kind):
        reader.call_of(text(item, "id"))
        return _tool(item, _name(item, found[0]), time)
    match kind:
        case "agentMessage":
            said = text(item, "text")
            if not elsewhere:
                reader.turn.says(said)
            return [
                *reader.goes_on(time),
                Fact("message.assistant", {"text": said, "message_id": text(item, "id")}, time),
            ]
        case "userMessage":
            if reader.turn.open and not elsewhere:
                return []  # our own line said it
            return [Fact("message.user", {"text": block_text(item.get("content"))}, time)]
        case "reasoning":
            thought = "\n".join(texts(item, "summary") or texts(item, "content"))
            return [Fact("message.reasoning", {"text": thought, "message_id": text(item, "id")}, time)]
        case "plan":
            return [Fact("plan.updated", {"items": [{"text": text(item, "text")}]}, time)]
        case "contextCompaction":
            return [Fact("context.compacted", {"reason": "context window"}, time)]
        case "enteredReviewMode" | "exitedReviewMode":
            return []
        case _ if kind in _QUIET:
            return []
        case _:
            return [Fact("backend.unmapped", {"raw_type": f"item/{kind}"[:200]}, time)]


def _tool(item: Document, tool: str, time: float | None) -> Facts:
    call, status = text(item, "id"), text(item, "status")
    error = table(item, "error")
    output = text(item, "aggregatedOutput") or block_text(table(item, "result").get("content"))
    done = tools.completed(
        call,
        tool,
        _STATUS.get(status, "failed" if status or error else "completed"),
        output or text(error, "message"),
        exit_code=whole(item, "exitCode"),
        duration_ms=number(item, "durationMs"),
        time=time,
    )
    if status != "completed":
        return [done]
    return [done, *(changed(change, call, time) for change in rows(item, "changes"))]


def changed(change: Document, call: str, time: float | None) -> Fact:
    """Return the fact that a file was changed."""
    kind = change.get("kind")
    name = kind.get("type") if isinstance(kind, dict) else kind
    how = _CHANGES.get(name, "update") if isinstance(name, str) else "update"
    return Fact("file.changed", {"path": text(change, "path"), "change": how, "tool_call_id": call}, time)


def _name(item: Document, fixed: str) -> str:
    if fixed:
        return fixed
    server = text(item, "server") or text(item, "namespace")
    return f"{server}.{text(item, 'tool')}" if server else text(item, "tool")


def _input(item: Document) -> Any:
    found = {name: item[name] for name in ("command", "cwd", "query", "path", "prompt", "arguments") if item.get(name)}
    if changes := rows(item, "changes"):
        found["paths"] = [text(change, "path") for change in changes]
    return found
