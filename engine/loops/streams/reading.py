"""Fields of a foreign JSON document: of the kind that was expected, or nothing.  A wrong kind is as good as absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

_EMPTY: Document = {}
_from_iso = datetime.fromisoformat
LATEST = 253_402_300_799.0
"""The end of the year 9999: what lies beyond is no time."""


def text(document: Document, name: str) -> str:
    """Return the text *name*, else an empty one."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def first_text(document: Document, *names: str) -> str:
    """Return the first of *names* that is a text and not empty."""
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def table(document: Document, name: str) -> Document:
    """Return the object *name*, else an empty one (never to be changed)."""
    value = document.get(name)
    return value if isinstance(value, dict) else _EMPTY


def rows(document: Document, name: str) -> list[Document]:
    """Return the objects in the array *name*."""
    value = document.get(name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def texts(document: Document, name: str) -> list[str]:
    """Return the texts in the array *name*."""
    value = document.get(name)
    return [row for row in value if isinstance(row, str)] if isinstance(value, list) else []


def number(document: Document, name: str) -> float | None:
    """Return the finite number *name*."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -1e300 < value < 1e300 else None


def whole(document: Document, name: str) -> int | None:
    """Return the number *name* without its fraction."""
    value = number(document, name)
    return None if value is None else int(value)


def count(document: Document, name: str) -> int:
    """Return the number *name*, 0 when it is absent or less than that."""
    value = document.get(name)
    if value.__class__ is not int:
        value = whole(document, name) or 0
    return value if value > 0 else 0


def flag(document: Document, name: str) -> bool:
    """Return whether *name* is exactly true."""
    return document.get(name) is True


def identity(value: object) -> str:
    """Return the id of a request as text: JSON-RPC allows numbers."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else ""


def epoch(value: object) -> float | None:
    """Return a plausible time in epoch seconds from a number of seconds or milliseconds, or an ISO 8601 text."""
    if isinstance(value, str):
        return _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = value / 1000 if 1e11 < value < 1e14 else value
    return float(seconds) if 1e9 <= seconds <= 1e10 else None


def _iso(written: str) -> float | None:
    if not 19 <= len(written) <= 40:
        return None
    try:
        read = _from_iso(written)
        moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return moment if 0 <= moment <= LATEST else None


def block_text(content: object) -> str:
    """Return the text of a message's ``content``: a text itself, or blocks of which some are ``text``."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [
        block["text"]
        for block in content
        if isinstance(block, dict) and block.get("type") in _TEXTUAL and isinstance(block.get("text"), str)
    ]
    return parts[0] if len(parts) == 1 else "\n".join(parts)


_TEXTUAL = ("text", "input_text", "output_text")
