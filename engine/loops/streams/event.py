"""One normalized event: CloudEvents 1.0 in JSON, the vocabulary of ACP in ``data`` (contract: schemas/event.schema.json)."""

from __future__ import annotations

from typing import Any, NamedTuple

PREFIX = "dev.loops."


class Fact(NamedTuple):
    """What a mapping finds in one raw line; `loops.streams.normaliser` makes the event of it.

    ``data`` is a JSON document: it is the contract's own form, and nothing in the engine takes it apart but
    `loops.agents.events`.
    """

    type: str
    """Without the prefix: ``turn.started``."""
    data: dict[str, Any]
    time: float | None = None
    """Epoch seconds, when the backend said one."""


class Event(NamedTuple):
    """One normalized event and its line."""

    type: str
    data: dict[str, Any]
    line: bytes
    """The encoded event, without a newline."""
