"""What the agent may not do before somebody answers: open questions, their answers in files, their expiry.

The supervisor knows one question an agent: of several, the next is told when the one before has ended.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from loops.runner.link import NEVER
from loops.streams.event import Event

LOOK = 0.05
"""Seconds between two looks for an answer while a question is open."""
MOST_ANSWER = 65_536
"""Bytes of an answer's file."""


class Answer(NamedTuple):
    """What was decided on one question.  ``request``: its raw id."""

    id: str
    request: str
    allow: bool
    reason: str


class _Open(NamedTuple):
    event: Event
    request: str
    expires: float


class Approvals:
    """The open questions of one run, oldest first."""

    def __init__(self, directory: str, patience: float) -> None:
        """Look for answers in *directory*; a question expires after *patience* seconds (0: never)."""
        self._directory = directory
        self._patience = patience or NEVER
        self._open: dict[str, _Open] = {}
        self._told = ""
        """The question that the supervisor knows of."""

    def __bool__(self) -> bool:
        """Whether any is open."""
        return bool(self._open)

    def asked(self, event: Event, now: float) -> None:
        """Take in ``approval.requested``."""
        id, request = event.data.get("approval_id"), event.data.get("request")
        if isinstance(id, str) and isinstance(request, str):
            self._open[id] = _Open(event, request, now + self._patience)

    def ended(self, event: Event) -> bool:
        """Take in the end of a question; return whether the supervisor knew of it and is to be told."""
        id = event.data.get("approval_id")
        self._open.pop(id, None) if isinstance(id, str) else None
        if id == self._told:
            self._told = ""
            return True
        return False

    def untold(self) -> Event | None:
        """Return the question that the supervisor is to be told of now, once."""
        if self._told or not self._open:
            return None
        self._told, first = next(iter(self._open.items()))
        return first.event

    def forget(self) -> None:
        """The turn, or the run, is over: nobody waits for an answer any more."""
        self._open.clear()
        self._told = ""

    def due(self, now: float) -> float:
        """When to call `answered` and `expired` next."""
        return now + LOOK if self._open else NEVER

    def answered(self) -> list[Answer]:
        """Return the answers that lie ready."""
        found = []
        for id, question in self._open.items():
            decided = _read(os.path.join(self._directory, f"{id}.json"))
            if decided is not None:
                found.append(Answer(id, question.request, *decided))
        return found

    def first(self, allow: bool, reason: str) -> Answer | None:
        """Return a person's answer to the oldest question; None when there is none."""
        for id, question in self._open.items():
            return Answer(id, question.request, allow, reason)
        return None

    def expired(self, now: float) -> list[Answer]:
        """Return a refusal for each question that nobody answered in time."""
        late = "nobody answered in time"
        return [
            Answer(id, question.request, False, late) for id, question in self._open.items() if now >= question.expires
        ]

    def take(self, answer: Answer) -> None:
        """This question is being answered: look for no other answer."""
        self._open.pop(answer.id, None)


def _read(path: str) -> tuple[bool, str] | None:
    """Return (allow, reason) of the answer at *path*; None when there is none, or not a whole one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        document = json.loads(os.read(fd, MOST_ANSWER))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(fd)
    if not isinstance(document, dict) or not isinstance(document.get("allow"), bool):
        return None
    reason = document.get("reason")
    return document["allow"], reason if isinstance(reason, str) else ""
