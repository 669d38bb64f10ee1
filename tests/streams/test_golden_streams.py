"""Streams of real agents, normalized: compared with what was looked at, and with the contract."""

from __future__ import annotations

import json

import contract
import pytest
import recordings
from loops.streams.event import Event

EXPECTED = {
    "claude-badmodel": "model_not_found",
    "claude-billing": "billing",
    "claude-context": "context_overflow",
    "claude-deny": "denied",
    "claude-dontask": "denied",
    "claude-e401": "auth",
    "claude-e429": "rate_limit",
    "claude-e500": "provider_unavailable",
    "claude-lost": "resume_failed",
    "claude-limit": "rate_limit",
    "claude-planlimit": "limit_reached",
    "claude-refused": "provider_unavailable",
    "claude-tui-limit": "limit_reached",
    "claude-2.1.197-limit": "rate_limit",
    "codex-badmodel": "model_not_found",
    "codex-billing": "billing",
    "codex-context": "context_overflow",
    "codex-cut": "truncated",
    "codex-deny": "denied",
    "codex-read": "denied",
    "codex-e401": "auth",
    "codex-e429": "rate_limit",
    "codex-e500": "provider_unavailable",
    "codex-exec-limit": "limit_reached",
    "codex-limit": "limit_reached",
    "codex-tui-limit": "limit_reached",
    "codex-refused": "provider_unavailable",
    "opencode-badmodel": "model_not_found",
    "opencode-billing": "billing",
    "opencode-context": "context_overflow",
    "opencode-cut": "truncated",
    "opencode-deny": "denied",
    "opencode-e401": "auth",
    "opencode-e429": "rate_limit",
    "opencode-e500": "provider_unavailable",
    "opencode-nomodel": "model_not_found",
    "opencode-refused": "provider_unavailable",
    "opencode-run-limit": "billing",
    "pi-badmodel": "model_not_found",
    "pi-billing": "billing",
    "pi-context": "context_overflow",
    "pi-cut": "truncated",
    "pi-deny": "denied",
    "pi-e401": "auth",
    "pi-e429": "rate_limit",
    "pi-e500": "provider_unavailable",
    "pi-lost": "resume_failed",
    "pi-json-refused": "provider_unavailable",
    "pi-refused": "provider_unavailable",
}
"""Why the turn of a recording failed.  Not here: it went well, was interrupted, or never began."""
WITHOUT_TURN = {"codex-lost", "opencode-lost"}
UNFINISHED = {"codex-exec-refused"}


def of(found: list[Event], *types: str) -> list[Event]:
    return [event for event in found if event.type in types]


@pytest.mark.parametrize("name", recordings.NAMES)
def test_a_recording_gives_the_events_that_were_looked_at(name: str) -> None:
    found = [event.line for event in recordings.events(name)]
    assert found == recordings.golden(name).read_bytes().splitlines()


@pytest.mark.parametrize("name", recordings.NAMES)
def test_every_event_of_a_recording_keeps_the_contract(name: str) -> None:
    assert [problem for event in recordings.events(name) for problem in contract.problems(event.line)] == []


@pytest.mark.parametrize("name", recordings.NAMES)
def test_only_words_of_the_program_itself_are_unmapped(name: str) -> None:
    assert {event.data["raw_type"] for event in of(recordings.events(name), "backend.unmapped")} <= {"text"}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_turn_fails_for_its_reason(name: str) -> None:
    ends = of(recordings.events(name), "turn.completed", "turn.failed")
    assert [(end.type, end.data.get("class")) for end in ends] == [("turn.failed", EXPECTED[name])]


@pytest.mark.parametrize("name", sorted(set(recordings.NAMES) - set(EXPECTED) - WITHOUT_TURN - UNFINISHED))
def test_every_turn_that_began_ends_well(name: str) -> None:
    found = recordings.events(name)
    ends = of(found, "turn.completed", "turn.failed")
    assert {end.type for end in ends} == {"turn.completed"}
    assert len(ends) == len(of(found, "turn.started"))


@pytest.mark.parametrize("name", recordings.NAMES)
def test_turns_begin_and_end_in_turn(name: str) -> None:
    marks = [event.type for event in of(recordings.events(name), "turn.started", "turn.completed", "turn.failed")]
    assert marks[::2] == ["turn.started"] * len(marks[::2])
    assert "turn.started" not in marks[1::2]


