"""What claude and codex write into their own records of a conversation, read beside the hooks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loops.streams.event import Event
from loops.streams.normaliser import Normaliser


class Told:
    """The events of a run that is fed line by line."""

    def __init__(self, engine: str) -> None:
        self._normaliser = Normaliser(engine, "", "a.1", "a", utc_offset=0)
        self._now = 1795247000.0

    def __call__(self, stream: str, **document: Any) -> list[Event]:
        self._now += 1.0
        return self._normaliser.feed(stream, json.dumps(document).encode(), self._now)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def answer(id: str, stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 200, "cache_read_input_tokens": 1000, "output_tokens": 34}
    return {"type": "assistant", "message": {"id": id, "model": "m", "stop_reason": stop, "usage": usage}, **more}


def request(source: str = "repl_main_thread") -> dict[str, Any]:
    return {"type": "api-request", "querySource": source}


def claude() -> Told:
    told = Told("claude")
    told("hook", hook_event_name="SessionStart", session_id="s", source="startup")
    told("hook", hook_event_name="UserPromptSubmit", session_id="s", prompt="go")
    return told


def test_claude_tells_the_tokens_of_each_answer_once():
    told = claude()
    assert told("transcript", **answer("m1", stop=None)) == []
    (used,) = told("transcript", **answer("m1"))
    assert told("transcript", **answer("m1")) == []
    assert used.type == "usage.updated"
    assert used.data["usage"]["input_tokens"] == 1200
    assert used.data["usage"]["output_tokens"] == 34


def test_claudes_own_words_cost_nothing():
    told = claude()
    assert told("transcript", **answer("m1", isApiErrorMessage=True)) == []


def test_a_request_without_an_answer_before_it_is_a_retry_and_the_first_one_blames_the_provider():
    told = claude()
    assert told("transcript", **request()) == []
    assert types(told("transcript", **request()))[:2] == ["retry.scheduled", "provider.unavailable"]
    assert types(told("transcript", **request())) == ["retry.scheduled"]


def test_a_retry_is_no_failure_of_the_turn():
    told = claude()
    told("transcript", **request())
    told("transcript", **request())
    told("transcript", **answer("m1"))
    assert "turn.completed" in types(told("hook", hook_event_name="Stop", session_id="s", last_assistant_message="x"))


def test_requests_that_follow_answers_or_are_for_something_else_are_none():
    told = claude()
    for id in ("m1", "m2"):
        assert told("transcript", **request()) == []
        assert types(told("transcript", **answer(id, "tool_use"))) == ["usage.updated"]
    assert told("transcript", **request()) == []
    assert told("transcript", **request("session_title")) == []


def test_nothing_else_in_claudes_record_is_of_interest():
    told = claude()
    for kind in ("mode", "permission-mode", "file-history-snapshot", "attachment", "last-prompt", "queue-operation"):
        assert told("transcript", type=kind) == []


def test_codex_counter_tells_each_requests_tokens_once():
    told = Told("codex")
    told("hook", hook_event_name="SessionStart", session_id="s", model="m")
    told("hook", hook_event_name="UserPromptSubmit", session_id="s", model="m", prompt="go")

    def count(total: int, last: int) -> dict[str, Any]:
        info = {
            "total_token_usage": {"input_tokens": total, "output_tokens": total // 100},
            "last_token_usage": {"input_tokens": last, "cached_input_tokens": 1000, "output_tokens": last // 100},
        }
        return {"type": "event_msg", "payload": {"type": "token_count", "info": info}}

    assert told("rollout", type="event_msg", payload={"type": "token_count", "info": None}) == []
    (first,) = told("rollout", **count(1200, 1200))
    assert told("rollout", **count(1200, 1200)) == []
    (second,) = told("rollout", **count(2500, 1300))
    assert [event.data["usage"]["input_tokens"] for event in (first, second)] == [1200, 1300]
    assert first.data["model"] == "m"


@pytest.mark.parametrize(("hooks", "outcome"), [(True, "logout"), (False, "completed")], ids=["said", "unsaid"])
def test_the_end_of_a_conversation_is_one_event_whether_or_not_the_agent_says_it_first(hooks: bool, outcome: str):
    told = claude()
    events = told("hook", hook_event_name="SessionEnd", session_id="s", reason="logout") if hooks else []
    events += told("runner", type="process.ended", code=0, signal=None)
    assert [event.data["outcome"] for event in events if event.type.endswith("session.ended")] == [outcome]
    assert "run.ended" in types(events)
