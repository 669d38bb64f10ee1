"""The dialogue with ``codex app-server``: JSON-RPC without its ``jsonrpc`` member, one message a line.

``initialize``, ``initialized``, then ``thread/start`` or ``thread/resume``; a message is ``turn/start``.  A resume that
fails (an error, or another thread than the one asked for) ends the dialogue: nothing is sent after it, `ready` stays
False, and the error's line, with the request it answers, tells the normaliser that the resume failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loops.known.codex import CLIENT, POLICIES
from loops.known.model import Known
from loops.runner.jsonline import read, said, write
from loops.runner.order import RunOrder
from loops.streams.reading import identity, rows, table, text

_METHOD_NOT_FOUND = -32601
_ALONE = "Nobody is here to answer. Decide yourself, and say what you decided and why."


class CodexDialogue:
    """One run of codex; see `loops.runner.dialogue.Dialogue`."""

    __slots__ = ("_approvals", "_calls", "_closed", "_interrupted", "_order", "_thread", "_turn", "_waits")

    def __init__(self, order: RunOrder, known: Known) -> None:
        """Drive the run that *order* describes; nothing was said yet."""
        self._order = order
        self._calls = 0
        self._closed = False
        self._waits: dict[int, str] = {}
        """Our requests without an answer: their method, by their id."""
        self._approvals: dict[str, tuple[Any, str, dict[str, Any]]] = {}
        """Codex' questions without an answer: the id as it came, method and params, by the id as text."""
        self._thread = ""
        self._turn = ""
        self._interrupted = False
        """An interrupt was asked for before the turn had an id."""

    # ---- what the runner asks for --------------------------------------------------------------------------------

    def open(self) -> Sequence[bytes]:
        """Introduce ourselves."""
        return [self._call("initialize", {"clientInfo": dict(CLIENT)})]

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Take in a response, a notification or a request of codex."""
        message = read(line)
        if message is None:
            return ()
        method, raw_id = text(message, "method"), message.get("id")
        if method and raw_id is not None:
            return self._asked(raw_id, method, table(message, "params"))
        if method:
            return self._told(method, table(message, "params"))
        return self._answered(raw_id, message)

    @property
    def ready(self) -> bool:
        """Whether the thread is open."""
        return bool(self._thread)

    @property
    def closed(self) -> bool:
        """Whether codex refused it, or opened another one."""
        return self._closed

    def say(self, text: str) -> Sequence[bytes]:
        """Start a turn."""
        self._interrupted = False
        turn: dict[str, Any] = {"threadId": self._thread, "input": [{"type": "text", "text": said(text)}]}
        if self._order.effort:
            turn["effort"] = self._order.effort
        return [self._call("turn/start", turn)]

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Answer an approval; codex' refusals have no place for a reason, so it follows as a word into the turn."""
        asked = self._approvals.pop(request, None)
        if asked is None:
            return ()
        raw_id, method, params = asked
        lines = [write({"id": raw_id, "result": _decision(method, params, allow, reason)})]
        if reason and not allow and self._turn:
            words = {"type": "text", "text": said(f"The request was refused: {reason}")}
            steer = {"threadId": self._thread, "input": [words], "expectedTurnId": self._turn}
            lines.append(self._call("turn/steer", steer))
        return lines

    def interrupt(self) -> Sequence[bytes]:
        """End the turn; one whose id is still to come is ended as soon as it has come."""
        if self._turn:
            return [self._call("turn/interrupt", {"threadId": self._thread, "turnId": self._turn})]
        self._interrupted = "turn/start" in self._waits.values()
        return ()

    # ---- what codex says -----------------------------------------------------------------------------------------

    def _answered(self, raw_id: Any, message: dict[str, Any]) -> Sequence[bytes]:
        """Take in the response to one of our requests."""
        method = self._waits.pop(raw_id, "") if isinstance(raw_id, int) else ""
        if "result" not in message:
            self._closed = self._closed or method in ("initialize", "thread/start", "thread/resume")
            return ()
        if method == "initialize":
            return [write({"method": "initialized"}), self._open_thread()]
        if method in ("thread/start", "thread/resume"):
            found = text(table(table(message, "result"), "thread"), "id")
            if not self._order.conversation or found == self._order.conversation:
                self._thread = found
            self._closed = not self._thread
        elif method == "turn/start":
            return self._turn_named(text(table(table(message, "result"), "turn"), "id"))
        return ()

    def _told(self, method: str, params: dict[str, Any]) -> Sequence[bytes]:
        """Take in a notification.  Threads that codex opens for itself (titles, helpers) are not ours."""
        if method == "serverRequest/resolved":
            self._approvals.pop(identity(params.get("requestId")), None)
        elif params.get("threadId") != self._thread or not self._thread:
            return ()
        elif method == "turn/started":
            return self._turn_named(text(table(params, "turn"), "id"))
        elif method == "turn/completed":
            self._turn = ""
        return ()

    def _asked(self, raw_id: Any, method: str, params: dict[str, Any]) -> Sequence[bytes]:
        """Keep an approval until somebody answers it; answer every other request at once."""
        if method.endswith("Approval") and (request := identity(raw_id)):
            self._approvals[request] = (raw_id, method, params)
            return ()
        result = _unattended(method, params)
        if result is None:
            error = {"code": _METHOD_NOT_FOUND, "message": f"this client does not do {method}"}
            return [write({"id": raw_id, "error": error})]
        return [write({"id": raw_id, "result": result})]

    def _turn_named(self, turn: str) -> Sequence[bytes]:
        self._turn = turn
        if not (turn and self._interrupted):
            return ()
        self._interrupted = False
        return self.interrupt()

    # ---- what we send --------------------------------------------------------------------------------------------

    def _open_thread(self) -> bytes:
        order = self._order
        params: dict[str, Any] = {"cwd": order.directory, **POLICIES[order.permissions]}
        if order.model:
            params["model"] = order.model
        if order.conversation:
            return self._call("thread/resume", {"threadId": order.conversation, "excludeTurns": True, **params})
        return self._call("thread/start", params)

    def _call(self, method: str, params: dict[str, Any]) -> bytes:
        self._calls += 1
        self._waits[self._calls] = method
        return write({"id": self._calls, "method": method, "params": params})


def _decision(method: str, params: dict[str, Any], allow: bool, reason: str) -> dict[str, Any]:
    """Return the result that *method*'s schema wants for a yes or a no.

    A no is ``decline`` (the turn goes on), also where codex proposes ``cancel`` alone (the turn would end).
    """
    if method == "item/permissions/requestApproval":
        return {"permissions": table(params, "permissions") if allow else {}, "scope": "turn"}
    if method.endswith("/requestApproval"):
        return {"decision": "accept" if allow else "decline"}
    return {"decision": "approved" if allow else {"denied": {"rejection": said(reason) or "refused"}}}


def _unattended(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result for a request that nobody is there to answer; None: it is none that we know."""
    if method == "item/tool/requestUserInput":
        return {"answers": {text(question, "id"): {"answers": [_ALONE]} for question in rows(params, "questions")}}
    if method == "mcpServer/elicitation/request":
        return {"action": "decline"}
    if method == "item/tool/call":
        return {"contentItems": [{"type": "inputText", "text": "There is no such tool."}], "success": False}
    return None
