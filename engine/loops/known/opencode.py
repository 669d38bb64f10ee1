"""opencode."""

from __future__ import annotations

from loops.known.model import Dialog, Known

KNOWN = Known(
    name="opencode",
    package="opencode-ai",
    bin="opencode",
    tested=("1.18.33",),
    headless=("serve",),
    tui=("attach",),
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
    dialogs=(Dialog("update", r"Update Available", "OPENCODE_DISABLE_AUTOUPDATE", "1.18.33 [bin]"),),
)
