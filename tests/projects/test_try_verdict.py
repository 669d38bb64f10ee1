"""What events make of a verdict."""

from __future__ import annotations

from typing import Any

import pytest
from loops.projects.try_verdict import Course, Verdict, lines, problem, remedy


def event(kind: str, file: str = "raw/out.jsonl", at: float = 0.0, **data: Any) -> dict[str, Any]:
    clock = f"2026-11-21T10:00:{at:06.3f}Z"
    return {"type": f"dev.loops.{kind}", "recordedtime": clock, "data": {**data, "raw": {"file": file}}}


def course(*events: dict[str, Any]) -> Course:
    found = Course()
    for each in events:
        found.see(each)
    return found


FAILED = event("turn.failed", **{"class": "auth", "message": "wrong key"})
RETRY = event("retry.scheduled", **{"class": "provider_unavailable", "message": "overloaded"})
DONE = event("turn.completed", text="done")


@pytest.mark.parametrize(
    ("events", "lacking", "found"),
    [
        ((DONE,), "", ("", "done")),
        ((DONE,), "hello.txt was not made", ("no_result", "hello.txt was not made; it answered: done")),
        ((FAILED,), "x", ("auth", "wrong key")),
        ((RETRY,), "x", ("provider_unavailable", "overloaded")),
        ((RETRY, DONE), "", ("", "done")),
        ((RETRY, FAILED), "x", ("auth", "wrong key")),
        ((event("limit.reached", **{"class": "limit_reached", "message": "at 8"}),), "x", ("limit_reached", "at 8")),
        ((event("approval.requested", text="rm x"),), "x", ("asks", "rm x")),
        ((event("state.changed", state="unknown", text="Trust?"),), "x", ("dialog", "Trust?")),
        ((event("warning", message="bad flag"), event("run.ended", outcome="failed")), "x", ("ended", "bad flag")),
        ((event("session.started"),), "x", ("timeout", "the turn had not ended after 9 s")),
        ((event("run.started", "raw/runner.jsonl"),), "x", ("silent", "not one event of its own in 9 s")),
    ],
)
def test_the_cause_is_what_the_events_say_and_success_what_git_says(events, lacking, found):
    assert problem(course(*events), lacking, 9.0) == found


@pytest.mark.parametrize(
    "each", [DONE, FAILED, event("run.ended"), event("limit.reached"), event("approval.requested")]
)
def test_then_nothing_more_is_waited_for(each):
    assert course(each).over


def test_a_retry_is_waited_for():
    assert not course(RETRY, event("state.changed", state="retrying")).over


def test_the_first_event_counts_from_the_start_of_the_program():
    found = course(
        event("run.started", "raw/runner.jsonl", 1.0),
        event("turn.started", "raw/in.jsonl", 2.0),
        DONE | event("x", at=3.5),
    )
    assert found.to_first == 2.5


def test_tokens_and_cost_add_up():
    used = {"usage": {"input_tokens": 5, "output_tokens": 2}, "cost": {"amount": 0.5}}
    found = course(event("usage.updated", **used), event("usage.updated", **{**used, "cost": None}))
    assert (found.input_tokens, found.output_tokens, found.usd) == (10, 4, 0.5)


def test_a_login_is_made_with_the_agent_s_own_command():
    assert remedy("auth", "mine", "opencode", "opencode-ai") == "log in with `opencode auth login`"
    assert remedy("", "mine", "opencode", "opencode-ai") == ""
    assert remedy("other", "mine", "acp", "") == "see the events"


def test_the_verdict_is_said_last_with_what_is_known_of_it():
    verdict = Verdict(
        "pi", "headless", "m", "auth", "wrong key", "log in", "0.73.1", "", None, 1.25, 0, 0, None, (), (FAILED,)
    )
    assert lines(verdict)[0].endswith("turn.failed           wrong key")
    assert lines(verdict)[2:] == [
        "pi 0.73.1: FAILED: auth",
        "  why           wrong key",
        "  remedy        log in",
        "  mode          headless",
        "  model         m",
        "  in all        1.2 s",
    ]
