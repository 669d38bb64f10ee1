"""pi."""

from __future__ import annotations

from loops.known.model import Known

_GATE = ".pi/agent/loops/pi_gate.ts"
"""In the private home, where a sandbox shows it, and not among the extensions that pi finds by itself."""

KNOWN = Known(
    name="pi",
    package="@mariozechner/pi-coding-agent",
    bin="pi",
    tested=("0.73.1",),
    headless=("--mode", "rpc"),
    tui=(),
    model=("--model", "{model}"),
    effort=("--thinking", "{effort}"),
    resume=("--session", "{id}"),
    permissions={
        "read": ("--tools", "read,grep,find,ls"),
        "ask": ("-e", "{home}/" + _GATE, "--loops-gate", "ask"),
        "edits": ("-e", "{home}/" + _GATE, "--loops-gate", "edits"),
        "skip": (),
    },
    env={
        "PI_CODING_AGENT_DIR": "{home}/.pi/agent",
        "PI_CODING_AGENT_SESSION_DIR": "{home}/.pi/agent/sessions/loops",
        "PI_OFFLINE": "1",
        "PI_TELEMETRY": "0",
    },
    files={"runner/pi_gate.ts": _GATE},
    login={".pi/agent/auth.json": ".pi/agent/auth.json"},
)
