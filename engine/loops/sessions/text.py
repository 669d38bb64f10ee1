"""Text of others, made safe for a terminal.  Standard library only and small: programs that must start at once import it."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[ -/]*[0-~]?)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Return *text* without escapes and control characters (so it cannot end its own paste), lines ended by ``\\n``."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")


def printable(text: str) -> str:
    """Return *text* as one line, without what would act on a terminal: agents write commit subjects, questions and limit texts."""
    return "".join(c if c.isprintable() else "?" for c in text)
