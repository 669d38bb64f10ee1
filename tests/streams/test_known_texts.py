"""What the messages of each backend mean."""

from __future__ import annotations

import re

import pytest
from loops.known.all import KNOWN
from loops.known.model import Meaning, Text
from loops.streams.texts import Texts

ENTRIES = [(name, text) for name, known in KNOWN.items() for text in known.texts]
NAMES = [f"{name}-{text.meaning.value}-{index}" for index, (name, text) in enumerate(ENTRIES)]


@pytest.mark.parametrize(("name", "text"), ENTRIES, ids=NAMES)
def test_a_pattern_finds_its_sample_and_not_its_counter_sample(name: str, text: Text) -> None:
    assert re.search(text.pattern, text.sample)
    assert not re.search(text.pattern, text.counter)


@pytest.mark.parametrize(("name", "text"), ENTRIES, ids=NAMES)
def test_a_table_reads_each_of_its_samples_as_meant(name: str, text: Text) -> None:
    assert Texts(KNOWN[name].texts).meaning(text.sample) is text.meaning


@pytest.mark.parametrize("name", KNOWN)
def test_no_table_reads_a_sample_of_another_backend_as_something_else(name: str) -> None:
    table = Texts(KNOWN[name].texts)
    for _, text in ENTRIES:
        assert table.meaning(text.sample) in (None, text.meaning), text.sample


@pytest.mark.parametrize("name", ["claude", "codex", "opencode", "pi"])
def test_every_backend_knows_the_failures_that_need_different_reactions(name: str) -> None:
    known = {text.meaning for text in KNOWN[name].texts}
    assert known >= {
        Meaning.LIMIT,
        Meaning.BILLING,
        Meaning.AUTH,
        Meaning.MODEL,
        Meaning.CONTEXT,
        Meaning.RATE,
        Meaning.PROVIDER,
        Meaning.RESUME,
    }


@pytest.mark.parametrize(
    ("name", "message", "meaning"),
    [
        ("claude", "You've hit your limit · resets 1:30am (Asia/Dhaka)", Meaning.LIMIT),
        ("claude", "You've hit your session limit · resets 8:33am (UTC)", Meaning.LIMIT),
        ("claude", "Usage limit reached · continuing automatically at 8:31am · esc to cancel", Meaning.LIMIT),
        ("claude", "API Error: Request rejected (429) · Number of request tokens has exceeded", Meaning.RATE),
        ("claude", "You've hit your monthly spend limit", Meaning.BILLING),
        ("claude", "API Error: 529 Overloaded. This is a server-side issue", Meaning.PROVIDER),
        ("claude", "I will write about usage limits now.", None),
        ("codex", "You've hit your usage limit for codex-mini. Switch to another model now", Meaning.LIMIT),
        ("codex", "stream disconnected before completion: idle timeout waiting for SSE", Meaning.PROVIDER),
        ("codex", "Reconnecting... 2/5 (unexpected status 401 Unauthorized: no)", Meaning.AUTH),
        ("opencode", '{"error": {"type": "insufficient_quota"}}', Meaning.BILLING),
        ("opencode", "Unexpected server error. Check server logs for details.", None),
        ("pi", "500 The server had an error while processing your request.", Meaning.PROVIDER),
    ],
)
def test_messages_as_they_came(name: str, message: str, meaning: Meaning | None) -> None:
    assert Texts(KNOWN[name].texts).meaning(message) is meaning


def test_a_reset_time_without_a_zone_is_read_in_the_zone_of_the_run() -> None:
    now = 1_795_246_754.0  # 2026-11-21T07:39:14Z
    message = "You’ve hit your usage limit. Upgrade to Pro or try again at 8:26 AM."
    at = {offset: Texts(KNOWN["codex"].texts, offset).failure(message, now).resets_at for offset in (0, -1800)}
    assert at == {0: 1_795_249_560.0, -1800: 1_795_249_560.0 + 1800}


def test_a_structured_reset_time_is_taken_before_the_words() -> None:
    message = "You've hit your 5-hour limit · resets 8:31am (UTC)"
    failure = Texts(KNOWN["claude"].texts).failure(message, 1_795_246_754.0, resets_at=1_795_250_000.0)
    assert failure.resets_at == 1_795_250_000.0


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, Meaning.AUTH),
        (403, Meaning.AUTH),
        (402, Meaning.BILLING),
        (404, Meaning.MODEL),
        (429, Meaning.RATE),
        (500, Meaning.PROVIDER),
        (529, Meaning.PROVIDER),
        (400, Meaning.OTHER),
        (None, Meaning.OTHER),
        (-1, Meaning.OTHER),
    ],
)
def test_without_words_the_status_says_it(status: int | None, meaning: Meaning) -> None:
    assert Texts(()).failure("?", 0.0, status=status).meaning is meaning
