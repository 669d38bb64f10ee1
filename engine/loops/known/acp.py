"""Any agent that speaks the Agent Client Protocol, version 1."""

from __future__ import annotations

from loops.known.model import Known

KNOWN = Known(
    name="acp",
    package="",
    bin="",
    tested=(),
    headless=(),
    tui=(),
)
