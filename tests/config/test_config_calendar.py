"""Schedules: calendar expressions as systemd understands them."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from calendar_samples import SYSTEMD_ANALYZE, ask_systemd, expressions
from config_samples import Problems, Write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loops import config
from loops.config import zones
from loops.config.calendar import BadCalendar, parse
from loops.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")

PROJECT = """\
[defaults]
session_prefix = "p-"
log_dir = ".loops"
backend = "demo"
[[agent]]
name = "upgrader"
"""


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def following(text: str, start: str, count: int = 1, zone: ZoneInfo = BERLIN) -> list[str]:
    found, moment = [], at(start, zone)
    for _ in range(count):
        due = parse(text).next_after(moment, zone)
        assert due is not None
        found.append(f"{datetime.fromtimestamp(due, zone):%a %Y-%m-%d %H:%M:%S}")
        moment = due
    return found


# ---- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("weekly", "Mon *-*-* 00:00:00"),
        ("Sun *-*-* 03:00", "Sun *-*-* 03:00:00"),
        ("sunday 3:0", "Sun *-*-* 03:00:00"),
        ("Mon-Fri 18:00 utc", "Mon..Fri *-*-* 18:00:00 UTC"),
        ("Sat,Thu,Mon..Wed,Sat..Sun", "Mon..Thu,Sat,Sun *-*-* 00:00:00"),
        ("*~3..5 1/2:0:0", "*-*~03..05 01/2:00:00"),
        ("26-1/2-~3".replace("-~", "~"), "2026-01/2~03 00:00:00"),
        ("*:0/15 Europe/Berlin", "*-*-* *:00/15:00 Europe/Berlin"),
        ("*:*:0/0.5", "*-*-* *:*:00/0.500000"),
        ("12..14:10,20,30", "*-*-* 12..14:10,20,30:00"),
        ("8..17/3:00", "*-*-* 08..17/3:00:00"),
        ("8..18/3:00", "*-*-* 08..17/3:00:00"),
    ],
)
def test_an_expression_has_the_normal_form_that_systemd_gives_it(text: str, normal: str) -> None:
    assert str(parse(text)) == normal


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("weekley", 'did you mean "weekly"?'),
        ("@daily", 'write "daily" without the @'),
        ("@1700000000", "a single moment is no schedule"),
        ("", 'it is empty; write it as in "Sun *-*-* 03:00"'),
        ("0 3 * * 0", 'it looks like one of cron; write it as in "Sun *-*-* 03:00"'),
        ("30 4 1 6 *", 'write it as in "*-06-01 04:30"'),
        ("*/2:00", '"*/2" is no value of hours; write "0/2"'),
        ("*-*-*/5", '"*/5" is no value of days; write "1/5"'),
        ("9-17:00", '"9-17" is no value of hours; write a range as "9..17"'),
        ("Fri..Mon", 'runs backwards, and a week begins with Mon; write "Fri..Sun,Mon"'),
        ("Son 03:00", 'is no day of the week; did you mean "sun"?'),
        ("25:00", '"25" is out of bounds: hours go from 0 to 23'),
        ("*-13-01", '"13" is out of bounds: months go from 1 to 12'),
        ("*-*~31", '"31" is out of bounds: days before the end of the month go from 1 to 28'),
        ("3am", '"3am" is no date; write year-month-day as in "*-*-01"'),
        ("8..5:00", "write the lower end first"),
        ("0/0:00", 'repeats every 0; write "0"'),
        ("20/9:00", 'repeats beyond its end: hours go from 0 to 23; write "20" alone'),
        ("1.5:00", '"1.5" is no value of hours; only seconds have fractions'),
        ("00:00:01..01", "is less than a second long"),
        (" daily", "only plain letters, digits and signs"),
        ("dai\nly", "only plain letters, digits and signs"),
        ("weekly 4:00", '"weekly" says the time of day too; write another as in "Mon *-*-* 03:00"'),
        ("Mon *-*-* 1:00 2:00", '"*-*-* 1:00 2:00" is more than a date and a time'),
        ("Mon 2026 3:00", '"2026" is no date'),
    ],
)
def test_what_is_no_expression_is_told_why_and_how_it_is_written(text: str, told: str) -> None:
    with pytest.raises(BadCalendar) as raised:
        parse(text)
    assert told in str(raised.value)
    assert str(raised.value).count("is no calendar expression: ") == 1
    assert raised.value.exit_code == ConfigError.exit_code


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_the_normal_form_means_the_same_as_the_text(text: str) -> None:
    try:
        meant = parse(text)
    except BadCalendar:
        return
    assert parse(str(meant)) == meant


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="MonSu0123456789*-~:./, \n@é", max_size=24) | st.text(max_size=12))
def test_any_text_is_an_expression_or_told_why_not(text: str) -> None:
    with suppress(BadCalendar):
        assert str(parse(text))


# ---- the next time -----------------------------------------------------------------------------------------------------


def test_the_next_times_follow_each_other() -> None:
    assert following("Sun *-*-* 03:00", "2026-11-21T12:00", 2) == ["Sun 2026-11-22 03:00:00", "Sun 2026-11-29 03:00:00"]
    assert following("*-*~01 00:00", "2028-02-10T00:00", 2) == ["Tue 2028-02-29 00:00:00", "Fri 2028-03-31 00:00:00"]
    assert following("*-02-29", "2026-01-01T00:00") == ["Tue 2028-02-29 00:00:00"]
    assert following("quarterly", "2026-10-01T00:00") == ["Fri 2027-01-01 00:00:00"]


def test_the_very_moment_of_a_time_is_not_after_itself() -> None:
    assert following("daily", "2026-11-21T00:00") == ["Sun 2026-11-22 00:00:00"]


def test_a_schedule_whose_years_are_over_is_never_due_again() -> None:
    assert parse("2020-01-01").next_after(at("2026-01-01T00:00"), BERLIN) is None
    assert parse("*-02-30").next_after(at("2026-01-01T00:00"), BERLIN) is None


def test_a_time_that_the_clock_leaves_out_is_passed_over() -> None:
    assert following("02:30", "2026-03-28T12:00", 2) == ["Mon 2026-03-30 02:30:00", "Tue 2026-03-31 02:30:00"]
    assert following("*:0/30", "2026-03-29T01:30") == ["Sun 2026-03-29 03:00:00"]
    half_an_hour = ZoneInfo("Australia/Lord_Howe")
    assert following("*:10,35", "2026-10-04T01:40", zone=half_an_hour) == ["Sun 2026-10-04 02:35:00"]


def test_a_time_that_the_clock_brings_twice_counts_once() -> None:
    assert following("02:30", "2026-10-24T12:00", 2) == ["Sun 2026-10-25 02:30:00", "Mon 2026-10-26 02:30:00"]
    second_time = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1).timestamp()
    due = parse("02:30").next_after(second_time, BERLIN)
    assert due == at("2026-10-26T02:30")
    assert parse("*:0/15").next_after(second_time, BERLIN) == at("2026-10-25T03:00")


def test_the_zone_of_the_text_is_kept_apart_from_the_machine_s() -> None:
    assert parse("03:00 Asia/Kathmandu").zone == "Asia/Kathmandu"
    assert parse("03:00").zone == ""


def test_the_machine_s_zone_is_that_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert zones.local() == ZoneInfo("Asia/Kathmandu")
    monkeypatch.setenv("TZ", "No/Where")
    assert zones.local() == UTC


moments = st.integers(1_600_000_000, 2_000_000_000)


@settings(max_examples=300, deadline=None)
@given(expressions, moments, st.sampled_from(("UTC", "Europe/Berlin", "Australia/Lord_Howe")))
@example("*:0/20", 1774742400, "Europe/Berlin")
@example("*:0/20", 1792886400, "Europe/Berlin")
def test_the_next_time_lies_ahead_and_nothing_is_due_in_between(text: str, moment: int, zone: str) -> None:
    try:
        calendar = parse(text)
    except BadCalendar:
        return
    here = ZoneInfo(calendar.zone or zone)
    due = calendar.next_after(moment, here)
    if due is None:
        return
    assert due > moment
    assert calendar.next_after(due - 0.001, here) == due
    between = moment + (due - moment) * random.Random(moment).random()
    assert calendar.next_after(between, here) == due or between >= due


# ---- systemd's own word ------------------------------------------------------------------------------------------------

CHANGES = {  # an hour and more before the clock changes
    "Europe/Berlin": (1774735200, 1792879200),
    "Australia/Lord_Howe": (1791036400, 1775309800),
    "America/New_York": (1772944200, 1793504800),
    "UTC": (1767222000, 1740700000),
}


def twice(moment: float, zone: ZoneInfo) -> bool:
    """Whether the clock brings this wall time twice: then systemd takes the one or the other, as the C library likes."""
    here = datetime.fromtimestamp(moment, zone)
    return here.replace(fold=0).utcoffset() != here.replace(fold=1).utcoffset()


def overrun(before: float, ours: float | None, theirs: float | None, zone: ZoneInfo) -> bool:
    """systemd (252) passes over what is due soon after a repetition ran over the end of its day: ``*:28/14`` at 23:56."""
    if ours is None:
        return False
    days = [datetime.fromtimestamp(moment, zone).date() for moment in (before, ours)]
    return days[0] < days[1] and (theirs is None or theirs > ours)


def sample(count: int) -> list[str]:
    found: dict[str, None] = {}

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(expressions)
    def collect(text: str) -> None:
        found[text] = None

    collect()
    return list(found)


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not here (Debian package systemd)")
@pytest.mark.parametrize("machine", CHANGES)
def test_systemd_accepts_the_same_and_names_the_same_times(machine: str) -> None:
    texts = sample(500)
    compared = 0
    for place, base in enumerate((*CHANGES[machine], 1_800_000_000 + len(texts))):
        for text, theirs in ask_systemd(texts[place::3], base, 4, machine).items():
            try:
                ours = parse(text)
            except BadCalendar:
                assert theirs is None, text
                continue
            assert theirs is not None, text
            assert str(ours) == theirs.normal
            zone, before = ZoneInfo(ours.zone or machine), float(base)
            for told in (*theirs.times, *((None,) if len(theirs.times) < 4 else ())):
                due = ours.next_after(before, zone)
                if (None if due is None else int(due)) != told:
                    double = any(twice(each, zone) for each in (before, due, told) if each is not None)
                    assert double or overrun(before, due, told, zone), (text, machine, before, due, told)
                    break
                before = due or before
                compared += 1
    assert compared > 500


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not here (Debian package systemd)")
def test_what_is_refused_here_and_not_by_systemd_is_of_the_machine_alone() -> None:
    alphabet = random.Random(7)
    signs = ["Mon", "Sun", "..", ",", "-", "~", ":", "/", "*", " ", "0", "1", "12", "31", "2026", ".5"]
    texts = ["".join(alphabet.choices(signs, k=alphabet.randrange(1, 9))) for _ in range(3000)]
    texts = [text for text in dict.fromkeys(texts) if text == text.strip() and text]
    for text, theirs in ask_systemd(texts, 1_800_000_000, 1).items():
        try:
            ours = parse(text)
        except BadCalendar:
            # Quirks that nobody means: an open list of days, and a year that is parted from its month by "~".
            assert theirs is None or "~" in text or ",," in text, text
            continue
        assert theirs is not None, text
        assert str(ours) == theirs.normal


# ---- in agents.toml ----------------------------------------------------------------------------------------------------


def test_a_task_has_its_schedule_as_the_file_writes_it_also_after_a_replay(write: Write) -> None:
    project = config.load(write(f'{PROJECT}kind = "task"\nschedule = "Sun *-*-* 03:00"\n'))
    assert project.agents["upgrader"].schedule == "Sun *-*-* 03:00"
    assert config.decode(config.encode(project)) == project


def test_the_origin_of_a_schedule_is_its_line(write: Write) -> None:
    rows = config.rows_with_origin(write(f'{PROJECT}kind = "task"\nschedule = "weekly"\n'))
    row = next(row for row in rows if row.key == "agent.upgrader.schedule")
    assert (row.value, str(row.origin).rpartition(":")[2]) == ("weekly", "8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('kind = "task"\nschedule = "weekley"\n', 'is no calendar expression: "weekley" is no day'),
        ('kind = "task"\nschedule = ""\n', "must be a text that is not empty"),
        ('kind = "task"\nschedule = "daily Europe/Berln"\n', 'there is no time zone "Europe/Berln"; did you mean'),
        ('kind = "task"\nschedule = "03:00 CEST"\n', 'there is no time zone "CEST"'),
        ('kind = "persistent"\nschedule = "daily"\n', 'only an agent of kind task has one: set kind = "task"'),
    ],
)
def test_a_wrong_schedule_is_told_with_its_line(problems: Problems, text: str, told: str) -> None:
    found = problems(f"{PROJECT}{text}")
    assert [(each.line, each.key) for each in found] == [(8, "agent.upgrader.schedule")]
    assert told in found[0].message


def test_where_there_is_no_database_of_zones_a_zone_is_not_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "known", frozenset)
    project = config.load(write(f'{PROJECT}kind = "task"\nschedule = "daily Europe/Berln"\n'))
    assert project.agents["upgrader"].schedule
