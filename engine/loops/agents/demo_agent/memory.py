"""What the scripted agent remembers from one process to the next: its conversations and its used-up rules."""

from __future__ import annotations

import json
import os
from typing import Any


class Memory:
    """One small JSON file, replaced whole at each change, so that a kill leaves the old one or the new one."""

    __slots__ = ("_all", "conversation", "path")

    def __init__(self, path: str) -> None:
        """Read the memory at *path*; an empty path forgets everything at the end."""
        self.path = path
        self.conversation = ""
        self._all: dict[str, Any] = {"starts": 0, "spent": {}, "limited_until": 0.0, "conversations": {}}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self._all.update(json.load(file))

    def open(self, conversation: str, resume: bool) -> bool:
        """Begin, or take up, *conversation*; False when it should be resumed and is not known.

        As with real agents, it is known from its first message on: one that was killed before cannot be resumed, and
        its next start brings the kickoff again.
        """
        known: dict[str, Any] = self._all["conversations"]
        if resume and conversation not in known:
            return False
        known.setdefault(conversation, {"pending": None, "poisoned": False})
        self.conversation = conversation
        self._all["starts"] += 1
        if resume:
            self._save()
        return True

    @property
    def starts(self) -> int:
        """How often an agent with this memory was started."""
        return int(self._all["starts"])

    @property
    def spent(self) -> dict[str, int]:
        """Uses of each rule, by its name."""
        counts: dict[str, int] = self._all["spent"]
        return counts

    def spend(self, rule: str) -> None:
        """Count one use of *rule*, before it takes effect: a crash must not be forgotten."""
        self.spent[rule] = self.spent.get(rule, 0) + 1
        self._save()

    @property
    def limited_until(self) -> float:
        """Epoch seconds until which every prompt is refused."""
        return float(self._all["limited_until"])

    @limited_until.setter
    def limited_until(self, moment: float) -> None:
        self._all["limited_until"] = moment
        self._save()

    @property
    def pending(self) -> str | None:
        """The message whose turn has begun and not ended."""
        text: str | None = self._mine["pending"]
        return text

    @pending.setter
    def pending(self, text: str | None) -> None:
        self._mine["pending"] = text
        self._save()

    @property
    def poisoned(self) -> bool:
        """Whether this conversation can never go on (upstream incident 9)."""
        return bool(self._mine["poisoned"])

    def poison(self) -> None:
        """Make this conversation unusable for ever."""
        self._mine["poisoned"] = True
        self._save()

    @property
    def _mine(self) -> dict[str, Any]:
        mine: dict[str, Any] = self._all["conversations"][self.conversation]
        return mine

    def _save(self) -> None:
        if not self.path:
            return
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        draft = f"{self.path}.{os.getpid()}"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(self._all, file)
        os.replace(draft, self.path)
