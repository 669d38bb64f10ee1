"""One line of a protocol that speaks JSON: read without ever raising, written so that every reader takes it."""

from __future__ import annotations

import json
from typing import Any


def read(line: bytes) -> dict[str, Any] | None:
    """Return the object on *line*; None when the line is anything else, torn or no text at all."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write(message: dict[str, Any]) -> bytes:
    """Return *message* as one line of ASCII."""
    return json.dumps(message, separators=(",", ":")).encode()


def said(text: str) -> str:
    """Return *text* without lone surrogates (bytes of a terminal that were no UTF-8): strict readers refuse them."""
    return text.encode("utf-8", "replace").decode()


def part(message: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the object found below *names*; an empty one when a step is missing or is no object."""
    found: Any = message
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def text(message: dict[str, Any], name: str) -> str:
    """Return the text called *name*; empty when it is missing or is no text."""
    found = message.get(name)
    return found if isinstance(found, str) else ""
