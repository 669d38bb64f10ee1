"""The engine's own hook format: JSON lines that an agent, or its hooks, append to ``$LOOPS_SIGNALS``.

``{"type": "turn.started", "nudge": "n12"}``.  The types are those of the normalized events, with or without their
prefix ``dev.loops.``; the facts stand beside the type or in ``data``.  What is unknown gives no signal: a newer hook
must not stop an older engine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from loops.agents.port import (
    ApprovalAsked,
    ApprovalEnded,
    Blocked,
    ConversationNamed,
    DialogShown,
    Fatal,
    Idle,
    LimitReached,
    ProviderUnavailable,
    Ready,
    Signal,
    TurnEnded,
    TurnStarted,
    UsageReported,
    Working,
)

_PREFIX = "dev.loops."
_MAX_LINE = 1_000_000
"""Bytes; longer lines are nobody's signal."""

_Facts = Mapping[str, Any]


def read_line(line: bytes) -> Sequence[Signal]:
    """Return the signals of one line; nothing for a line that is torn, foreign or unknown."""
    if len(line) > _MAX_LINE:
        return ()
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        return ()
    read = _READERS.get(entry["type"].removeprefix(_PREFIX))
    if read is None:
        return ()
    data = entry.get("data")
    found = read(data if isinstance(data, dict) else entry)
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)


def moment(value: object) -> float | None:
    """Return a point in time as epoch seconds: a number, or an ISO 8601 text (without zone: UTC); else None."""
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond every float
        return None
    return number if math.isfinite(number) else None


def _text(facts: _Facts, *names: str) -> str:
    return next((value for name in names if isinstance(value := facts.get(name), str) and value), "")


def _count(facts: _Facts, name: str) -> int:
    value = facts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _limit(facts: _Facts) -> LimitReached:
    text, retries = _text(facts, "text", "message"), facts.get("retrying") is True
    return LimitReached(text, moment(facts.get("resets_at")), structured=True, retries=retries)


def _failed(facts: _Facts) -> tuple[Signal, ...]:
    """A turn that came to no good end: first that it ended, then why."""
    text, kind = _text(facts, "text", "message"), _text(facts, "class")
    match kind:
        case "limit_reached":
            why: Signal = (limit := _limit(facts))
            if limit.retries:
                return (limit,)  # it goes on by itself at the reset: for us the turn is still open
        case "rate_limit" | "provider_unavailable" | "truncated":
            why = ProviderUnavailable(text)
        case "context_overflow" | "fatal":
            why = Fatal(text)
        case "resume_failed":
            why = Fatal(text, resume=True)
        case _:
            why = Blocked(kind or "other", text)
    return TurnEnded(failed=True), why


def _error(facts: _Facts) -> Signal | None:
    if facts.get("class") == "resume_failed":
        return Fatal(_text(facts, "text", "message"), resume=True)
    return Fatal(_text(facts, "text", "message")) if facts.get("class") == "fatal" else None


_SUMS = frozenset({"session-cumulative", "invocation"})
"""Scopes of usage that are sums of what was told request by request."""


def _usage(facts: _Facts) -> Signal | None:
    if facts.get("scope") in _SUMS:
        return None
    usage, cost = facts.get("usage"), facts.get("cost")
    tokens = usage if isinstance(usage, dict) else facts
    usd = cost.get("amount") if isinstance(cost, dict) else facts.get("usd")
    return UsageReported(
        _count(tokens, "input_tokens"),
        _count(tokens, "output_tokens"),
        _number(usd),
        _count(tokens, "cached_tokens") or _count(tokens, "cache_read_input_tokens"),
        _text(facts, "model"),
        facts.get("scope") == "step",
    )


def _conversation(facts: _Facts) -> Signal | None:
    named = _text(facts, "conversation")
    return ConversationNamed(named) if named else None


def _state(facts: _Facts) -> Signal | None:
    match facts.get("state"):
        case "working":
            return Working()
        case "idle":
            return Idle(moment(facts.get("waiting_until")))
        case "ready" | "waiting_input":
            return Ready()
        case "unknown":
            return DialogShown(_text(facts, "text", "message"))
        case _:
            return None


def _approval(outcome: str) -> Callable[[_Facts], Signal]:
    return lambda facts: ApprovalEnded(_text(facts, "approval_id", "id"), outcome)


_READERS: Mapping[str, Callable[[_Facts], Signal | tuple[Signal, ...] | None]] = MappingProxyType(
    {
        "session.started": _conversation,
        "session.resumed": _conversation,
        "turn.started": lambda facts: TurnStarted(_text(facts, "nudge")),
        "turn.completed": lambda facts: TurnEnded(moment(facts.get("waiting_until"))),
        "turn.failed": _failed,
        "limit.reached": _limit,
        "provider.unavailable": lambda facts: ProviderUnavailable(_text(facts, "text", "message")),
        "approval.requested": lambda facts: ApprovalAsked(
            _text(facts, "approval_id", "id"), _text(facts, "text", "tool")
        ),
        "approval.granted": _approval("granted"),
        "approval.denied": _approval("denied"),
        "approval.expired": _approval("expired"),
        "usage.updated": _usage,
        "state.changed": _state,
        "error": _error,
    }
)
