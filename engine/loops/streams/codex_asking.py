"""What codex asks leave for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.streams import tools
from loops.streams.codex_names import DECISIONS
from loops.streams.reading import Document, first_text, table, text, texts

if TYPE_CHECKING:
    from loops.streams.reader import Facts, Reader

_GIVEN = ("command", "cwd", "reason", "grantRoot", "fileChanges", "permissions")


def asked(reader: Reader, params: Document, time: float | None) -> Facts:
    """Read the params of a request for approval, with its ``method`` and, as ``request``, its id."""
    tool, call = _tool(text(params, "method")), first_text(params, "itemId", "callId")
    given = {name: params[name] for name in _GIVEN if params.get(name) is not None}
    _, started = reader.look_up(call)
    paths = texts(started, "paths") if isinstance(started, dict) else []
    paths = paths or list(table(params, "fileChanges"))
    if tool == "apply_patch" and paths:
        given["paths"] = paths
    line = tools.line(given) if tool == "exec_command" else ", ".join(paths)
    line = line or text(params, "reason") or ("more permissions" if tool == "permissions" else "change files")
    request, options = text(params, "request"), _options(params)
    return reader.approvals.ask(request, tool, tools.kind(tool), line, given, options, call, time)


def _tool(method: str) -> str:
    if "ommand" in method:
        return "exec_command"
    return "permissions" if "permissions" in method else "apply_patch"


def _options(params: Document) -> tuple[str, ...]:
    """Return in ACP's words what may be answered; an offer with details is named by its only key."""
    offered = params.get("availableDecisions")
    choices = offered if isinstance(offered, list) else []
    names = [next(iter(choice), "") if isinstance(choice, dict) else choice for choice in choices]
    known = dict.fromkeys(DECISIONS[name] for name in names if isinstance(name, str) and name in DECISIONS)
    return tuple(known) or ("allow_once", "reject_once")
