"""The dialogue with ``pi --mode rpc``: JSON commands and events, one a line, ended by a newline and nothing else.

``get_state`` names the session, then a message is ``prompt``.  The session to resume and the model are words of the
command line (`loops.known.pi`): a session that is not there ends pi before it has said a word, with ``No session found
matching`` on its complaints.  Approvals come from our own extension (``pi_gate.ts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loops.known.model import Known
from loops.runner.jsonline import read, said, write
from loops.runner.order import RunOrder
from loops.streams.reading import flag, table, text

_CHOICES = frozenset(("select", "input", "editor"))
"""Questions of other extensions; nobody is there to answer them."""


class PiDialogue:
    """One run of pi; see `loops.runner.dialogue.Dialogue`."""

    __slots__ = ("_approvals", "_calls", "_closed", "_order", "_session")

    def __init__(self, order: RunOrder, known: Known) -> None:
        """Drive the run that *order* describes; nothing was said yet."""
        self._order = order
        self._calls = 0
        self._closed = False
        self._session = ""
        self._approvals: set[str] = set()

    def open(self) -> Sequence[bytes]:
        """Ask for the session's id."""
        return [self._call("get_state")]

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Take in an event or a response."""
        message = read(line)
        if message is None:
            return ()
        kind = text(message, "type")
        if kind == "extension_ui_request":
            return self._asked(text(message, "id"), text(message, "method"))
        if kind == "response" and text(message, "command") == "get_state":
            session = text(table(message, "data"), "sessionId") if flag(message, "success") else ""
            if not self._order.conversation or session == self._order.conversation:
                self._session = session
            self._closed = not self._session
        return ()

    @property
    def ready(self) -> bool:
        """Whether the session is known, and is the one that was asked for."""
        return bool(self._session)

    @property
    def closed(self) -> bool:
        """Whether pi has no session, or another one."""
        return self._closed

    def say(self, text: str) -> Sequence[bytes]:
        """Start a turn.  A slash at the front would make a command of pi's own of it, which starts none."""
        words = said(text)
        return [self._call("prompt", message=f" {words}" if words.startswith("/") else words)]

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Answer a question of the gate; pi's answer is a bare yes or no, so a reason follows as a word into the turn."""
        if request not in self._approvals:
            return ()
        self._approvals.discard(request)
        lines = [write({"type": "extension_ui_response", "id": request, "confirmed": allow})]
        if reason and not allow:
            lines.append(self._call("steer", message=said(f"The request was refused: {reason}")))
        return lines

    def interrupt(self) -> Sequence[bytes]:
        """End the turn, refusing what it waits for: an abort does not end a question."""
        refused = [write({"type": "extension_ui_response", "id": name, "cancelled": True}) for name in self._approvals]
        self._approvals.clear()
        return [self._call("abort"), *refused]

    def _asked(self, name: str, method: str) -> Sequence[bytes]:
        if method == "confirm":
            self._approvals.add(name)
        elif method in _CHOICES:
            return [write({"type": "extension_ui_response", "id": name, "cancelled": True})]
        return ()

    def _call(self, kind: str, **members: Any) -> bytes:
        self._calls += 1
        return write({"id": str(self._calls), "type": kind, **members})