@pytest.mark.parametrize("name", ["claude-ok", "codex-ok", "opencode-ok", "pi-ok"])
def test_a_turn_names_the_nudge_that_began_it(name: str) -> None:
    started = of(recordings.events(name), "turn.started")
    assert [event.data["nudge"] for event in started] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("name", "requests", "reasoning"),
    [
        ("claude-ok", 3, 0),
        ("codex-ok", 3, 10),
        ("opencode-ok", 3, 10),
        ("pi-ok", 3, 0),
        ("codex-resume", 1, 10),
        ("claude-resume", 1, 0),
        ("codex-exec-ok", 2, 10),
        ("codex-tui-rollout", 4, 10),
        ("opencode-run-ok", 2, 10),
        ("claude-2.1.197-ok", 2, 0),
    ],
)
def test_tokens_mean_the_same_for_every_backend_and_count_no_history(name: str, requests: int, reasoning: int) -> None:
    """The mock provider reports 1200 tokens in (1000 of them cached) and 34 out (10 reasoning) for each request."""
    used = [event.data["usage"] for event in of(recordings.events(name), "usage.updated")]
    total = {key: sum(usage[key] for usage in used) for key in used[0]}
    assert total["input_tokens"] == 1200 * requests
    assert total["cache_read_input_tokens"] == 1000 * requests
    assert total["output_tokens"] == 34 * requests
    assert total["reasoning_output_tokens"] == reasoning * requests


@pytest.mark.parametrize("name", ["claude-ok", "codex-accept", "opencode-approve", "pi-approve", "acp-opencode-ok"])
def test_an_approval_is_asked_with_its_id_and_ended_once(name: str) -> None:
    found = recordings.events(name)
    (asked,) = of(found, "approval.requested")
    (granted,) = of(found, "approval.granted", "approval.denied", "approval.expired")
    assert asked.data["approval_id"] == "builder.1-a1"
    assert "echo hello-from-mock > hello.txt" in asked.data["text"]
    assert (granted.type, granted.data["approval_id"]) == ("approval.granted", "builder.1-a1")


@pytest.mark.parametrize("name", ["claude-e500", "codex-refused", "opencode-e500", "pi-e500", "codex-exec-refused"])
def test_a_provider_that_is_away_is_told_with_the_first_retry(name: str) -> None:
    found = recordings.events(name)
    first = next(index for index, event in enumerate(found) if event.type == "retry.scheduled")
    assert found[first + 1].type == "provider.unavailable"
    assert len(of(found, "provider.unavailable")) == 1


def test_an_endless_loop_on_a_cut_stream_is_suspected_at_its_third_step() -> None:
    (suspected,) = of(recordings.events("opencode-cut"), "loop.suspected")
    assert (suspected.data["pattern"], suspected.data["count"]) == ("finish_unknown", 3)


@pytest.mark.parametrize("name", ["opencode-billing", "pi-billing", "codex-e401"])
def test_retries_in_vain_are_suspected_long_before_they_end(name: str) -> None:
    (suspected,) = of(recordings.events(name), "loop.suspected")
    assert (suspected.data["pattern"], suspected.data["count"]) == ("vain_retry", 3)


def test_a_limit_has_its_structured_reset_time() -> None:
    reached = of(recordings.events("claude-planlimit"), "limit.reached", "turn.failed")
    assert [event.data["resets_at"] for event in reached] == [1795270156.0, 1795270156.0]


def test_a_limit_without_one_has_the_time_of_its_words() -> None:
    (failed,) = of(recordings.events("claude-tui-limit"), "turn.failed")
    assert failed.data["resets_at"] == 1795249860.0  # 8:31am (UTC)


@pytest.mark.parametrize("name", ["claude-resume", "codex-resume"])
def test_a_resumed_conversation_is_called_so(name: str) -> None:
    (session,) = of(recordings.events(name), "session.started", "session.resumed")
    assert (session.type, session.data["conversation"]) == ("session.resumed", recordings.RESUMED[name])


@pytest.mark.parametrize("name", ["claude-lost", "codex-lost", "opencode-lost", "pi-lost"])
def test_a_conversation_that_is_not_there_is_a_failed_resume_and_never_named(name: str) -> None:
    found = recordings.events(name)
    assert {event.data["class"] for event in of(found, "error", "turn.failed")} == {"resume_failed"}
    assert of(found, "session.started", "session.resumed") == []


def test_the_contract_knows_every_type_that_is_told() -> None:
    told = {json.loads(event.line)["type"] for name in recordings.NAMES for event in recordings.events(name)}
    assert told <= contract.types()
