"""pi."""

from __future__ import annotations

from loops.known.model import Dialog, Known, Seed, Words
from loops.known.pi_texts import TEXTS

_GATE = ".pi/agent/loops/pi_gate.ts"
"""In the private home, where a sandbox shows it, and not among the extensions that pi finds by itself."""

_REPORT = ".pi/agent/loops/pi_report.ts"

KNOWN = Known(
    name="pi",
    package="@mariozechner/pi-coding-agent",
    bin="pi",
    tested=("0.73.1",),
    headless=("--mode", "rpc"),
    tui=("-e", "{home}/" + _REPORT),
    tui_words=Words(
        model=("--model", "{model}"),
        effort=("--thinking", "{effort}"),
        resume=("--session", "{id}"),
        permissions={
            "read": ("--tools", "read,grep,find,ls"),
            "ask": ("--loops-gate", "ask"),
            "edits": ("--loops-gate", "edits"),
        },
    ),
    texts=TEXTS,
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
        "PI_OFFLINE": "1",  # no downloads and no look for updates; the provider is asked all the same
        "PI_TELEMETRY": "0",
    },
    files={"runner/pi_gate.ts": _GATE, "runner/pi_report.ts": _REPORT},
    login={".pi/agent/auth.json": ".pi/agent/auth.json"},
    keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"),
    seeds=(
        Seed(
            name="trust",
            file=".pi/agent/trust.json",
            values={"{directory}": True},
            grants="trust the folder {directory}",
            seen="0.87.1 [run]; 0.73.1 does not ask",
        ),
    ),
    ready=r"^\d+\.\d%/\d+k\b",
    dialogs=(Dialog("trust", r"Trust project folder\?", "trust", "0.87.1 [run]"),),
    costs=("headless", "tui"),
)
