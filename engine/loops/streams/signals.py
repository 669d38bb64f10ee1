"""Which normalized events the supervisor is told of, one line each."""

from __future__ import annotations

from loops.streams.event import Event

_TOLD = frozenset(
    {
        *("session.started", "session.resumed"),
        *("turn.started", "turn.completed", "turn.failed"),
        *("limit.reached", "provider.unavailable", "error", "usage.updated", "state.changed"),
        *("approval.requested", "approval.granted", "approval.denied", "approval.expired"),
    }
)


def concerns(event: Event) -> bool:
    """Return whether *event* changes what the supervisor does."""
    return event.type in _TOLD
