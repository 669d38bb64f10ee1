"""Any agent that speaks the Agent Client Protocol, version 1."""

from __future__ import annotations

from collections.abc import Mapping

from loops.known.model import Known
from loops.known.opencode_texts import TEXTS

CLIENT: Mapping[str, str] = {"name": "loops", "version": "1"}

_LOOKS = frozenset({"read", "search", "think"})
ALLOWED: Mapping[str, frozenset[str] | None] = {
    "read": _LOOKS,
    "ask": _LOOKS,
    "edits": _LOOKS | {"edit", "delete", "move"},
    "skip": None,
}
"""Kinds of tool calls (ACP's) that need nobody's approval, by `loops.config.model.Permissions` value; None: all."""
REFUSED: Mapping[str, bool] = {"read": True, "ask": False, "edits": False, "skip": False}
"""Whether all else is refused, rather than asked about."""

KNOWN = Known(
    name="acp",
    package="",
    bin="",
    tested=("1.18.33",),  # of opencode: ``command = ["opencode", "acp"]``
    headless=(),
    tui=(),
    texts=TEXTS,  # a provider's words, as an agent passes them on
    costs=("headless",),
)
