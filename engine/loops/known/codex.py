"""OpenAI Codex."""

from __future__ import annotations

from loops.known.codex_texts import TEXTS
from loops.known.model import Known

KNOWN = Known(
    name="codex",
    package="@openai/codex",
    bin="codex",
    tested=("0.169.0",),
    headless=("app-server",),
    tui=("--no-alt-screen", "--no-daemon"),
    own_permission_flags=("--dangerously-bypass-approvals-and-sandbox",),
    texts=TEXTS,
)
