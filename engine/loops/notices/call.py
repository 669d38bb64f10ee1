"""How the sending process is started, and its answer read."""

from __future__ import annotations

import sys

from loops.notices.order import Outcome, decode_outcomes

COMMAND = (sys.executable, "-P", "-m", "loops.notices")
PATIENCE = 60.0
"""Seconds for the process, which gives up its channels somewhat sooner by itself."""


def outcomes(code: int, output: bytes) -> tuple[Outcome, ...] | None:
    """Return what became of the message by channel; None: the process broke off, and nobody knows."""
    if code != 0:
        return None
    try:
        return decode_outcomes(output)
    except (ValueError, TypeError, AttributeError):
        return None
