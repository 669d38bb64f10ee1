"""Tokens and money in claude's stream.

The input of a request stands in its message; its output does not, for the message is written when the answer begins.  So
each request is reported at once, which shows what is in flight, and the rest with the turn's result.
"""

from __future__ import annotations

from loops.streams.event import Fact
from loops.streams.reading import Document, count, number, table, text
from loops.streams.usage import NONE, Tokens, used


class Usage:
    """What one run used."""

    def __init__(self) -> None:
        self.model = ""
        self._message = ""
        self._counted = NONE
        """Tokens of this turn's requests that were reported before its result."""
        self._usd = 0.0

    def request(self, message: Document, time: float | None) -> list[Fact]:
        """Report a request's tokens once: its message comes in as many lines as it has blocks."""
        id_, model = text(message, "id"), text(message, "model")
        if not id_ or id_ == self._message or model == "<synthetic>":
            return []
        self._message, self.model = id_, model
        tokens = _tokens(table(message, "usage"))
        self._counted = self._counted.plus(tokens)
        return [used(tokens, model=model, time=time)] if tokens.some() else []

    def turn(self, result: Document) -> list[Fact]:
        """Report what the turn used beyond that; what a resumed conversation had cost before is no part of it."""
        since = table(result, "model_usage_since_last_result")
        if since:
            parts = [part for part in since.values() if isinstance(part, dict)]
            tokens = NONE
            for part in parts:
                tokens = tokens.plus(_model_tokens(part))
            cost = sum(number(part, "costUSD") or 0.0 for part in parts)
        else:  # 2.1.197: its total begins anew with each process
            tokens = _tokens(table(result, "usage"))
            total = number(result, "total_cost_usd") or 0.0
            cost, self._usd = max(0.0, total - self._usd), total
        rest, self._counted, self._message = tokens.less(self._counted), NONE, ""
        if not rest.some() and not cost:
            return []
        return [used(rest, usd=cost, model=self.model, scope="step")]


def _tokens(usage: Document) -> Tokens:
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    reasoning = count(table(usage, "output_tokens_details"), "thinking_tokens")
    total = count(usage, "input_tokens") + read + written
    return Tokens(total, count(usage, "output_tokens"), read, written, reasoning)


def _model_tokens(part: Document) -> Tokens:
    read, written = count(part, "cacheReadInputTokens"), count(part, "cacheCreationInputTokens")
    total = count(part, "inputTokens") + read + written
    return Tokens(total, count(part, "outputTokens"), read, written, count(part, "thinkingTokens"))
