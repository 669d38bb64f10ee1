"""``WAITING-UNTIL: <ISO 8601>``: the time an agent says it will wait for, as the last line of its message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loops.protocol.moment import epoch_of, iso

_PREFIX = "WAITING-UNTIL:"
_WHOLE = re.compile(
    r"WAITING-UNTIL: (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))", re.ASCII
)
_BULLETS = " \t●⏺•│┃|>⎿"
"""What terminal programs draw left of an agent's words."""


def waiting_until(message: str) -> float | None:
    """Epoch seconds from the last line of an agent's final *message*; None when that line is anything else."""
    tail = message[-4096:].rstrip()
    return _read(tail[tail.rfind("\n") + 1 :].strip())


def newest_waiting(lines: Sequence[str]) -> float | None:
    """Epoch seconds from the newest marker on a screen (*lines* top to bottom).

    A broken newest marker gives None: an older one above it says nothing about now.
    """
    for line in reversed(lines):
        text = line.strip(_BULLETS)
        if text.startswith(_PREFIX):
            return _read(text)
    return None


def write_waiting(epoch: float) -> str:
    """The line an agent ends its message with."""
    return f"{_PREFIX} {iso(epoch)}"


def _read(line: str) -> float | None:
    found = _WHOLE.fullmatch(line)
    return epoch_of(found[1]) if found else None
