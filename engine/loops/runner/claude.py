"""Claude Code's control protocol: JSON lines both ways, with requests that either side may make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from loops.known.model import Known
from loops.runner.order import RunOrder

_INITIALIZE = "loops-initialize"
_ANSWERABLE = "can_use_tool"


class ClaudeDialogue:
    """One run of ``claude -p`` with streams in both directions (see `loops.runner.dialogue.Dialogue`)."""

    def __init__(self, order: RunOrder, known: Known) -> None:
        """*order* and *known* say nothing here that the command line has not said."""
        self._ready = False
        self._inputs: dict[str, Any] = {}
        """What each open approval asks to run: an allowed tool is told its input again."""
        self._interrupts = 0

    def open(self) -> Sequence[bytes]:
        """Ask for the control protocol."""
        return (_request(_INITIALIZE, {"subtype": "initialize", "hooks": {}}),)

    @property
    def ready(self) -> bool:
        """Whether the program has answered at all: a conversation that cannot be resumed ends it before."""
        return self._ready

    @property
    def closed(self) -> bool:
        """Never: the program ends by itself then."""
        return False

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Follow the control messages; everything else is the normaliser's."""
        if b'"control_' not in line:
            return ()
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return ()
        match message:
            case {"type": "control_response", "response": {"request_id": id}} if id == _INITIALIZE:
                self._ready = True
            case {"type": "control_request", "request_id": str(id), "request": {"subtype": str(subtype), **asked}}:
                if subtype != _ANSWERABLE:
                    return (_answer(id, "error", error=f"this client does not do {subtype}"),)
                self._inputs[id] = asked.get("input")
            case {"type": "control_cancel_request", "request_id": str(id)}:
                self._inputs.pop(id, None)
        return ()

    def say(self, text: str) -> Sequence[bytes]:
        """A message of the user."""
        return (_line({"type": "user", "message": {"role": "user", "content": text}}),)

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Allow the tool as it was asked for, or deny it with the reason, which the model reads."""
        asked = self._inputs.pop(request, None)
        if allow:
            decision = {"behavior": "allow", "updatedInput": asked if isinstance(asked, dict) else {}}
        else:
            decision = {"behavior": "deny", "message": reason or "denied"}
        return (_answer(request, "success", response=decision),)

    def interrupt(self) -> Sequence[bytes]:
        """End the turn; open approvals end with it."""
        self._interrupts += 1
        self._inputs.clear()
        return (_request(f"loops-interrupt-{self._interrupts}", {"subtype": "interrupt"}),)


def _request(id: str, request: dict[str, Any]) -> bytes:
    return _line({"type": "control_request", "request_id": id, "request": request})


def _answer(id: str, subtype: str, **more: Any) -> bytes:
    return _line({"type": "control_response", "response": {"subtype": subtype, "request_id": id, **more}})


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
