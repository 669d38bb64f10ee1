"""What an error of opencode means, and until when: its own name for it, else the provider's words."""

from __future__ import annotations

import json

from loops.known.model import Meaning
from loops.streams.reading import Document, epoch, first_text, table, text, whole
from loops.streams.texts import Failure, Texts

ERRORS = {
    "ProviderAuthError": Meaning.AUTH,
    "ContextOverflowError": Meaning.CONTEXT,
    "MessageOutputLengthError": Meaning.TRUNCATED,
    "ProviderModelNotFoundError": Meaning.MODEL,
    "FreeUsageLimitError": Meaning.LIMIT,
    "GoUsageLimitError": Meaning.LIMIT,
}


def failure_of(texts: Texts, error: Document, now: float) -> Failure:
    """Return what ``{"name", "data"}`` means."""
    data, name = table(error, "data"), text(error, "name")
    message = first_text(data, "message") or first_text(error, "message") or name
    status, body = whole(data, "statusCode"), text(data, "responseBody")
    named = ERRORS.get(name) or texts.meaning(message) or texts.meaning(body)
    resets = _resets(table(data, "responseHeaders"), body, now) if named is Meaning.LIMIT else None
    return texts.failure(message, now, named=named, status=status, resets_at=resets)


def _resets(headers: Document, body: str, now: float) -> float | None:
    """Return the reset time that a provider's response names."""
    for name in ("anthropic-ratelimit-unified-reset", "x-ratelimit-reset"):
        value = text(headers, name)
        if value.isascii() and value.isdigit() and (found := epoch(int(value[:14]))) is not None:
            return found
    try:
        document = json.loads(body) if body.startswith("{") else {}
    except (ValueError, RecursionError):
        document = {}
    error = table(document, "error")
    if (found := epoch(error.get("resets_at"))) is not None:
        return found
    wait = text(headers, "retry-after")
    return now + int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 8 else None
