"""opencode."""

from __future__ import annotations

import json
from collections.abc import Mapping

from loops.known.model import Dialog, Known
from loops.known.opencode_texts import TEXTS

USER = "opencode"
SERVER_USER = "OPENCODE_SERVER_USERNAME"
SERVER_PASSWORD = "OPENCODE_SERVER_PASSWORD"
"""Variables by which the server knows who may speak to it."""
HEALTH = "/global/health"
EVENTS = "/event"
LISTENING = rb"listening on http://[^/\s]*:(\d+)"
"""What the server prints when it has its port (1.18.33 [run]): so no two servers can be given the same one."""

_NEVER = {"question": "deny", "plan_enter": "deny", "plan_exit": "deny"}
"""Nobody sits there to answer; what must be asked is asked as an approval."""
_Rules = dict[str, str | dict[str, str]]


def _looks(secrets: str) -> _Rules:
    """What only looks; *secrets*: what happens to files that hold them, as opencode's own defaults name them."""
    read = {"*": "allow", "*.env": secrets, "*.env.*": secrets, "*.env.example": "allow"}
    return {**dict.fromkeys(("grep", "glob", "list", "lsp", "skill", "todowrite"), "allow"), "read": read}


_PERMISSIONS: Mapping[str, _Rules] = {
    "read": {"*": "deny", **_looks("deny")},
    "ask": {"*": "ask", **_looks("ask")},
    "edits": {"*": "ask", **_looks("ask"), "edit": "allow"},
    "skip": {"*": "allow"},
}


KNOWN = Known(
    name="opencode",
    package="opencode-ai",
    bin="opencode",
    tested=("1.18.33",),
    headless=("serve", "--hostname", "127.0.0.1", "--port", "0"),
    tui=("attach", "{url}", "--dir", "{directory}", "--session", "{id}"),
    texts=TEXTS,
    # Read after every file, so that the user's own configuration stays whole; rules are searched from the last one.
    permission_env={
        name: {"OPENCODE_PERMISSION": json.dumps({**rules, **_NEVER})} for name, rules in _PERMISSIONS.items()
    },
    heartbeat=b'"type":"server.heartbeat"',
    env={
        "XDG_CONFIG_HOME": "{home}/.config",
        "XDG_DATA_HOME": "{home}/.local/share",
        "XDG_STATE_HOME": "{home}/.local/state",
        "XDG_CACHE_HOME": "{home}/.cache",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_SHARE": "1",
    },
    login={".local/share/opencode/auth.json": ".local/share/opencode/auth.json"},
    keys=("OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"),
    ready=r"Ask anything",
    dialogs=(Dialog("update", r"Update Available", "OPENCODE_DISABLE_AUTOUPDATE", "1.18.33 [bin]"),),
    costs=("headless", "tui"),
)
