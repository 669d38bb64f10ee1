"""What the three wire formats have in common: a request as it was understood, and the reply that is to be written."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Json = dict[str, Any]


class Speaker(Enum):
    """Who said a part of a conversation."""

    USER = "user"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Heard:
    """One part of the conversation that a model reacts to."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the request offers.  ``freeform``: it takes text instead of JSON."""

    name: str
    schema: Mapping[str, Any]
    freeform: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A model request, whatever its format."""

    model: str
    stream: bool
    tools: tuple[Tool, ...]
    heard: tuple[Heard, ...]
    """The user's texts and the tools' results, oldest first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call.  ``source``: the text for a freeform tool; otherwise ``arguments`` count."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers: a tool call, or a text."""

    model: str
    text: str
    call: Call | None = None


class Cause(Enum):
    """Why a request is refused."""

    REQUEST = "a bad request"
    KEY = "a wrong key"
    RIGHT = "no right to the model"
    MODEL = "an unknown model"
    RATE = "too many requests in a moment"
    SERVER = "an error of the provider"
    BUSY = "a provider without capacity"
    OVERLOADED = "an overloaded provider"
    LIMIT = "a used-up plan, with the time of its reset"
    BILLING = "no credit"
    CONTEXT = "a conversation that is too long"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is refused.  ``resets_at``: epoch seconds, of a plan's limit."""

    cause: Cause
    model: str
    resets_at: int
    now: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event.  ``data``: an object, or a bare word such as ``[DONE]``."""

    data: Json | str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """One format: how its requests are read and its answers written.  All functions are pure."""

    name: str
    suffix: str
    """How the path of its requests ends."""
    read: Callable[[Json], Request]
    whole: Callable[[Reply], Json]
    stream: Callable[[Reply], Sequence[Event]]
    opening: int
    """How many events of a stream come before the first content: where it hangs or breaks off."""
    refuse: Callable[[Refusal], Answer]


TOKENS_IN = 1200
TOKENS_CACHED = 1000
TOKENS_OUT = 34
TOKENS_REASONING = 10
"""The usage of every answer.  Input counts the cached part, output the reasoning; Messages tells them apart itself."""

_numbers = itertools.count(1)
_INJECTED = re.compile(r"<(system-reminder|environment_context|user_instructions|turn_aborted)>.*?</\1>", re.DOTALL)
_NO_TURN = ("# AGENTS.md instructions", "The request was refused: ")
"""How texts begin that are no turn either: codex' preamble, and what the runner steers into a turn with a refusal."""


def fresh_id(prefix: str) -> str:
    """An id that nothing else in this process has."""
    return f"{prefix}{next(_numbers):08d}"


def halves(text: str) -> tuple[str, str]:
    """Two pieces, so that a text arrives in more than one event."""
    return text[:4], text[4:]


def from_user(text: str) -> list[Heard]:
    """A user's text without what is added to it on the way; nothing when nothing is left."""
    own = _INJECTED.sub("", text).strip()
    return [Heard(Speaker.USER, own)] if own and not own.startswith(_NO_TURN) else []


def from_tool(text: object) -> list[Heard]:
    """A tool's result."""
    return [Heard(Speaker.TOOL, text if isinstance(text, str) else plain(text))]


def plain(content: object) -> str:
    """The text in a content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict) and "text" in part)


def objects(value: object) -> list[Json]:
    """The objects of a list; nothing for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def tools_of(items: object) -> tuple[Tool, ...]:
    """The tools of a request in any of the three formats, those inside namespaces too."""
    found: list[Tool] = []
    for item in objects(items):
        if "tools" in item:
            found += tools_of(item["tools"])
            continue
        inner = item.get("function")
        facts = inner if isinstance(inner, dict) else item
        schema = facts.get("parameters") or facts.get("input_schema") or {}
        name = str(facts.get("name") or item.get("type") or "")
        found.append(Tool(name, schema if isinstance(schema, dict) else {}, item.get("type") == "custom"))
    return tuple(found)
