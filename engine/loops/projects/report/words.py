"""Words for people: untrusted text made harmless, times, and the part of the life that an event belongs to."""

from __future__ import annotations

from datetime import UTC, datetime

from loops.supervisor import events as ev

CLIP = 240
"""Characters of one text from outside that are shown."""


def shown(text: object, limit: int = CLIP) -> str:
    """Return *text* on one line, bounded, and with nothing in it that a terminal or a bidirectional layout would obey."""
    line = " ".join(harmless(str(text)[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless(text: str) -> str:
    """Return *text* with every character that could be obeyed as a picture of itself, and every blank as a space."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in _BLANKS else _picture(c) for c in text)


_BLANKS = "\t\n\r\xa0\u2007\u202f"


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "�"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: ``0.4 s``, ``1 min 5 s``, ``3 d 4 h``."""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def stamp(at: float) -> str:
    """Return a moment in UTC, to the second."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"


SILENT = (ev.SignalsRead, ev.EvidenceTaken, ev.TurnGoesOn, ev.WakeScheduled, ev.UsageUpdated, ev.TokensMeasured)
"""Bookkeeping: in the journal, but no event in the life of a project."""


def group(event: ev.Event) -> str:
    """The part of the life that the event belongs to."""
    first = event.type.split(".", 1)[0]
    return _GROUPS.get(first, "supervisor")


_GROUPS = {
    "session": "sessions",
    "turn": "turns",
    "stall": "sessions",
    "limit": "limits",
    "budget": "limits",
    "nudge": "nudges",
    "wake": "nudges",
    "approval": "turns",
    "commit": "handoff",
    "check": "handoff",
    "done": "handoff",
    "phase": "handoff",
    "sequence": "handoff",
    "history": "handoff",
}
