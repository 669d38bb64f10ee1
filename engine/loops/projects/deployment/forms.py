"""Whose agents.toml a file is: both engines may read it, but the state beside it, or the keys in it, are one's alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from loops.config import rules
from loops.config.model import Config
from loops.config.problems import DocPath
from loops.places import State
from loops.projects.deployment.model import Form

TIMES = ("signal_interval", "heavy_interval", "limit_probe_fallback", "limit_reset_slack", "stall_grace")
"""Of ``[watchdog]``, those of the earlier engine's format."""
SETTINGS = (
    *("bin", "flags", "prompt_delivery", "process_name", "submit_key", "stall_idle", "active_re", "limit_re"),
    *("fatal_re", "remote_control", "supports_resume", "preamble"),
)
"""Of a backend, those of the earlier engine's format."""
_MEMBER = {"name", "session", "dir", "enabled", "watch"}
_ENGINE: Mapping[str, set[str]] = {
    "defaults": {"session_prefix", "log_dir", "backend", "model", "watch"},
    "watchdog": {*TIMES, "log_tokens", "token_granularity"},
    "backend": set(SETTINGS),
    "agent": {*_MEMBER, "kind", "role", "backend", "model", "resume", "prompt_file", "wake"},
    "service": {*_MEMBER, "command", "env"},
    "loop": {
        "kickoff_template",
        "roles_dir",
        "phases",
        "done_marker",
        "done_nudge",
        "log_tokens",
        "handoff",
        "on_complete",
    },
    "phases": {"id", "plan", "status", "models"},
}


def is_ours(config: Config) -> bool:
    """Whether this engine has run the project, or has staged it."""
    beside = os.path.join(config.root, "migration.json")
    return os.path.isdir(State(config.log_dir).journal) or os.path.isfile(beside)


def form(config: Config, strange: Collection[DocPath] = ()) -> Form:
    """Tell whose file *config* was loaded from.  *strange*: places in it that were passed over."""
    import tomli

    if is_ours(config):
        return Form.LOOPS
    if os.path.lexists(os.path.join(config.log_dir, "state", "phase-idx")):
        return Form.ENGINE
    with open(config.path, "rb") as file:
        document = tomli.loads(file.read().decode("utf-8-sig").replace("\r\n", "\n"))
    return Form.ENGINE if _keys_are_engines(rules.without(document, strange)) else Form.LOOPS


def _keys_are_engines(document: Mapping[str, Any]) -> bool:
    tables = {**document, "phases": document.get("loop", {}).get("phases", [])}
    for name, value in tables.items():
        known = _ENGINE.get(name)
        if known is None:
            return False
        inner = value if isinstance(value, list) else value.values() if name == "backend" else [value]
        if any(set(each) - known for each in inner):
            return False
    return True
