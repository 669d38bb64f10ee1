"""opencode's protocol: requests to its server, and the events that it sends to everybody.

A sent line is ``{"method", "path", "body"}``; the answer is ``{"response": {"to", "status", "body"}}``
(`loops.runner.http_link`).  A conversation that cannot be opened ends the dialogue: nothing is sent after it, `ready`
stays False, and the answer's line tells the normaliser why.

A prompt can be kept and yet not be taken up: `Prompt` knows, and prompts again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loops.known.model import Known
from loops.runner.jsonline import read, said, write
from loops.runner.opencode_prompt import Prompt
from loops.runner.order import RunOrder
from loops.streams.reading import table, text

REFUSED = "The operator refused this."
"""Said with every refusal: without a word opencode ends the turn, with one the agent may try something else."""
NEWEST = 20
"""Messages that are asked for after a lost connection: one for each step of the turn, as a rule."""
TRIES = 3
"""Requests for the conversation that may stay without any answer."""


class OpencodeDialogue:
    """One conversation (opencode: session), new or resumed; see `loops.runner.dialogue.Dialogue`."""

    __slots__ = ("_closed", "_connected", "_conversation", "_order", "_prompt", "_tries")

    def __init__(self, order: RunOrder, known: Known) -> None:
        """Drive the run that *order* describes; nothing was said yet."""
        self._order = order
        self._conversation = ""
        self._closed = self._connected = False
        self._prompt: Prompt | None = None
        """The last one, until the server works on it."""
        self._tries = 0

    # ---- what the runner asks for ------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the conversation is open."""
        return bool(self._conversation)

    @property
    def closed(self) -> bool:
        """Whether the server refused it, or did not answer."""
        return self._closed

    @property
    def conversation(self) -> str:
        """Its id, once it is open."""
        return self._conversation

    def open(self) -> Sequence[bytes]:
        """Ask for the conversation: for a new one, or whether the one to resume is there."""
        self._tries += 1
        order = self._order
        if order.conversation:
            return [_request("GET", f"/session/{order.conversation}")]
        # With a title of ours opencode asks no model for one.
        return [_request("POST", "/session", {"title": f"loops {order.run}"})]

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Learn the conversation's id; after a lost connection ask what became of it."""
        message = read(line)
        if message is None:
            return ()
        if "response" in message:
            return self._answered(table(message, "response"))
        if text(message, "type") == "server.connected":
            return self._reconnected()
        if text(message, "type") == "question.asked":
            return self._questioned(table(message, "properties"))
        return self._waited(text(message, "type"), table(message, "properties"))

    def say(self, text: str) -> Sequence[bytes]:
        """Prompt; what comes of it is told as events."""
        body: dict[str, Any] = {"parts": [{"type": "text", "text": said(text)}]}
        if self._order.model:
            provider, _, model = self._order.model.partition("/")
            body["model"] = {"providerID": provider, "modelID": model}
        if self._order.effort:
            body["variant"] = self._order.effort
        self._prompt = Prompt(self._conversation, body)
        return [self._prompted(body)]

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Allow once, or refuse with the reason."""
        body = {"reply": "once"} if allow else {"reply": "reject", "message": said(reason) or REFUSED}
        return [_request("POST", f"/permission/{request}/reply", body)]

    def interrupt(self) -> Sequence[bytes]:
        """End the turn, that of its subagents with it."""
        self._prompt = None
        return [_request("POST", f"/session/{self._conversation}/abort")] if self._conversation else ()

    # ---- what the server says ----------------------------------------------------------------------------------------

    def _answered(self, answer: dict[str, Any]) -> Sequence[bytes]:
        wanted = f"GET /session/{self._order.conversation}" if self._order.conversation else "POST /session"
        if self._conversation or text(answer, "to") != wanted:
            return ()
        status = answer.get("status")
        if status == 200:
            self._conversation = text(table(answer, "body"), "id")
        elif status == 0 and self._tries < TRIES:  # asked twice, at worst a conversation stays empty
            return self.open()
        self._closed = not self._conversation
        return ()

    def _reconnected(self) -> Sequence[bytes]:
        """Ask for what was missed: the newest messages, whether the turn still runs, and what waits for an approval."""
        before, self._connected = self._connected, True
        self._prompt = None  # what became of it may be among what was missed
        if not before or not self._conversation:
            return ()
        newest = f"/session/{self._conversation}/message?limit={NEWEST}"
        return [_request("GET", path) for path in (newest, "/session/status", "/permission")]

    def _waited(self, kind: str, properties: dict[str, Any]) -> Sequence[bytes]:
        """Follow the prompt until the server works on it; prompt again, once, when it lets it lie."""
        if self._prompt is None or not self._prompt.heard(kind, properties):
            return ()
        again, self._prompt = self._prompt.again(), None
        return [] if again is None else [self._prompted(again)]

    def _prompted(self, body: dict[str, Any]) -> bytes:
        return _request("POST", f"/session/{self._conversation}/prompt_async", body)

    def _questioned(self, question: dict[str, Any]) -> Sequence[bytes]:
        """Send a question back that came in spite of the permissions: nobody is here to answer."""
        named = text(question, "id")
        return [_request("POST", f"/question/{named}/reject")] if named else ()


def _request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    return write({"method": method, "path": path, "body": body})
