"""The lines that hooks write for the engine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.agents.events import read_line
from loops.agents.port import (
    ApprovalAsked,
    ApprovalEnded,
    Blocked,
    ConversationNamed,
    DialogShown,
    Fatal,
    Idle,
    LimitReached,
    ProviderUnavailable,
    Ready,
    Signal,
    TurnEnded,
    TurnStarted,
    UsageReported,
    Working,
)


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ('{"type":"turn.started","nudge":"n12"}', TurnStarted("n12")),
        ('{"type":"turn.started"}', TurnStarted()),
        ('{"type":"turn.completed","waiting_until":1800000000}', TurnEnded(1800000000.0)),
        ('{"type":"turn.completed","waiting_until":"2027-01-15T08:00:00Z"}', TurnEnded(1800000000.0)),
        ('{"type":"turn.completed","waiting_until":"soon"}', TurnEnded(None)),
        (
            '{"type":"limit.reached","resets_at":1800000000,"text":"t"}',
            LimitReached("t", 1800000000.0, structured=True),
        ),
        ('{"type":"provider.unavailable","message":"refused"}', ProviderUnavailable("refused")),
        ('{"type":"approval.requested","approval_id":"a","tool":"Bash"}', ApprovalAsked("a", "Bash")),
        ('{"type":"approval.granted","id":"a"}', ApprovalEnded("a", "granted")),
        ('{"type":"approval.denied","id":"a"}', ApprovalEnded("a", "denied")),
        ('{"type":"approval.expired","id":"a"}', ApprovalEnded("a", "expired")),
        (
            '{"type":"usage.updated","usage":{"input_tokens":9,"output_tokens":3},"cost":{"amount":0.5}}',
            UsageReported(9, 3, 0.5),
        ),
        (
            '{"type":"usage.updated","usage":{"input_tokens":9,"output_tokens":3,"cache_read_input_tokens":5},"model":"m"}',
            UsageReported(9, 3, None, 5, "m"),
        ),
        (
            '{"type":"limit.reached","resets_at":1800000000,"text":"t","retrying":true}',
            LimitReached("t", 1800000000.0, structured=True, retries=True),
        ),
        (
            '{"type":"turn.failed","class":"limit_reached","text":"t","retrying":true}',
            LimitReached("t", structured=True, retries=True),
        ),
        ('{"type":"error","class":"resume_failed","text":"no such thread"}', Fatal("no such thread", resume=True)),
        ('{"type":"session.started","conversation":"c"}', ConversationNamed("c")),
        ('{"type":"state.changed","state":"working"}', Working()),
        ('{"type":"state.changed","state":"idle"}', Idle()),
        ('{"type":"state.changed","state":"waiting_input"}', Ready()),
        ('{"type":"state.changed","state":"unknown","text":"?"}', DialogShown("?")),
        ('{"type":"error","class":"fatal","text":"poisoned"}', Fatal("poisoned")),
        ('{"type":"dev.loops.turn.started","data":{"nudge":"n1"}}', TurnStarted("n1")),
    ],
)
def test_a_line_becomes_its_signal(line: str, signal: Signal) -> None:
    assert list(read_line(line.encode())) == [signal]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("limit_reached", LimitReached("t", 1800000000.0, structured=True)),
        ("rate_limit", ProviderUnavailable("t")),
        ("provider_unavailable", ProviderUnavailable("t")),
        ("truncated", ProviderUnavailable("t")),
        ("context_overflow", Fatal("t")),
        ("resume_failed", Fatal("t", resume=True)),
        ("auth", Blocked("auth", "t")),
        ("billing", Blocked("billing", "t")),
        ("denied", Blocked("denied", "t")),
    ],
)
def test_a_failed_turn_has_ended_and_says_why(kind: str, why: Signal) -> None:
    line = json.dumps({"type": "turn.failed", "data": {"class": kind, "message": "t", "resets_at": 1800000000}})
    assert list(read_line(line.encode())) == [TurnEnded(failed=True), why]


def test_a_sum_of_usage_is_not_counted_once_more() -> None:
    assert list(read_line(b'{"type":"usage.updated","scope":"session-cumulative","usage":{"input_tokens":9}}')) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'"turn.started"',
        b'{"type":7}',
        b'{"type":"turn.dreamt"}',
        b'{"type":"error","class":"auth"}',
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_torn_foreign_or_unknown_gives_nothing(line: bytes) -> None:
    assert list(read_line(line)) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TYPES = st.sampled_from(
    [
        "turn.completed",
        "turn.failed",
        "limit.reached",
        "usage.updated",
        "error",
        "state.changed",
        "approval.requested",
        "session.started",
    ]
)
KEYS = st.sampled_from(
    [
        "data",
        "waiting_until",
        "resets_at",
        "text",
        "usage",
        "cost",
        "class",
        "state",
        "id",
        "conversation",
        "usd",
        "input_tokens",
    ]
)


@given(TYPES, st.dictionaries(KEYS, VALUES, max_size=5))
def test_no_facts_break_the_reader(type_: str, facts: dict[str, object]) -> None:
    for signal in read_line(json.dumps({"type": type_, **facts}).encode()):
        assert isinstance(signal, Signal)


def test_an_endless_number_is_no_time() -> None:
    assert list(read_line(b'{"type":"turn.completed","waiting_until":1' + b"0" * 400 + b"}")) == [TurnEnded(None)]


@given(st.binary())
def test_no_bytes_break_the_reader(line: bytes) -> None:
    assert list(read_line(line)) == []
