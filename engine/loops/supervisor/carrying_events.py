"""What the journal says of work that somebody else supervised before: where it stood when this engine took it over."""

from __future__ import annotations

from dataclasses import dataclass

from loops.supervisor.event import AboutAgent, AboutPhase


@dataclass(frozen=True, slots=True)
class PlaceCarried(AboutPhase):
    """The sequence stands at phase number ``index``; the phases ``done`` were done elsewhere, and were not judged here."""

    type = "phase.carried"
    at: float
    index: int
    done: tuple[str, ...]
    complete: bool
    source: str


@dataclass(frozen=True, slots=True)
class ConversationCarried(AboutAgent):
    """The agent's next start resumes ``conversation``, which it had elsewhere in ``phase``; empty: it begins afresh."""

    type = "session.conversation_carried"
    at: float
    conversation: str
    phase: str
    source: str
