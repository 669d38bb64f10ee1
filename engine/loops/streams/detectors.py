"""What no single line says: loops without end, and failures that a backend takes for success.

A stage after the mappings, over facts and recorded times only.  It adds facts (``loop.suspected``, upon which the runner
ends the turn; ``provider.unavailable`` or ``limit.reached`` with the first retry) and turns a ``turn.completed`` that was
none into a ``turn.failed``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.known.model import Meaning
from loops.streams.event import Fact

UNKNOWN_STEPS = 3
"""Successive steps without a reason for their end: opencode goes on for ever on a stream that is cut each time."""
SAME_CALLS = 10
"""Successive calls of one tool with the same input and the same output."""
ENDLESS_RETRIES = 15
ENDLESS_SECONDS = 300.0
"""Of nothing but retries: no backend but codex without a network goes on for so long."""
VAIN_RETRIES = 3
"""Retries of what only somebody outside can change."""

_VAIN = frozenset({Meaning.AUTH.value, Meaning.BILLING.value, Meaning.MODEL.value})
_MANY = 1000
"""Actions of a turn, after which it is of no interest whether all were denied."""


class Detectors:
    """One run's detectors.  *hides*: the backend shows nothing at all of an action that it refused (codex)."""

    def __init__(self, hides: bool = False) -> None:
        self._hides = hides
        self._begin()

    def see(self, facts: list[Fact], now: float) -> list[Fact]:
        """Return *facts* with what they show together with the earlier ones; *now*: epoch seconds."""
        if len(facts) == 1 and facts[0].type not in _SEEN:
            return facts
        found: list[Fact] = []
        for fact in facts:
            see = _SEEN.get(fact.type)
            if see is None:
                found.append(fact)
            else:
                found += see(self, fact, now)
        return found

    def _begin(self) -> None:
        """Forget everything: a turn begins."""
        self._suspected: Meaning | None = None
        self._why = ""
        self._retries, self._vain, self._since = 0, 0, 0.0
        self._retried: Meaning | None = None
        self._told: set[str] = set()
        self._unknown = 0
        self._call: tuple[Any, Any] | None = None
        self._output: Any = None
        self._same = 0
        self._started: set[str] = set()
        self._ran: set[str] = set()
        self._denied: set[str] = set()
        self._acted = False
        """Something was done that shows that not everything was refused."""
        self._requests = 0
        self._fruitless = False
        """The last request brought nothing, and nothing has come since."""

    # ---- loops -------------------------------------------------------------------------------------------------------

    def _suspect(self, pattern: str, count: int, meaning: Meaning, why: str) -> list[Fact]:
        if self._suspected is not None:
            return []
        self._suspected, self._why = meaning, why
        return [Fact("loop.suspected", {"pattern": pattern, "count": count, "message": why})]

    def _retry(self, fact: Fact, now: float) -> list[Fact]:
        kind = fact.data["class"]
        if not self._retries:
            self._since = now
        self._retries += 1
        self._vain = self._vain + 1 if kind in _VAIN else 0
        self._retried = Meaning(kind)
        facts = [fact, *self._first_retry(kind, fact)]
        if self._vain >= VAIN_RETRIES:
            facts += self._suspect("vain_retry", self._vain, self._retried, fact.data["message"])
        elif self._retried is not Meaning.LIMIT and (
            self._retries >= ENDLESS_RETRIES or now - self._since > ENDLESS_SECONDS
        ):
            passing = self._retried if self._retried is not Meaning.OTHER else Meaning.PROVIDER
            facts += self._suspect("endless_retry", self._retries, passing, fact.data["message"])
        return facts

    def _first_retry(self, kind: str, retry: Fact) -> list[Fact]:
        if kind in self._told:
            return []
        self._told.add(kind)
        data: dict[str, Any] = {
            name: retry.data[name] for name in ("class", "message", "http_status") if name in retry.data
        }
        if kind == Meaning.LIMIT.value:
            if "resets_at" in retry.data:
                data["resets_at"] = retry.data["resets_at"]
            return [Fact("limit.reached", {**data, "retrying": True}, retry.time)]
        if kind in _VAIN:
            return [Fact("error", data, retry.time)]
        return [Fact("provider.unavailable", {**data, "retryable": True}, retry.time)]

    def _progress(self, fact: Fact, now: float) -> list[Fact]:
        self._retries, self._vain, self._fruitless = 0, 0, False
        self._told.clear()
        return [fact]

    def _usage(self, fact: Fact, now: float) -> list[Fact]:
        output = fact.data["usage"]["output_tokens"]
        if fact.data["scope"] != "request":
            return [fact]
        self._requests += 1
        self._fruitless = not output
        if output:
            self._retries = 0
            self._told.clear()
        if "finish_reason" not in fact.data:
            return [fact]
        self._unknown = self._unknown + 1 if fact.data["finish_reason"] == "unknown" else 0
        if self._unknown < UNKNOWN_STEPS:
            return [fact]
        why = f"{self._unknown} steps in a row ended without a reason: the provider's stream was cut each time"
        return [fact, *self._suspect("finish_unknown", self._unknown, Meaning.TRUNCATED, why)]

    def _tool_started(self, fact: Fact, now: float) -> list[Fact]:
        data = fact.data
        if len(self._started) < _MANY:
            self._started.add(data["tool_call_id"])
        else:
            self._acted = True
        call = data["tool"], data["input"]
        self._same = self._same + 1 if call == self._call else 1
        self._call = call
        facts = self._progress(fact, now)
        if self._same >= SAME_CALLS:
            why = f"{data['tool']} was called {self._same} times in a row with the same input and the same result"
            facts += self._suspect("same_tool_call", self._same, Meaning.OTHER, why)
        return facts

    def _tool_completed(self, fact: Fact, now: float) -> list[Fact]:
        data = fact.data
        if data["status"] == "declined":
            self._denied.add(data["tool_call_id"])
        elif len(self._ran) < _MANY:
            self._ran.add(data["tool_call_id"])
        output = data.get("output")
        if output != self._output:
            self._output, self._same = output, min(self._same, 1)
        self._unknown = 0
        return self._progress(fact, now)

    def _loop(self, fact: Fact, now: float) -> list[Fact]:
        """The runner itself suspects: it has heard nothing for long."""
        if self._suspected is not None:
            return []
        self._suspected = Meaning.PROVIDER
        self._why = f"nothing was heard for {fact.data['count']} s"
        return [fact]

    # ---- failures taken for success ----------------------------------------------------------------------------------

    def _approval_denied(self, fact: Fact, now: float) -> list[Fact]:
        call = fact.data.get("tool_call_id")
        if call:
            self._denied.add(call)
        return [fact]

    def _updated(self, fact: Fact, now: float) -> list[Fact]:
        if fact.data["tool_call_id"] not in self._started:
            self._acted = True  # a tool of an earlier turn that still runs
        return [fact]

    def _acts(self, fact: Fact, now: float) -> list[Fact]:
        self._acted = True
        return [fact]

    def _completed(self, fact: Fact, now: float) -> list[Fact]:
        if fact.data["stop_reason"] == "cancelled":
            return [_failed(fact, self._suspected, self._why)] if self._suspected else [fact]
        actions = self._started | self._ran
        if self._denied and not self._acted and not actions - self._denied:
            return [_failed(fact, Meaning.DENIED, f"every action of the turn was denied ({len(self._denied)})")]
        if self._hides and self._requests > 1 and not actions and not self._acted:
            why = f"{self._requests} requests and no action: what the agent tried was refused"
            return [_failed(fact, Meaning.DENIED, why)]
        if self._fruitless and fact.data["stop_reason"] == "end_turn":
            return [_failed(fact, Meaning.TRUNCATED, "the answer is empty: the provider's stream was cut")]
        return [fact]

    def _turn_failed(self, fact: Fact, now: float) -> list[Fact]:
        if self._suspected and fact.data["class"] == Meaning.OTHER.value:
            return [_failed(fact, self._suspected, self._why)]
        return [fact]

    def _turn_started(self, fact: Fact, now: float) -> list[Fact]:
        self._begin()
        return [fact]


def _failed(end: Fact, meaning: Meaning, message: str) -> Fact:
    """Return the end of a turn as the failure that it is."""
    kept = {name: value for name, value in end.data.items() if name in ("turn_id", "text", "http_status")}
    return Fact("turn.failed", {"class": meaning.value, "message": message, **kept}, end.time)


_SEEN: dict[str, Callable[[Detectors, Fact, float], list[Fact]]] = {
    "turn.started": Detectors._turn_started,
    "turn.completed": Detectors._completed,
    "turn.failed": Detectors._turn_failed,
    "retry.scheduled": Detectors._retry,
    "usage.updated": Detectors._usage,
    "tool.started": Detectors._tool_started,
    "tool.completed": Detectors._tool_completed,
    "message.assistant": Detectors._progress,
    "message.reasoning": Detectors._progress,
    "approval.denied": Detectors._approval_denied,
    "approval.expired": Detectors._approval_denied,
    "plan.updated": Detectors._acts,
    "tool.updated": Detectors._updated,
    "input.requested": Detectors._acts,
    "context.compacted": Detectors._acts,
    "loop.suspected": Detectors._loop,
}
