"""A turn of opencode begins with our prompt, before its server has said a word of it."""

from __future__ import annotations

import json
from typing import Any

from loops.streams.event import Event
from loops.streams.normaliser import Normaliser

OURS = "ses_e01d7fd6affeEgrxGQY1rzNmIw"
PROMPT = f"/session/{OURS}/prompt_async"
GO_ON = {"parts": [{"type": "text", "text": "go on"}]}
REFUSED = {"name": "APIError", "data": {"message": "You do not have access to this resource.", "statusCode": 403}}


def sent(normaliser: Normaliser, path: str, body: Any = None) -> list[Event]:
    line = json.dumps({"method": "POST", "path": path, "body": body}).encode()
    return normaliser.feed("in", line, 1.0)


def heard(normaliser: Normaliser, kind: str, **properties: Any) -> list[Event]:
    line = json.dumps({"type": kind, "properties": {"sessionID": OURS, **properties}}).encode()
    return normaliser.feed("out", line, 2.0)


def status(normaliser: Normaliser, kind: str) -> list[Event]:
    return heard(normaliser, "session.status", status={"type": kind})


def after_a_refused_turn() -> Normaliser:
    """The server has said the failure, and not yet that its loop has ended."""
    normaliser = Normaliser("opencode", "1.18.33", "one.1", "one")
    sent(normaliser, PROMPT, {"parts": [{"type": "text", "text": "begin"}]})
    status(normaliser, "busy")
    heard(normaliser, "session.error", error=REFUSED)
    (failed,) = status(normaliser, "idle")
    assert failed.type == "turn.failed"
    return normaliser


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_a_prompt_that_was_let_lie_and_prompted_again_is_one_turn_with_one_message():
    normaliser = after_a_refused_turn()
    assert kinds(sent(normaliser, PROMPT, GO_ON))[:2] == ["turn.started", "message.user"]
    assert status(normaliser, "idle") == [], "of the refused turn"
    assert sent(normaliser, PROMPT, {**GO_ON, "messageID": "msg_2"}) == []
    assert status(normaliser, "busy") == []
    assert kinds(status(normaliser, "idle")) == ["turn.completed"]


def test_a_turn_that_the_server_never_began_with_ends_when_it_is_broken_off():
    normaliser = after_a_refused_turn()
    sent(normaliser, PROMPT, GO_ON)
    sent(normaliser, f"/session/{OURS}/abort")
    (ended,) = status(normaliser, "idle")
    assert (ended.type, ended.data["stop_reason"]) == ("turn.completed", "cancelled")
