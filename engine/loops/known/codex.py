"""OpenAI Codex."""

from __future__ import annotations

from collections.abc import Mapping

from loops.known.model import Known

CLIENT = {"name": "loops", "title": "loops", "version": "1"}
"""Who we are to the app-server (``initialize``)."""

POLICIES: Mapping[str, Mapping[str, str]] = {
    "read": {"approvalPolicy": "never", "sandbox": "read-only"},
    "ask": {"approvalPolicy": "untrusted", "sandbox": "workspace-write"},
    "edits": {"approvalPolicy": "on-request", "sandbox": "workspace-write"},
    "skip": {"approvalPolicy": "never", "sandbox": "danger-full-access"},
}
"""Members of ``thread/start`` and ``thread/resume``, by `loops.config.model.Permissions` value (0.169.0 [run])."""

KNOWN = Known(
    name="codex",
    package="@openai/codex",
    bin="codex",
    tested=("0.169.0",),
    headless=("app-server",),
    tui=("--no-alt-screen", "--no-daemon"),
    own_permission_flags=("--dangerously-bypass-approvals-and-sandbox",),
    # A sandboxed codex refuses a home below /tmp, and then fails every command without a word.
    env={"CODEX_HOME": "{home}/.codex"},
    login={".codex/auth.json": ".codex/auth.json"},
)
