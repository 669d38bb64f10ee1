"""What opencode did while its events had broken off is read from the answers to what was asked afterwards."""

from __future__ import annotations

import json
from typing import Any

from loops.streams.event import Event
from loops.streams.normaliser import Normaliser

OURS = "ses_e01d7fd6affeEgrxGQY1rzNmIw"
PROMPT = {
    "info": {"id": "msg_1", "role": "user", "sessionID": OURS},
    "parts": [{"id": "p0", "type": "text", "text": "x"}],
}
ANSWER = {
    "info": {"id": "msg_2", "role": "assistant", "sessionID": OURS, "finish": "stop"},
    "parts": [
        {"id": "p1", "type": "text", "text": "done", "time": {"start": 1, "end": 2}, "messageID": "msg_2"},
        {
            "id": "p2",
            "type": "step-finish",
            "reason": "stop",
            "tokens": {"input": 3, "output": 4},
            "messageID": "msg_2",
        },
    ],
}
OLD = {"info": {"id": "msg_0", "role": "assistant", "error": {"name": "UnknownError"}}, "parts": ANSWER["parts"]}
ASKED = {"id": "per_1", "sessionID": OURS, "permission": "bash", "metadata": {"command": "ls"}, "patterns": ["ls"]}


def started() -> Normaliser:
    normaliser = Normaliser("opencode", "1.18.33", "one.1", "one")
    answer(normaliser, "POST /session", {"id": OURS})
    body = {"parts": [{"type": "text", "text": "x"}]}
    normaliser.feed(
        "in", json.dumps({"method": "POST", "path": f"/session/{OURS}/prompt_async", "body": body}).encode(), 1.0
    )
    return normaliser


def answer(normaliser: Normaliser, to: str, body: Any) -> list[Event]:
    return normaliser.feed("out", json.dumps({"response": {"to": to, "status": 200, "body": body}}).encode(), 2.0)


def messages(normaliser: Normaliser, *found: Any) -> list[Event]:
    return answer(normaliser, f"GET /session/{OURS}/message?limit=20", list(found))


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_a_turn_that_ended_meanwhile_is_told_once_with_its_words_and_tokens():
    normaliser = started()
    assert kinds(messages(normaliser, OLD, PROMPT, ANSWER)) == ["message.assistant", "usage.updated"]
    (ended,) = answer(normaliser, "GET /session/status", {})
    assert (ended.type, ended.data["text"]) == ("turn.completed", "done")
    assert answer(normaliser, "GET /session/status", {}) == []
    assert messages(normaliser, OLD, PROMPT, ANSWER) == []


def test_a_turn_that_failed_meanwhile_is_told_as_failed():
    normaliser = started()
    error = {"name": "APIError", "data": {"message": "Incorrect API key provided: mock.", "statusCode": 401}}
    messages(normaliser, PROMPT, {"info": {"id": "msg_2", "role": "assistant", "error": error}, "parts": []})
    (failed,) = answer(normaliser, "GET /session/status", {})
    assert (failed.type, failed.data["class"]) == ("turn.failed", "auth")


def test_a_turn_that_runs_on_is_not_ended():
    normaliser = started()
    messages(normaliser, PROMPT, ANSWER)
    assert "turn.completed" not in kinds(answer(normaliser, "GET /session/status", {OURS: {"type": "busy"}}))


def test_a_prompt_that_the_server_has_not_begun_with_is_not_ended():
    normaliser = started()
    messages(normaliser, PROMPT)
    assert answer(normaliser, "GET /session/status", {}) == []


def test_a_question_that_was_asked_meanwhile_is_told_once():
    normaliser = started()
    (asked, _) = answer(normaliser, "GET /permission", [ASKED])
    assert (asked.type, asked.data["request"], asked.data["text"]) == ("approval.requested", "per_1", "ls")
    again = json.dumps({"type": "permission.asked", "properties": ASKED}).encode()
    assert kinds(normaliser.feed("out", again, 3.0)) == []


def test_a_conversation_that_cannot_be_opened_is_a_failed_turn():
    normaliser = Normaliser("opencode", "1.18.33", "one.1", "one")
    refused = {
        "response": {"to": "POST /session", "status": 500, "body": {"name": "UnknownError", "data": {"message": "x"}}}
    }
    (failed,) = normaliser.feed("out", json.dumps(refused).encode(), 2.0)
    assert (failed.type, failed.data["class"]) == ("turn.failed", "other")
