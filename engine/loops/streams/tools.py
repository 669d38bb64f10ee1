"""Tools by what they do: the kinds of ACP."""

from __future__ import annotations

from typing import Any

from loops.streams.event import Fact

KINDS = {
    "bash": "execute",
    "shell": "execute",
    "exec_command": "execute",
    "bashoutput": "execute",
    "killshell": "execute",
    "read": "read",
    "notebookread": "read",
    "ls": "read",
    "list": "read",
    "view_image": "read",
    "edit": "edit",
    "multiedit": "edit",
    "notebookedit": "edit",
    "write": "edit",
    "patch": "edit",
    "apply_patch": "edit",
    "grep": "search",
    "glob": "search",
    "find": "search",
    "websearch": "search",
    "toolsearch": "search",
    "webfetch": "fetch",
    "fetch": "fetch",
    "task": "think",
    "todowrite": "think",
    "todoread": "think",
    "exitplanmode": "think",
}


def kind(tool: str) -> str:
    """Return the ACP kind of *tool*."""
    return KINDS.get(tool.lower(), "other")


def started(call: str, tool: str, kind_: str, given: Any, time: float | None = None) -> Fact:
    """Return the fact that a tool runs."""
    return Fact("tool.started", {"tool_call_id": call, "tool": tool, "kind": kind_, "input": given}, time)


def completed(
    call: str,
    tool: str,
    status: str,
    output: str | None = None,
    *,
    exit_code: int | None = None,
    duration_ms: float | None = None,
    time: float | None = None,
) -> Fact:
    """Return the fact that a tool ended; *status* is completed, failed or declined."""
    data: dict[str, Any] = {"tool_call_id": call, "tool": tool, "kind": kind(tool), "status": status}
    if output is not None:
        data["output"] = output
    if exit_code is not None:
        data["exit_code"] = exit_code
    if duration_ms is not None:
        data["duration_ms"] = duration_ms
    return Fact("tool.completed", data, time)


def line(given: Any) -> str:
    """Return one line that says what a tool is asked to do."""
    if isinstance(given, dict):
        for name in ("command", "file_path", "filePath", "path", "url", "pattern", "query", "description"):
            value = given.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
                return " ".join(value)
        return ", ".join(str(name) for name in list(given)[:10])
    return given if isinstance(given, str) else ""


def changed(tool: str, given: Any, call: str, status: str) -> list[Fact]:
    """Return the fact that a tool which edits has changed the file that its input names."""
    if status != "completed" or kind(tool) != "edit" or not isinstance(given, dict):
        return []
    for name in ("file_path", "path", "filePath", "notebook_path"):
        path = given.get(name)
        if isinstance(path, str) and path:
            return [Fact("file.changed", {"path": path, "change": "update", "tool_call_id": call})]
    return []
