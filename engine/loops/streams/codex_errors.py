"""What an error of codex means."""

from __future__ import annotations

from loops.known.model import Meaning
from loops.streams.reading import Document, first_text, table, text, whole
from loops.streams.texts import Failure, Texts

_ERRORS = {
    "usageLimitExceeded": Meaning.LIMIT,
    "sessionBudgetExceeded": Meaning.LIMIT,
    "rateLimitExceeded": Meaning.RATE,
    "flexUnavailable": Meaning.PROVIDER,
    "serverOverloaded": Meaning.PROVIDER,
    "policyCapacityUnavailable": Meaning.PROVIDER,
    "internalServerError": Meaning.PROVIDER,
    "modelNotFound": Meaning.MODEL,
    "unauthorized": Meaning.AUTH,
    "contextWindowExceeded": Meaning.CONTEXT,
    "tooManyDenials": Meaning.DENIED,
    "httpConnectionFailed": Meaning.PROVIDER,
    "responseStreamConnectionFailed": Meaning.PROVIDER,
    "responseStreamDisconnected": Meaning.TRUNCATED,
    "responseTooManyFailedAttempts": Meaning.PROVIDER,
}
_VAGUE = (Meaning.PROVIDER, Meaning.TRUNCATED, Meaning.LIMIT)
"""What these names say may have its cause elsewhere: a status, or words, tell more."""


def failure(texts: Texts, error: Document, now: float, resets_at: float | None) -> Failure:
    """Return what a ``TurnError`` (also in the rollout's spelling) means; *resets_at*: of the usage window."""
    named, status = _info(error)
    meaning = _ERRORS.get(_camel(named))
    message, details = first_text(error, "message", "additionalDetails"), text(error, "additionalDetails")
    if details and details != message:
        message = f"{message} ({details})"
    if meaning in _VAGUE:
        meaning = texts.meaning(message) or (None if status and status < 500 else meaning)
    resets = resets_at if meaning is Meaning.LIMIT else None
    return texts.failure(message, now, named=meaning, status=status, resets_at=resets)


def _info(error: Document) -> tuple[str, int | None]:
    """Return the name of a ``CodexErrorInfo``, and the HTTP status that some of them hold."""
    info = error.get("codexErrorInfo", error.get("codex_error_info"))
    if isinstance(info, str):
        return info, None
    if not isinstance(info, dict) or not info:
        return "", None
    named = str(next(iter(info)))
    held = table(info, named)
    return named, whole(held, "httpStatusCode") or whole(held, "http_status_code")


def _camel(name: str) -> str:
    """Return ``usage_limit_exceeded`` as ``usageLimitExceeded``."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
