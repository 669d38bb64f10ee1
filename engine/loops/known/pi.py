"""pi."""

from __future__ import annotations

from loops.known.model import Known
from loops.known.pi_texts import TEXTS

KNOWN = Known(
    name="pi",
    package="@mariozechner/pi-coding-agent",
    bin="pi",
    tested=("0.73.1",),
    headless=("--mode", "rpc"),
    tui=(),
    texts=TEXTS,
)
