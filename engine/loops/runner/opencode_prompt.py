"""A prompt that opencode's server has been sent and does not work on yet.

After a failed turn the server says ``idle`` twice: at the failure, and when the turn's own loop has come to its end.  A
prompt that comes between the two is kept in the conversation, but that loop takes nothing up any more, and no other one
is started (1.18.33 [run]).  In the events such a prompt stands before an ``idle`` with no ``busy`` between them.
"""

from __future__ import annotations

from typing import Any

from loops.streams.reading import table, text


class Prompt:
    """From the request to the server's first word that it works."""

    __slots__ = ("_body", "_kept", "_session", "_taken", "_users")

    def __init__(self, session: str, body: dict[str, Any]) -> None:
        """*body* was sent to *session*."""
        self._session = session
        self._body = body
        self._users: set[str] = set()
        """Messages of which the server has said since that they are no answers."""
        self._kept: tuple[str, str] | None = None
        """The server's ids of the message and of its text, once it is kept."""
        self._taken = False

    def heard(self, kind: str, properties: dict[str, Any]) -> bool:
        """Take in an event; return whether it is known now what became of the prompt."""
        info, part = table(properties, "info"), table(properties, "part")
        match kind:
            case "message.updated" if self._ours(info) and text(info, "role") == "user":
                self._users.add(text(info, "id"))
            case "message.part.updated" if self._ours(part) and self._said(part):
                self._kept = text(part, "messageID"), text(part, "id")
            case "session.status" if self._ours(properties):
                idle = text(table(properties, "status"), "type") == "idle"
                self._taken = not idle
                return self._taken or self._kept is not None
        return False

    def again(self) -> dict[str, Any] | None:
        """Return the request that has the prompt taken up where it lies; None: it was.

        With the ids of what is kept: the conversation holds it once, and a server that works on it after all goes on.
        """
        if self._taken or self._kept is None:
            return None
        message, part = self._kept
        return {**self._body, "messageID": message, "parts": [{**each, "id": part} for each in self._body["parts"]]}

    def _ours(self, of: dict[str, Any]) -> bool:
        return text(of, "sessionID") == self._session

    def _said(self, part: dict[str, Any]) -> bool:
        """Whether *part* is the prompt's text."""
        (own,) = self._body["parts"]
        return text(part, "messageID") in self._users and text(part, "text") == own["text"]
