"""OpenAI Responses: ``POST .../v1/responses``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from loops.projects.mock_llm import wire
from loops.projects.mock_llm.openai_errors import refuse_with_reset
from loops.projects.mock_llm.wire import Event, Heard, Json, Reply, Request, Wire, fresh_id

_USAGE: Json = {
    "input_tokens": wire.TOKENS_IN,
    "input_tokens_details": {"cached_tokens": wire.TOKENS_CACHED, "cache_write_tokens": 0},
    "output_tokens": wire.TOKENS_OUT,
    "output_tokens_details": {"reasoning_tokens": wire.TOKENS_REASONING},
    "total_tokens": wire.TOKENS_IN + wire.TOKENS_OUT,
}


def read(body: Json) -> Request:
    """Read a request; ``input`` is a text, or a list of items."""
    given = body.get("input")
    heard: list[Heard] = wire.from_user(given) if isinstance(given, str) else []
    for item in wire.objects(given):
        if str(item.get("type", "")).endswith("_call_output"):
            heard += wire.from_tool(item.get("output"))
        elif item.get("role") == "user":
            content = item.get("content")
            texts = [content] if isinstance(content, str) else [wire.plain([part]) for part in wire.objects(content)]
            for text in texts:
                heard += wire.from_user(text)
    model = str(body.get("model") or "mock-model")
    return Request(model, bool(body.get("stream")), wire.tools_of(body.get("tools")), tuple(heard))


def _item(reply: Reply) -> Json:
    if reply.call is None:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        facts: Json = {"type": "message", "id": fresh_id("msg_"), "role": "assistant", "content": content}
    elif reply.call.source:
        facts = {"type": "custom_tool_call", "id": fresh_id("ctc_"), "input": reply.call.source}
    else:
        facts = {"type": "function_call", "id": fresh_id("fc_"), "arguments": json.dumps(dict(reply.call.arguments))}
    if reply.call is not None:
        facts |= {"call_id": fresh_id("call_"), "name": reply.call.tool}
    return {**facts, "status": "completed"}


def _response(reply: Reply) -> Json:
    return {
        "id": fresh_id("resp_mock"),
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "model": reply.model,
        "output": [],
        "usage": None,
    }


def whole(reply: Reply) -> Json:
    """The answer in one piece."""
    return {**_response(reply), "status": "completed", "output": [_item(reply)], "usage": _USAGE}


def stream(reply: Reply) -> Sequence[Event]:
    """The answer as events."""
    item = _item(reply)
    response = _response(reply)
    done = {**response, "status": "completed", "output": [item], "usage": _USAGE}
    kinds = [
        ("response.created", {"response": response}),
        ("response.in_progress", {"response": response}),
        *_pieces(item, reply),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": done}),
    ]
    return [Event({"type": kind, "sequence_number": n, **facts}, kind) for n, (kind, facts) in enumerate(kinds)]


def _pieces(item: Json, reply: Reply) -> Iterator[tuple[str, Json]]:
    here: Json = {"item_id": item["id"], "output_index": 0}
    if item["type"] == "message":
        inside: Json = {**here, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        yield "response.output_item.added", {"output_index": 0, "item": _begun(item, "content", [])}
        yield "response.content_part.added", {**inside, "part": part}
        for piece in wire.halves(reply.text):
            yield "response.output_text.delta", {**inside, "delta": piece}
        yield "response.output_text.done", {**inside, "text": reply.text}
        yield "response.content_part.done", {**inside, "part": {**part, "text": reply.text}}
        return
    function = item["type"] == "function_call"
    key, kind = ("arguments", "function_call_arguments") if function else ("input", "custom_tool_call_input")
    yield "response.output_item.added", {"output_index": 0, "item": _begun(item, key, "")}
    yield f"response.{kind}.delta", {**here, "delta": item[key]}
    yield f"response.{kind}.done", {**here, key: item[key]}


def _begun(item: Json, key: str, empty: object) -> Json:
    return {**item, "status": "in_progress", key: empty}


WIRE = Wire("responses", "responses", read, whole, stream, 2, refuse_with_reset)
