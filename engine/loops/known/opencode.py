"""opencode."""

from __future__ import annotations

from loops.known.model import Known
from loops.known.opencode_texts import TEXTS

KNOWN = Known(
    name="opencode",
    package="opencode-ai",
    bin="opencode",
    tested=("1.18.33",),
    headless=("serve",),
    tui=("attach",),
    texts=TEXTS,
)
