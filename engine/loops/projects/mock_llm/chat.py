"""OpenAI Chat Completions: ``POST .../v1/chat/completions``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from loops.projects.mock_llm import wire
from loops.projects.mock_llm.openai_errors import refuse
from loops.projects.mock_llm.wire import Event, Heard, Json, Reply, Request, Wire, fresh_id

_USAGE: Json = {
    "prompt_tokens": wire.TOKENS_IN,
    "completion_tokens": wire.TOKENS_OUT,
    "total_tokens": wire.TOKENS_IN + wire.TOKENS_OUT,
    "prompt_tokens_details": {"cached_tokens": wire.TOKENS_CACHED},
    "completion_tokens_details": {"reasoning_tokens": wire.TOKENS_REASONING},
}


def read(body: Json) -> Request:
    """Read a request."""
    heard: list[Heard] = []
    for message in wire.objects(body.get("messages")):
        content = message.get("content")
        if message.get("role") == "tool":
            heard += wire.from_tool(content)
        elif message.get("role") == "user":
            for text in [content] if isinstance(content, str) else [wire.plain([part]) for part in content or []]:
                heard += wire.from_user(text)
    model = str(body.get("model") or "mock-model")
    return Request(model, bool(body.get("stream")), wire.tools_of(body.get("tools")), tuple(heard))


def _call(reply: Reply) -> Json | None:
    if reply.call is None:
        return None
    function = {"name": reply.call.tool, "arguments": json.dumps(dict(reply.call.arguments))}
    return {"index": 0, "id": fresh_id("call_"), "type": "function", "function": function}


def whole(reply: Reply) -> Json:
    """The answer in one piece."""
    call = _call(reply)
    message: Json = {"role": "assistant", "content": None if call else reply.text}
    if call:
        message["tool_calls"] = [call]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
    head = {"id": fresh_id("chatcmpl-mock"), "object": "chat.completion", "created": 0, "model": reply.model}
    return {**head, "choices": [choice], "usage": _USAGE}


def stream(reply: Reply) -> Sequence[Event]:
    """The answer as events."""
    head = {"id": fresh_id("chatcmpl-mock"), "object": "chat.completion.chunk", "created": 0, "model": reply.model}

    def chunk(delta: Json, finish: str | None = None) -> Event:
        return Event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    events = [chunk({"role": "assistant", "content": ""})]
    call = _call(reply)
    if call:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        events.append(chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]}))
        events.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}))
        events.append(chunk({}, "tool_calls"))
    else:
        events += [chunk({"content": piece}) for piece in wire.halves(reply.text)]
        events.append(chunk({}, "stop"))
    return [*events, Event({**head, "choices": [], "usage": _USAGE}), Event("[DONE]")]


WIRE = Wire("chat", "chat/completions", read, whole, stream, 1, refuse)
