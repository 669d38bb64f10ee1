"""Which of an agent's tools runs a shell command, and how it wants to be called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loops.projects.mock_llm.wire import Call, Tool

_SHELLS = ("exec_command", "shell_command", "shell", "local_shell", "container.exec", "bash", "Bash")
_FILLED = {
    "string": "as the task says",
    "number": 10000,
    "integer": 10000,
    "boolean": False,
    "array": [],
    "object": {},
}


def shell_call(tools: Sequence[Tool], command: str) -> Call | None:
    """Call the first shell among *tools* with *command*; None when there is none."""
    for name in _SHELLS:
        for tool in tools:
            if tool.name == name:
                return Call(name, _arguments(tool.schema, command))
    for tool in tools:
        if tool.freeform and tool.name == "exec":  # codex' "code mode": one tool that takes JavaScript
            run = f"const r = await tools.exec_command({{cmd: {json.dumps(command)}}}); text(JSON.stringify(r));"
            return Call(tool.name, source=run)
    return None


def escalated(call: Call) -> Call:
    """The same call, asking to leave the sandbox; only codex' tool knows how."""
    if call.tool != "exec_command":
        return call
    asks = {"sandbox_permissions": "require_escalated", "justification": "May I run this outside the sandbox?"}
    return Call(call.tool, {**call.arguments, **asks})


def _arguments(schema: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    declared = schema.get("properties")
    properties: Mapping[str, Any] = declared if isinstance(declared, dict) else {}
    key = next((each for each in ("cmd", "command") if each in properties), "command")
    arguments: dict[str, Any] = {
        key: ["bash", "-lc", command] if _type(properties, key) == "array" else command,
    }
    for required in schema.get("required") or ():
        arguments.setdefault(required, _FILLED.get(_type(properties, required), ""))
    return arguments


def _type(properties: Mapping[str, Any], key: str) -> str:
    facts = properties.get(key)
    return str(facts.get("type")) if isinstance(facts, dict) else ""
