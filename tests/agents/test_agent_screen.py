"""What a screen shows, and what it only seems to show."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.agents.command import CommandAdapter
from loops.agents.port import DialogShown, Fatal, Idle, LimitReached, Ready, Screen, Signal, Working
from loops.config.model import Backend

BACKEND = Backend(
    name="claude",
    bin="claude",
    active_re=r"esc to interrupt",
    limit_re=r"(?i)usage limit|hit your .*limit|limit reached",
    fatal_re=r"blocks cannot be modified",
    ready_re=r"^❯\s*$",
    dialog_re=r"Enter to confirm",
)
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC).timestamp()
EIGHT_31 = datetime(2026, 11, 21, 8, 31, tzinfo=UTC).timestamp()


def seen(screen: str, *ours: str) -> list[Signal]:
    return list(CommandAdapter(BACKEND).read_screen(Screen(tuple(screen.splitlines()), ours), NOW))


CLAUDE_LIMIT = """\
❯ Create hello.txt
  ⎿  You've hit your 5-hour limit · resets 8:31am (UTC)

● Usage limit reached · continuing automatically at 8:31am (UTC) · esc to cancel

                                                    ◐ medium · /effort
──────────────────────────────────────────────────
❯
──────────────────────────────────────────────────
  ⚠ Usage limit reached · limit resets 8:31am (UTC)
    Continuing automatically at 8:31am (UTC) · Esc to cancel
  ⏸ manual mode on · ? for shortcuts
"""

CODEX_LIMIT = """\
› Create hello.txt

■ You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage
credits or try again at 2026-11-21 08:31Z.

› Ask Codex to do anything

  mock-model default · /srv/lab
  ← for agents · ? for shortcuts
"""


def test_the_limit_screen_of_claude_is_read() -> None:
    assert seen(CLAUDE_LIMIT) == [LimitReached("⚠ Usage limit reached · limit resets 8:31am (UTC)", EIGHT_31)]


def test_a_limit_with_a_curly_apostrophe_and_its_time_on_the_next_line_is_read() -> None:
    (limit,) = seen(CODEX_LIMIT)

    assert isinstance(limit, LimitReached)
    assert limit.text.startswith("■ You've hit your usage limit.")
    assert limit.resets_at == EIGHT_31


def test_incident_3_a_limited_agent_is_not_called_idle() -> None:
    assert [type(signal) for signal in seen(CLAUDE_LIMIT)] == [LimitReached]


def test_incident_4_our_own_words_about_a_limit_are_no_limit() -> None:
    probe = "[nudge n7] Is the usage limit over? If it is, go on with your work where the limit reached you."
    wrapped = (
        "❯ [nudge n7] Is the usage limit over? If it is,\n  go on with your work where the limit reached you.\n❯\n"
    )

    assert seen(wrapped, probe) == [Ready(), Idle()]
    assert [type(signal) for signal in seen(wrapped)] == [LimitReached], "without the exclusion it would match"


def test_incident_4_our_own_words_beside_a_side_bar_are_no_limit() -> None:
    shown = "  ┃  Is the usage limit over?             0 tokens\n  ┃  Then go on.             $0.00 spent\n"

    assert seen(shown, "Is the usage limit over? Then go on.") == [Idle()]


def test_incident_5_a_banner_above_the_bottom_lines_has_scrolled_out_of_the_present() -> None:
    later = "\n\n".join(f"● step {number}" for number in range(8))

    assert seen(f"You've hit your limit · resets 8:31am\n{later}") == [Idle()]


def test_incident_9_a_poisoned_conversation_is_fatal() -> None:
    shown = "❯ go on\n  ⎿  API Error: 400 messages.1: `thinking` blocks cannot be modified\n❯\n"

    assert seen(shown) == [Fatal("API Error: 400 messages.1: `thinking` blocks cannot be modified")]


def test_incident_9_quoted_by_a_tool_is_not_fatal() -> None:
    assert seen("● Bash(cat notes.md)\n  ⎿  400: `thinking` blocks cannot be modified\n● Read.\n❯\n") == [
        Ready(),
        Idle(),
    ]


@pytest.mark.parametrize("quote", ["⎿  ", "❯ ", "│ ", "> "])
def test_a_quoted_limit_is_no_limit(quote: str) -> None:
    assert seen(f"● Read(limits.md)\n  {quote}docs: usage limit reached\n") == [Idle()]


def test_a_busy_agent_that_reads_about_limits_is_busy() -> None:
    shown = "usage limit reached, resets 3pm\nblocks cannot be modified\n✻ Reading… (esc to interrupt)"

    assert seen(shown) == [Working()]


def test_a_refusal_for_haste_is_no_limit() -> None:
    assert seen("API Error: Server is temporarily limiting requests (not your usage limit)") == [Idle()]


def test_a_screen_that_is_not_painted_yet_says_nothing() -> None:
    assert seen("\n\n  \n") == []


def test_a_dialog_is_shown_with_its_words() -> None:
    assert seen("Try the new renderer?\n> 1. Yes\n  2. No\nEnter to confirm") == [
        DialogShown("Try the new renderer?\n> 1. Yes\n  2. No\nEnter to confirm")
    ]


def test_the_newest_waiting_marker_counts_and_ours_does_not() -> None:
    kickoff = "End with\nWAITING-UNTIL: 2026-11-21T23:00:00Z\nas the last line."
    shown = "● WAITING-UNTIL: 2026-11-21T03:00:00Z\n● WAITING-UNTIL: 2026-11-21T08:31:00Z\n"

    assert seen(shown) == [Idle(EIGHT_31)]
    assert seen(shown + "WAITING-UNTIL: 2026-11-21T23:00:00Z\n", kickoff) == [Idle(EIGHT_31)]


@pytest.mark.parametrize("marker", ["WAITING-UNTIL: soon", "WAITING-UNTIL: 2026-11-21T23:00:00", "WAITING-UNTIL:"])
def test_a_broken_marker_hides_the_older_one_above_it(marker: str) -> None:
    assert seen(f"WAITING-UNTIL: 2026-11-21T03:00:00Z\n{marker}\n") == [Idle(None)]


@given(st.lists(st.text(max_size=80), max_size=30), st.lists(st.text(), max_size=3))
def test_every_painted_screen_gives_exactly_one_kind_of_evidence(lines: list[str], ours: list[str]) -> None:
    signals = CommandAdapter(BACKEND).read_screen(Screen(tuple(lines), tuple(ours)), NOW)

    painted = any(line.strip() for line in lines)
    assert len([signal for signal in signals if not isinstance(signal, Ready)]) == painted
