"""What is known, by the name of the backend."""

from __future__ import annotations

from collections.abc import Mapping

from loops.known import acp, claude, codex, opencode, pi
from loops.known.model import Known

KNOWN: Mapping[str, Known] = {
    known.name: known for known in (claude.KNOWN, codex.KNOWN, opencode.KNOWN, pi.KNOWN, acp.KNOWN)
}
