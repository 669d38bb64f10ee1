"""The Agent Client Protocol, version 1, as a client: JSON-RPC 2.0, one message a line.

``initialize``; ``session/new``, or ``session/resume`` (``session/load`` where there is no such thing: it tells the whole
conversation once more); the model and the effort, where they are offered; then a message is ``session/prompt``.  A step
that fails ends the dialogue: nothing is sent after it and `ready` stays False.

We declare no file system and no terminal, so requests for them are answered with "method not found".  The package
``agent-client-protocol`` would bring pydantic and asyncio for what are eight methods and three requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from loops.known.acp import ALLOWED, CLIENT, REFUSED
from loops.known.model import Known
from loops.runner.jsonline import read, said, write
from loops.runner.order import RunOrder
from loops.streams.reading import identity, rows, table, text

VERSION = 1
_METHOD_NOT_FOUND = -32601
_MODEL, _EFFORT = "model", "thought_level"
"""Categories of the options of a conversation."""


class AcpDialogue:
    """One run of an agent that speaks ACP; see `loops.runner.dialogue.Dialogue`."""

    __slots__ = ("_approvals", "_calls", "_closed", "_conversation", "_left", "_order", "_ready", "_waits")

    def __init__(self, order: RunOrder, known: Known) -> None:
        """Drive the run that *order* describes; nothing was said yet."""
        self._order = order
        self._calls = 0
        self._waits: dict[int, str] = {}
        """Our requests without an answer: their method, by their id."""
        self._approvals: dict[str, tuple[Any, dict[str, Any]]] = {}
        """The agent's questions without an answer: the id as it came and the params, by the id as text."""
        self._conversation = order.conversation
        self._left: deque[tuple[str, dict[str, Any]]] = deque()
        """What is to be set before the first message."""
        self._ready = self._closed = False

    # ---- what the runner asks for ------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the conversation is open, with the model that was ordered."""
        return self._ready

    @property
    def closed(self) -> bool:
        """Whether a step to it failed."""
        return self._closed

    def open(self) -> Sequence[bytes]:
        """Introduce ourselves."""
        able = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        params = {"protocolVersion": VERSION, "clientCapabilities": able, "clientInfo": dict(CLIENT)}
        return [self._call("initialize", params)]

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Take in a response, a notification or a request of the agent."""
        message = read(line)
        if message is None:
            return ()
        method, known_as = text(message, "method"), message.get("id")
        if method:
            return () if known_as is None else self._asked(known_as, method, table(message, "params"))
        done = self._waits.pop(known_as, "") if isinstance(known_as, int) else ""
        if not done:
            return ()
        if "result" not in message:
            self._closed = done != "session/prompt"
            return ()
        return self._answered(done, table(message, "result"))

    def say(self, text: str) -> Sequence[bytes]:
        """Start a turn."""
        return [self._call("session/prompt", self._here(prompt=[{"type": "text", "text": said(text)}]))]

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Select the option for this once; the protocol has no place for a reason."""
        asked = self._approvals.pop(request, None)
        if asked is None:
            return ()
        known_as, params = asked
        return [write({"jsonrpc": "2.0", "id": known_as, "result": {"outcome": _outcome(params, allow)}})]

    def interrupt(self) -> Sequence[bytes]:
        """End the turn, and withdraw what is asked in it, as the protocol wants it."""
        if not self._conversation:
            return ()
        withdrawn = [
            write({"jsonrpc": "2.0", "id": known_as, "result": {"outcome": {"outcome": "cancelled"}}})
            for known_as, _ in self._approvals.values()
        ]
        self._approvals.clear()
        return [write({"jsonrpc": "2.0", "method": "session/cancel", "params": self._here()}), *withdrawn]

    # ---- what the agent says -----------------------------------------------------------------------------------------

    def _answered(self, method: str, result: dict[str, Any]) -> Sequence[bytes]:
        if method == "initialize":
            self._closed = result.get("protocolVersion") != VERSION
            return () if self._closed else self._open_conversation(result)
        if method in ("session/new", "session/resume", "session/load"):
            self._conversation = text(result, "sessionId") or self._order.conversation
            self._left = deque(self._wishes(result))
            return self._settle()
        if method in ("session/set_config_option", "session/set_model"):
            return self._settle()
        return ()

    def _asked(self, known_as: Any, method: str, params: dict[str, Any]) -> Sequence[bytes]:
        """Keep an approval until somebody answers it, or the permissions do; refuse what we cannot do."""
        if method != "session/request_permission":
            error = {"code": _METHOD_NOT_FOUND, "message": f"this client does not do {method}"}
            return [write({"jsonrpc": "2.0", "id": known_as, "error": error})]
        request = identity(known_as)
        self._approvals[request] = (known_as, params)
        kind = text(table(params, "toolCall"), "kind")
        allowed, refused = ALLOWED[self._order.permissions], REFUSED[self._order.permissions]
        if allowed is None or kind in allowed:
            return self.answer(request, True, "")
        return self.answer(request, False, "") if refused else ()

    def _open_conversation(self, result: dict[str, Any]) -> Sequence[bytes]:
        able = table(result, "agentCapabilities")
        order = self._order
        place: dict[str, Any] = {"cwd": order.directory, "mcpServers": []}
        if not order.conversation:
            return [self._call("session/new", place)]
        resumes = isinstance(table(able, "sessionCapabilities").get("resume"), dict)
        # One that can do neither answers with an error: the resume has failed, and is said to have.
        return [self._call("session/resume" if resumes else "session/load", self._here(**place))]

    def _wishes(self, result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the calls that set what is ordered.  A model is set in every case: another one will not do."""
        order = self._order
        options = rows(result, "configOptions")
        named = {text(option, "category"): text(option, "id") for option in reversed(options)}
        wishes: list[tuple[str, dict[str, Any]]] = []
        if order.model and _MODEL in named:
            wishes.append(("session/set_config_option", self._here(configId=named[_MODEL], value=order.model)))
        elif order.model:
            wishes.append(("session/set_model", self._here(modelId=order.model)))
        if order.effort and _EFFORT in named:
            wishes.append(("session/set_config_option", self._here(configId=named[_EFFORT], value=order.effort)))
        return wishes

    def _settle(self) -> Sequence[bytes]:
        if self._left:
            return [self._call(*self._left.popleft())]
        self._ready = bool(self._conversation)
        self._closed = not self._ready
        return ()

    # ---- what we send ------------------------------------------------------------------------------------------------

    def _here(self, **params: Any) -> dict[str, Any]:
        return {"sessionId": self._conversation, **params}

    def _call(self, method: str, params: dict[str, Any]) -> bytes:
        self._calls += 1
        self._waits[self._calls] = method
        return write({"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params})


def _outcome(params: dict[str, Any], allow: bool) -> dict[str, Any]:
    """Return the outcome that means yes or no: this once where it is offered, else always; no such option: cancelled."""
    options = rows(params, "options")
    for kind in ("allow_once", "allow_always") if allow else ("reject_once", "reject_always"):
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": "selected", "optionId": option["optionId"]}
    return {"outcome": "cancelled"}
