"""OpenAI Codex."""

from __future__ import annotations

from loops.known.model import Dialog, Known, Seed

KNOWN = Known(
    name="codex",
    package="@openai/codex",
    bin="codex",
    tested=("0.169.0",),
    headless=("app-server",),
    tui=(
        *("--no-alt-screen", "--no-daemon", "--dangerously-bypass-hook-trust"),
        *("-c", "check_for_update_on_startup=false", "-c", "tui.screen_reader_detection_done=true"),
    ),
    own_permission_flags=("--dangerously-bypass-approvals-and-sandbox",),
    env={"CODEX_HOME": "{home}/.codex"},
    login={".codex/auth.json": ".codex/auth.json"},
    keys=("OPENAI_API_KEY", "CODEX_API_KEY"),
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
