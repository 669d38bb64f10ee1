"""When a limit ends, from the texts that real agents print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from loops.streams.limits import parse_reset

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def parsed(text: str, now: datetime = NOW, zone: str = "UTC") -> datetime | None:
    found = parse_reset(text, now.timestamp(), ZoneInfo(zone))
    return None if found is None else datetime.fromtimestamp(found, UTC)


def at(hour: int, minute: int = 0, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Claude AI usage limit reached|{int(at(9).timestamp())}", at(9)),
        ("You've hit your limit · resets 1:30pm (Asia/Dhaka)", at(7, 30)),
        ("You've hit your session limit · resets 8:33am (UTC)", at(8, 33)),
        ("You've hit your 5-hour limit · resets 8:31am (UTC)", at(8, 31)),
        ("Usage limit reached · continuing automatically at 8:31am · esc to cancel", at(8, 31)),
        (
            "■ You\u2019ve hit your usage limit. Upgrade to Pro (https://openai.com/chatgpt/pricing), visit "
            "https://chatgpt.com/settings/usage to purchase more credits or try again at 8:26 AM.",
            at(8, 26),
        ),
        ("You've hit your usage limit. Try again at Nov 22nd, 2026 8:26 AM.", at(8, 26, day=22)),
        ("limit reached · resets Nov 24, 5pm", at(17, day=24)),
        ("resets at 3pm", at(15)),
        ("resets 12pm", at(12)),
        ("try again at 14:30", at(14, 30)),
        ("resets at 2026-11-21T10:15:00Z", at(10, 15)),
        ("resets 2026-11-21T10:15:00+02:00", at(8, 15)),
        (f'{{"status": "rejected", "resetsAt": {int(at(11).timestamp())}}}', at(11)),
        ("resets in 2h 15m", at(9, 15)),
        ("resets in 2h15m", at(9, 15)),
        ("try again in 1 hour and 5 minutes", at(8, 5)),
        ("Retrying in 90s", at(7, 1).replace(second=30)),
    ],
)
def test_a_banner_with_a_time_is_read(text: str, expected: datetime) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "You've hit your monthly spend limit",
        "You've hit your usage limit. Try again later.",
        "Your workspace is out of credits.",
        "Free usage exceeded, add credits https://opencode.ai/zen",
        "the meeting at 3pm is about limits",
        "resets 15",
        "resets 25:00",
        "resets 13pm",
        "resets at 3pm (PST)",
        "resets at 3pm (Middle/Earth)",
        "resets Feb 30, 5pm",
        "resets at 2026-11-21T06:59:00Z",
        "resets at 2099-01-01T00:00:00Z",
        "resets in 4000 days",
    ],
)
def test_a_banner_without_a_usable_time_gives_none(text: str) -> None:
    assert parsed(text) is None


def test_the_last_time_wins() -> None:
    assert parsed("resets 8am (UTC)\nsome work\nresets 9am (UTC)") == at(9)
    assert parsed("resets 8am (UTC)\nresets 6am (UTC)") is None, "an expired banner below is the newest truth"


def test_midnight_is_12am_and_comes_next() -> None:
    assert parsed("resets 12am (UTC)", now=at(23, 50)) == at(0, day=22)
    assert parsed("resets 00:00", now=at(23, 50)) == at(0, day=22)


def test_a_clock_time_just_past_does_not_wait_a_day() -> None:
    assert parsed("resets 3pm", now=at(15, 1)) is None
    assert parsed("resets 11:59pm", now=at(0, 5)) is None, "it was 11:59pm six minutes ago"


def test_a_clock_time_past_midnight_counts_when_less_than_twelve_hours_ahead() -> None:
    assert parsed("resets 2am", now=at(23, 50)) == at(2, day=22)
    assert parsed("resets 10:58am", now=at(22, 59)) == at(10, 58, day=22)
    assert parsed("resets 11am", now=at(22, 59)) is None


def test_a_clock_time_later_today_counts_however_far() -> None:
    assert parsed("resets 11:30pm", now=at(1)) == at(23, 30)


def test_a_time_without_zone_is_read_in_the_zone_given() -> None:
    assert parsed("resets 3pm", zone="America/New_York") == at(20)


def test_the_day_on_which_the_clocks_go_back_has_each_time_of_the_hour_twice() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin).astimezone(UTC)
    assert parsed("resets 2:30am (Europe/Berlin)", now=first - timedelta(hours=1)) == first
    assert parsed("resets 2:30am (Europe/Berlin)", now=first + timedelta(minutes=10)) == first + timedelta(hours=1)


def test_the_new_year_is_crossed() -> None:
    assert parsed("resets Jan 2, 5pm", now=datetime(2026, 12, 31, 12, tzinfo=UTC)) == datetime(
        2027, 1, 2, 17, tzinfo=UTC
    )


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Dhaka", "Australia/Lord_Howe"])
MINUTES = st.integers(min_value=1_700_000_000 // 60, max_value=1_900_000_000 // 60)


@given(minute=MINUTES, ahead=st.integers(min_value=1, max_value=12 * 60 - 1), zone=ZONES, form=st.sampled_from("12 24"))
def test_a_time_within_twelve_hours_survives_being_written_and_read(
    minute: int, ahead: int, zone: str, form: str
) -> None:
    now, reset = minute * 60, (minute + ahead) * 60
    local = datetime.fromtimestamp(reset, ZoneInfo(zone))
    assume(local.replace(fold=0).timestamp() == local.replace(fold=1).timestamp())  # written without fold: ambiguous
    clock = local.strftime("%I:%M%p").lower() if form == "1" else local.strftime("%H:%M")

    assert parse_reset(f"You've hit your limit · resets {clock} ({zone})", now, UTC) == reset


@given(text=st.text(), minute=MINUTES)
def test_no_text_breaks_the_reader(text: str, minute: int) -> None:
    for banner in (text, "resets " + text, "limit reached|" + text):
        found = parse_reset(banner, minute * 60, UTC)
        assert found is None or found > minute * 60


@given(
    now=MINUTES,
    hour=st.integers(0, 99),
    clock_minute=st.integers(0, 99),
    half=st.sampled_from(["", "am", " PM", "a.m."]),
    zone=st.sampled_from(["", " (UTC)", " (Asia/Dhaka)", " EST", " (x/y)"]),
)
def test_no_clock_breaks_the_reader(now: int, hour: int, clock_minute: int, half: str, zone: str) -> None:
    found = parse_reset(f"resets {hour}:{clock_minute:02}{half}{zone}", now * 60, UTC)
    assert found is None or 0 < found - now * 60 <= 86400
