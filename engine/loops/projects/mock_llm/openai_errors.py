"""How the two OpenAI formats refuse a request."""

from __future__ import annotations

from typing import NamedTuple

from loops.projects.mock_llm.wire import Answer, Cause, Json, Refusal


class _Error(NamedTuple):
    status: int
    type: str
    code: str | None
    message: str


_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
_ERRORS = {
    Cause.REQUEST: _Error(400, "invalid_request_error", None, "mock: this request is refused, whatever it says"),
    Cause.KEY: _Error(
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided: mock. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    Cause.RIGHT: _Error(403, "invalid_request_error", "permission_denied", "You do not have access to this resource."),
    Cause.MODEL: _Error(
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    Cause.RATE: _Error(
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} in organization org-mock on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in 1s.",
    ),
    Cause.SERVER: _Error(
        500, "server_error", None, "The server had an error while processing your request. Sorry about that!"
    ),
    Cause.BUSY: _Error(503, "server_error", None, "The engine is currently overloaded, please try again later"),
    Cause.OVERLOADED: _Error(529, "server_error", None, "Overloaded"),
    Cause.LIMIT: _Error(429, "insufficient_quota", "insufficient_quota", _QUOTA),
    Cause.BILLING: _Error(429, "insufficient_quota", "insufficient_quota", _QUOTA),
    Cause.CONTEXT: _Error(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
}
RETRY_SOON = (("Retry-After", "1"),)


def refuse(refusal: Refusal) -> Answer:
    """The error of either format; a plan's limit has no form of its own in Chat Completions."""
    error = _ERRORS[refusal.cause]
    message = error.message.replace("{model}", refusal.model)
    body: Json = {"error": {"message": message, "type": error.type, "param": None, "code": error.code}}
    return Answer(error.status, body, RETRY_SOON if refusal.cause is Cause.RATE else ())


def refuse_with_reset(refusal: Refusal) -> Answer:
    """The same, with the limit of a ChatGPT plan as codex gets it."""
    if refusal.cause is not Cause.LIMIT:
        return refuse(refusal)
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": refusal.resets_at,
        "resets_in_seconds": max(0, refusal.resets_at - refusal.now),
    }
    return Answer(429, {"error": error})
