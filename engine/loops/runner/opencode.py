"""opencode's protocol: requests to its server, and the events that it sends to everybody.

A sent line is ``{"method", "path", "body"}``; the answer is ``{"response": {"to", "status", "body"}}``
(`loops.runner.http_link`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from loops.known.model import Known
from loops.runner.order import RunOrder

REFUSED = "the operator refused this"
"""Said with every refusal: without a word opencode ends the turn, with one the agent may try something else."""


class OpencodeDialogue:
    """One conversation (opencode: session), new or resumed."""

    def __init__(self, order: RunOrder, known: Known) -> None:
        """Converse as *order* says; nothing of it is version-bound beyond the paths."""
        self._order = order
        self._conversation = ""
        self._opening = ""
        self._connected = False

    @property
    def ready(self) -> bool:
        """Whether the conversation is open."""
        return bool(self._conversation)

    def open(self) -> Sequence[bytes]:
        """Ask for the conversation: for a new one, or whether the one to resume is there."""
        order = self._order
        if order.conversation:
            return [self._request("GET", f"/session/{order.conversation}")]
        # With a title of ours opencode asks no model for one.
        return [self._request("POST", "/session", {"title": f"loops {order.run}"})]

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Learn the conversation's id; after a lost connection ask what became of it."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return []
        if not isinstance(message, dict):
            return []
        answer = message.get("response")
        if isinstance(answer, dict):
            return self._answered(answer)
        if message.get("type") == "server.connected":
            return self._reconnected()
        return []

    def say(self, text: str) -> Sequence[bytes]:
        """Prompt; the turn's course comes as events."""
        body: dict[str, Any] = {"parts": [{"type": "text", "text": text}]}
        if self._order.model:
            provider, _, model = self._order.model.partition("/")
            body["model"] = {"providerID": provider, "modelID": model}
        if self._order.effort:
            body["variant"] = self._order.effort
        return [self._request("POST", f"/session/{self._conversation}/prompt_async", body)]

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Allow once, or refuse with the reason."""
        body = {"reply": "once"} if allow else {"reply": "reject", "message": reason or REFUSED}
        return [self._request("POST", f"/permission/{request}/reply", body)]

    def interrupt(self) -> Sequence[bytes]:
        """End the turn."""
        return [self._request("POST", f"/session/{self._conversation}/abort")] if self._conversation else []

    def _answered(self, answer: dict[str, Any]) -> Sequence[bytes]:
        status, body = answer.get("status"), answer.get("body")
        if answer.get("to") != self._opening:
            return []
        named = body.get("id") if isinstance(body, dict) else None
        if status == 200 and isinstance(named, str) and named.startswith("ses"):
            self._conversation, self._opening = named, ""
        elif status == 0:  # nobody answered; asking twice opens at worst an empty conversation more
            return self.open()
        return []

    def _reconnected(self) -> Sequence[bytes]:
        """Events may have been missed: the status tells whether the turn still runs, the approvals what is asked."""
        before, self._connected = self._connected, True
        if not before or not self._conversation:
            return []
        return [self._request("GET", "/session/status"), self._request("GET", "/permission")]

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        if not self._conversation:
            self._opening = f"{method} {path}"
        return json.dumps({"method": method, "path": path, "body": body}, ensure_ascii=False).encode("utf-8", "replace")
