"""Which events the supervisor is told of, and that it understands them."""

from __future__ import annotations

import pytest
import recordings
from loops.agents import port
from loops.agents.events import read_line
from loops.streams.signals import concerns


def signals(name: str) -> list[port.Signal]:
    """Return what the supervisor learns from a recording."""
    told = [event.line for event in recordings.events(name) if concerns(event)]
    return [signal for line in told for signal in read_line(line)]


def test_a_turn_with_an_approval_tells_all_that_matters() -> None:
    kinds = [type(signal) for signal in signals("codex-accept")]
    assert [kind for kind in kinds if kind not in (port.UsageReported, port.Working)] == [
        port.ConversationNamed,
        port.TurnStarted,
        port.ApprovalAsked,
        port.ApprovalEnded,
        port.TurnEnded,
    ]


def test_usage_tells_tokens_cache_model_and_no_price_where_there_is_none() -> None:
    used = [signal for signal in signals("codex-accept") if isinstance(signal, port.UsageReported)]
    assert used == [port.UsageReported(1200, 34, None, 1000, "mock-model")] * 2


def test_the_parts_of_a_usage_add_up_to_the_backend_s_own_price() -> None:
    used = [signal for signal in signals("claude-ok") if isinstance(signal, port.UsageReported)]
    assert sum(signal.usd or 0.0 for signal in used) == pytest.approx(0.00423)
    assert [(signal.turn, signal.usd is None) for signal in used][-2:] == [(False, True), (True, False)]


def test_what_a_rule_refused_without_a_question_is_no_approval() -> None:
    assert not [signal for signal in signals("claude-dontask") if isinstance(signal, port.ApprovalEnded)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("claude-planlimit", port.LimitReached),
        ("codex-limit", port.LimitReached),
        ("opencode-billing", port.Blocked),
        ("pi-e401", port.Blocked),
        ("claude-deny", port.Blocked),
        ("pi-cut", port.ProviderUnavailable),
        ("opencode-cut", port.ProviderUnavailable),
        ("codex-context", port.Fatal),
        *((f"{backend}-lost", port.Fatal) for backend in ("claude", "codex", "opencode", "pi")),
    ],
)
def test_a_failure_becomes_the_signal_for_its_reaction(name: str, kind: type) -> None:
    assert any(isinstance(signal, kind) for signal in signals(name))


@pytest.mark.parametrize("name", [name for name in recordings.NAMES if name.startswith(("claude", "codex", "pi"))])
def test_nobody_is_left_working_after_a_turn_s_end(name: str) -> None:
    told = [signal for signal in signals(name) if isinstance(signal, port.TurnStarted | port.TurnEnded | port.Working)]
    if any(isinstance(signal, port.TurnEnded) for signal in told):
        assert isinstance(told[-1], port.TurnEnded)
