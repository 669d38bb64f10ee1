"""The Agent Client Protocol: what the recorded conversation does not show."""

from __future__ import annotations

import json
from typing import Any

from loops.streams.event import Event
from loops.streams.normaliser import Normaliser

SESSION = "s1"


class Conversation:
    """Feeds a normaliser with both sides of a conversation."""

    def __init__(self, resumed: str = "") -> None:
        self._normaliser = Normaliser("acp", "", "b.1", "b", conversation=resumed, utc_offset=0)
        self._at = 1_800_000_000.0
        self.events: list[Event] = []

    def line(self, stream: str, **document: Any) -> None:
        self._at += 1
        self.events += self._normaliser.feed(stream, json.dumps({"jsonrpc": "2.0", **document}).encode(), self._at)

    def open(self) -> None:
        self.line("in", id=1, method="session/new", params={"cwd": "/srv"})
        self.line("out", id=1, result={"sessionId": SESSION})

    def prompt(self, text: str = "[nudge n1] Go on") -> None:
        self.line("in", id=2, method="session/prompt", params={"prompt": [{"type": "text", "text": text}]})

    def update(self, update: str, /, **more: Any) -> None:
        self.line("out", method="session/update", params={"update": {"sessionUpdate": update, **more}})

    def say(self, text: str) -> None:
        self.update("agent_message_chunk", messageId="m1", content={"type": "text", "text": text})

    def ask(self) -> None:
        call = {"toolCallId": "t1", "title": "rm -r /", "kind": "execute", "rawInput": {"command": "rm -r /"}}
        options = [{"optionId": "y", "kind": "allow_once"}, {"optionId": "n", "kind": "reject_once"}]
        self.line("out", id=0, method="session/request_permission", params={"toolCall": call, "options": options})

    def end(self, **result: Any) -> None:
        self.line("out", id=2, result={"stopReason": "end_turn", **result})

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.type in types]


def test_a_message_in_pieces_is_told_when_it_is_whole() -> None:
    acp = Conversation()
    acp.open()
    acp.prompt()
    acp.say("Do")
    acp.say("ne.")
    acp.end()
    assert [data["text"] for data in acp.of("message.assistant")] == ["Done."]
    assert acp.of("turn.completed")[0]["text"] == "Done."


def test_a_turn_of_which_the_only_action_was_refused_was_denied() -> None:
    acp = Conversation()
    acp.open()
    acp.prompt()
    acp.update("tool_call", toolCallId="t1", title="bash", kind="execute", status="pending")
    acp.update("tool_call_update", toolCallId="t1", status="in_progress", rawInput={"command": "rm -r /"})
    acp.ask()
    acp.line("in", id=0, result={"outcome": {"outcome": "selected", "optionId": "n"}})
    acp.update("tool_call_update", toolCallId="t1", status="failed")
    acp.end()
    assert [data["by"] for data in acp.of("approval.denied")] == ["policy"]
    assert [data["status"] for data in acp.of("tool.completed")] == ["declined"]
    assert [data["class"] for data in acp.of("turn.failed")] == ["denied"]


def test_an_error_is_read_by_its_name_its_words_or_its_status() -> None:
    for error, kind in (
        (
            {"code": -32603, "message": "Internal error", "data": {"errorName": "ContextOverflowError"}},
            "context_overflow",
        ),
        ({"code": -32603, "message": "Internal error: Incorrect API key provided: x"}, "auth"),
        ({"code": -32000, "message": "Authentication required"}, "auth"),
        ({"code": -32603, "message": "no", "data": {"statusCode": 503}}, "provider_unavailable"),
        ({"code": -32603, "message": "Internal error"}, "other"),
    ):
        acp = Conversation()
        acp.open()
        acp.prompt()
        acp.line("out", id=2, error=error)
        assert [data["class"] for data in acp.of("turn.failed")] == [kind]


def test_the_history_that_a_load_repeats_is_no_news() -> None:
    acp = Conversation(resumed=SESSION)
    acp.line("in", id=1, method="session/load", params={"sessionId": SESSION})
    acp.say("What was said before.")
    acp.line("out", id=1, result={})
    assert [event.type for event in acp.events] == ["session.resumed"]
    assert acp.of("session.resumed")[0]["conversation"] == SESSION


def test_a_conversation_that_cannot_be_loaded_is_a_failed_resume() -> None:
    acp = Conversation(resumed=SESSION)
    acp.line("in", id=1, method="session/load", params={"sessionId": SESSION})
    acp.line("out", id=1, error={"code": -32602, "message": "unknown session"})
    assert [data["class"] for data in acp.of("error")] == ["resume_failed"]


def test_tokens_are_told_with_cache_and_thought_whichever_way_the_agent_counts() -> None:
    for usage in (
        {"inputTokens": 200, "outputTokens": 24, "thoughtTokens": 10, "cachedReadTokens": 1000, "totalTokens": 1234},
        {"inputTokens": 1200, "outputTokens": 34, "thoughtTokens": 10, "cachedReadTokens": 1000, "totalTokens": 1234},
    ):
        acp = Conversation()
        acp.open()
        acp.prompt()
        acp.say("Done.")
        acp.end(usage=usage)
        (used,) = acp.of("usage.updated")
        assert (used["usage"]["input_tokens"], used["usage"]["output_tokens"]) == (1200, 34)


def test_only_what_a_turn_added_to_the_cost_is_its_own() -> None:
    acp = Conversation()
    acp.open()
    for total in (0.5, 0.75):
        acp.prompt()
        acp.say("Done.")
        acp.update("usage_update", used=1, size=2, cost={"amount": total, "currency": "USD"})
        acp.end(usage={"inputTokens": 1, "outputTokens": 1, "totalTokens": 2})
    assert [data["cost"]["amount"] for data in acp.of("usage.updated")] == [0.5, 0.25]


def test_what_a_resumed_conversation_had_cost_before_is_not_told() -> None:
    acp = Conversation(resumed=SESSION)
    acp.line("in", id=1, method="session/resume", params={"sessionId": SESSION})
    acp.line("out", id=1, result={})
    for total in (7.0, 7.25):
        acp.prompt()
        acp.say("Done.")
        acp.update("usage_update", used=1, size=2, cost={"amount": total, "currency": "USD"})
        acp.end(usage={"inputTokens": 1, "outputTokens": 1, "totalTokens": 2})
    assert [data["cost"] and data["cost"]["amount"] for data in acp.of("usage.updated")] == [None, 0.25]
