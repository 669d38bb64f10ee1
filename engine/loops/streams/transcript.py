"""Where an agent keeps the record of a conversation, as its hooks name it."""

from __future__ import annotations

import json


def named(payload: bytes) -> str:
    """Return the ``transcript_path`` of a hook's payload; "" when it names none."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    path = document.get("transcript_path") if isinstance(document, dict) else None
    return path if isinstance(path, str) and path.startswith("/") else ""
