"""Tokens and money, in one meaning: input includes cache, output includes reasoning; a request's own, not a sum."""

from __future__ import annotations

from typing import Any, NamedTuple

from loops.streams.event import Fact


class Tokens(NamedTuple):
    """What was used.  ``read`` and ``written`` (cache) are part of ``input``, ``reasoning`` is part of ``output``."""

    input: int = 0
    output: int = 0
    read: int = 0
    written: int = 0
    reasoning: int = 0

    def less(self, other: Tokens) -> Tokens:
        """Return what of this goes beyond *other*; no part below zero."""
        return Tokens(
            max(0, self.input - other.input),
            max(0, self.output - other.output),
            max(0, self.read - other.read),
            max(0, self.written - other.written),
            max(0, self.reasoning - other.reasoning),
        )

    def plus(self, other: Tokens) -> Tokens:
        """Return the sum."""
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.read + other.read,
            self.written + other.written,
            self.reasoning + other.reasoning,
        )

    def some(self) -> bool:
        """Return whether anything was used."""
        return self.input > 0 or self.output > 0


NONE = Tokens()


def used(
    tokens: Tokens,
    *,
    usd: float | None = None,
    model: str = "",
    scope: str = "request",
    finish: str = "",
    time: float | None = None,
) -> Fact:
    """Return the fact of *tokens*.  ``usd`` None or 0: the backend knows no price, and the cost is null."""
    data: dict[str, Any] = {
        "scope": scope,
        "usage": {
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cache_read_input_tokens": tokens.read,
            "cache_creation_input_tokens": tokens.written,
            "reasoning_output_tokens": tokens.reasoning,
        },
        "cost": {"amount": usd, "currency": "USD", "basis": "backend-estimate"} if usd else None,
    }
    if model:
        data["model"] = model
    if finish:
        data["finish_reason"] = finish
    return Fact("usage.updated", data, time)
