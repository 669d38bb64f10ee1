"""Anthropic Messages: ``POST .../v1/messages``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from loops.projects.mock_llm import wire
from loops.projects.mock_llm.openai_errors import RETRY_SOON
from loops.projects.mock_llm.wire import Answer, Cause, Event, Heard, Json, Refusal, Reply, Request, Wire, fresh_id

_USAGE: Json = {
    "input_tokens": wire.TOKENS_IN - wire.TOKENS_CACHED,  # without what the cache held
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": wire.TOKENS_CACHED,
    "output_tokens": 1,
}
_USAGE_AT_THE_END: Json = {**_USAGE, "output_tokens": wire.TOKENS_OUT}

_ERRORS = {
    Cause.REQUEST: (400, "invalid_request_error", "mock: this request is refused, whatever it says"),
    Cause.KEY: (401, "authentication_error", "invalid x-api-key"),
    Cause.RIGHT: (403, "permission_error", "Your account does not have access to this resource"),
    Cause.MODEL: (404, "not_found_error", "model: {model}"),
    Cause.RATE: (
        429,
        "rate_limit_error",
        "Number of request tokens has exceeded your per-minute rate limit",
    ),
    Cause.SERVER: (500, "api_error", "Internal server error"),
    Cause.BUSY: (503, "api_error", "Service Unavailable"),
    Cause.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Cause.LIMIT: (
        429,
        "rate_limit_error",
        "This request would exceed your account's rate limit. Please try again later.",
    ),
    Cause.BILLING: (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits.",
    ),
    Cause.CONTEXT: (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
}


def read(body: Json) -> Request:
    """Read a request."""
    heard: list[Heard] = []
    for message in wire.objects(body.get("messages")):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else wire.objects(content):
            if block.get("type") == "tool_result":
                heard += wire.from_tool(block.get("content"))
            elif block.get("type") == "text":
                heard += wire.from_user(str(block.get("text", "")))
    model = str(body.get("model") or "mock-model")
    return Request(model, bool(body.get("stream")), wire.tools_of(body.get("tools")), tuple(heard))


def _message(reply: Reply) -> Json:
    return {
        "id": fresh_id("msg_mock"),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _USAGE,
    }


def _block(reply: Reply) -> tuple[Json, str]:
    """The only block of the answer, and why the answer stops."""
    if reply.call is None:
        return {"type": "text", "text": reply.text}, "end_turn"
    arguments = dict(reply.call.arguments)
    return {"type": "tool_use", "id": fresh_id("toolu_mock"), "name": reply.call.tool, "input": arguments}, "tool_use"


def whole(reply: Reply) -> Json:
    """The answer in one piece."""
    block, stop = _block(reply)
    return {**_message(reply), "content": [block], "stop_reason": stop, "usage": _USAGE_AT_THE_END}


def stream(reply: Reply) -> Sequence[Event]:
    """The answer as events."""
    block, stop = _block(reply)
    if reply.call is None:
        empty: Json = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in wire.halves(reply.text)]
    else:
        empty = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    facts: list[Json] = [
        {"type": "message_start", "message": _message(reply)},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": _USAGE_AT_THE_END,
        },
        {"type": "message_stop"},
    ]
    return [Event(each, str(each["type"])) for each in facts]


def refuse(refusal: Refusal) -> Answer:
    """The error; a plan's limit is told by headers."""
    status, kind, message = _ERRORS[refusal.cause]
    error = {"type": kind, "message": message.replace("{model}", refusal.model)}
    headers: tuple[tuple[str, str], ...] = RETRY_SOON if refusal.cause is Cause.RATE else ()
    if refusal.cause is Cause.LIMIT:
        headers = _limit_headers(refusal)
    return Answer(status, {"type": "error", "error": error, "request_id": fresh_id("req_mock")}, headers)


def _limit_headers(refusal: Refusal) -> tuple[tuple[str, str], ...]:
    unified = {
        "status": "rejected",
        "reset": str(refusal.resets_at),
        "representative-claim": "five_hour",
        "5h-status": "rejected",
        "5h-reset": str(refusal.resets_at),
        "5h-utilization": "1.0",
        "overage-status": "rejected",
        "overage-disabled-reason": "org_level_disabled",
    }
    wait = str(max(0, refusal.resets_at - refusal.now))
    return (*((f"anthropic-ratelimit-unified-{key}", value) for key, value in unified.items()), ("Retry-After", wait))


WIRE = Wire("messages", "messages", read, whole, stream, 1, refuse)
