"""What every event of the journal is: a frozen dataclass with a type and a subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events.  ``type`` is the CloudEvents type after ``dev.loops.``; ``subject`` what it is about."""

    type: ClassVar[str] = ""

    @property
    def subject(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class AboutAgent(Event):
    agent: str

    @property
    def subject(self) -> str:
        return self.agent


@dataclass(frozen=True, slots=True)
class AboutPhase(Event):
    phase: str

    @property
    def subject(self) -> str:
        return self.phase
