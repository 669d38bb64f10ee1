"""OpenAI Codex."""

from __future__ import annotations

from collections.abc import Mapping

from loops.known.codex_texts import TEXTS
from loops.known.model import Dialog, Known, Seed, Words

CLIENT = {"name": "loops", "title": "loops", "version": "1"}
"""Who we are to the app-server (``initialize``)."""

POLICIES: Mapping[str, Mapping[str, str]] = {
    "read": {"approvalPolicy": "never", "sandbox": "read-only"},
    "ask": {"approvalPolicy": "untrusted", "sandbox": "workspace-write"},
    "edits": {"approvalPolicy": "on-request", "sandbox": "workspace-write"},
    "skip": {"approvalPolicy": "never", "sandbox": "danger-full-access"},
}
"""Members of ``thread/start`` and ``thread/resume``, by `loops.config.model.Permissions` value (0.169.0 [run])."""

_PLAIN_SHELL = ("-c", "allow_login_shell=false")
"""A login shell reads /etc/profile, which forgets our PATH: then there is no `loops claim` (0.169.0 [run])."""

KNOWN = Known(
    name="codex",
    package="@openai/codex",
    bin="codex",
    tested=("0.169.0",),
    headless=("app-server", *_PLAIN_SHELL),
    tui=(
        *_PLAIN_SHELL,
        *("--no-alt-screen", "--no-daemon", "--dangerously-bypass-hook-trust"),
        *("-c", "check_for_update_on_startup=false", "-c", "tui.screen_reader_detection_done=true"),
    ),
    tui_words=Words(
        model=("-m", "{model}"),
        effort=("-c", "model_reasoning_effort={effort}"),
        resume=("resume", "{id}"),
        permissions={
            name: ("-a", policy["approvalPolicy"], "-s", policy["sandbox"])
            if name != "skip"
            else ("--dangerously-bypass-approvals-and-sandbox",)
            for name, policy in POLICIES.items()
        },
    ),
    own_permission_flags=("--dangerously-bypass-approvals-and-sandbox",),
    texts=TEXTS,
    # A sandboxed codex refuses a home below /tmp, and then fails every command without a word.
    env={"CODEX_HOME": "{home}/.codex"},
    login={".codex/auth.json": ".codex/auth.json"},
    keys=("OPENAI_API_KEY", "CODEX_API_KEY"),
    hooks=("SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop", "SessionEnd"),
    hooks_file=".codex/hooks.json",
    conversations=(".codex/sessions", "*/*/*/rollout-*-{id}.jsonl"),
    transcript="rollout",
    ready=r"^\u203a(?: Ask Codex to do anything)?\s*$",
    seeds=(
        Seed(
            name="trust",
            file=".codex/config.toml",
            at=("projects", "{directory}"),
            values={"trust_level": "trusted"},
            grants="trust the folder {directory}",
            seen="0.169.0 [run]",
        ),
    ),
    dialogs=(
        Dialog("trust", r"Trust this folder\? Codex can read", "trust", "0.169.0 [run]"),
        Dialog("hooks", r"Hooks need review", "--dangerously-bypass-hook-trust", "0.169.0 [run]"),
        Dialog("update", r"Update available!.*\n?.*Update now", "check_for_update_on_startup", "0.169.0 [src]"),
        Dialog("login", r"Sign in with ChatGPT", "", "0.169.0 [src]"),
    ),
)
