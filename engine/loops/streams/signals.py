"""Which normalized events the supervisor is told of, one line each."""

from __future__ import annotations

from loops.streams.event import Event

_TOLD = frozenset(
    {
        *("session.started", "session.resumed"),
        *("turn.started", "turn.completed", "turn.failed"),
        *("limit.reached", "provider.unavailable", "error", "usage.updated", "state.changed"),
        *("approval.requested", "approval.granted", "approval.denied", "approval.expired"),
        *("input.requested", "loop.suspected"),
    }
)
_OWN = ("request", "step")
"""Scopes of usage that are no sums of others."""


def concerns(event: Event) -> bool:
    """Return whether *event* changes what the supervisor does."""
    if event.type not in _TOLD:
        return False
    if event.type.startswith("approval."):
        return "approval_id" in event.data  # what a rule refused was never asked
    return event.type != "usage.updated" or event.data.get("scope") in _OWN
