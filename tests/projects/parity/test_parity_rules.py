"""Rules: what they accept, what they can never accept, and every mistake in their file at once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from loops.config.problems import ConfigProblems
from loops.projects.parity.comparison import Standing, Verdict
from loops.projects.parity.rulefile import load_rules
from loops.projects.parity.rules import Rule
from parity_samples import TODAY, bad, changed, compared, places, sample, without

SAME = sample()
TINY = changed("boss", model="tiny")


def rule(place: str, **more: object) -> Rule:
    return replace(Rule("r1", place, "agreed", TODAY + timedelta(30)), **more)  # type: ignore[arg-type]


# ---- what a rule explains ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["agent boss: model", "agent *: model", "agent b?ss: mod*", "agent [ab]oss: model"])
def test_a_rule_explains_the_differences_that_its_place_fits(place: str):
    found = compared(SAME, TINY, rule(place))

    [explained] = [f for f in found.findings if f.verdict is Verdict.CHANGED]
    assert found.clean
    assert (str(explained.place), explained.rule) == ("agent boss: model", "r1")
    assert [use.standing for use in found.rules] == [Standing.USED]


@pytest.mark.parametrize("place", ["agent builder: model", "agent *: watch", "phase *: model", "agent boss: m"])
def test_a_rule_that_fits_nothing_is_reported(place: str):
    found = compared(SAME, TINY, rule(place))

    assert places(found) == ["agent boss: model"]
    assert [use.standing for use in found.rules] == [Standing.UNUSED]


def test_a_rule_for_what_is_the_same_has_matched_nothing():
    found = compared(SAME, SAME, rule("agent *: model"))

    assert [use.standing for use in found.rules] == [Standing.UNUSED]


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"live": "large"}, True),
        ({"staged": "tiny"}, True),
        ({"live": "large", "staged": "tiny"}, True),
        ({"live": "tiny"}, False),
        ({"live": "large", "staged": "huge"}, False),
        ({"live": ""}, False),
    ],
)
def test_a_rule_with_values_explains_only_those(values: dict[str, str], fits: bool):
    assert compared(SAME, TINY, rule("agent boss: model", **values)).clean is fits


def test_an_empty_value_of_a_rule_is_none():
    staged = changed("boss", wakes=None)

    assert compared(SAME, staged, rule("agent boss: wake *", staged="")).clean
    assert not compared(SAME, staged, rule("agent boss: wake *", live="")).clean


def test_the_first_rule_that_fits_explains():
    found = compared(SAME, TINY, rule("agent *: model", id="wide"), rule("agent boss: model", id="narrow"))

    assert [f.rule for f in found.findings if f.rule] == ["wide"]
    assert [use.matches for use in found.rules] == [1, 1]


# ---- expiry ------------------------------------------------------------------------------------------------------------


def test_a_rule_explains_until_the_end_of_its_last_day():
    until_today = rule("agent boss: model", expires=TODAY)

    assert compared(SAME, TINY, until_today).clean
    assert not compared(SAME, TINY, until_today, today=TODAY + timedelta(1)).clean


def test_an_expired_rule_explains_nothing_and_is_named_at_the_difference():
    found = compared(SAME, TINY, rule("agent boss: model", expires=TODAY - timedelta(1)))

    [difference] = bad(found)
    assert difference.verdict is Verdict.DIFFERENT
    assert "rule r1 expired on 2026-05-31" in difference.note
    assert [(use.standing, use.matches) for use in found.rules] == [(Standing.EXPIRED, 1)]


def test_behind_an_expired_rule_the_next_one_explains():
    expired = rule("agent boss: model", id="old", expires=TODAY - timedelta(1))

    found = compared(SAME, TINY, expired, rule("agent *: model", id="new"))

    assert [f.rule for f in found.findings if f.rule] == ["new"]


# ---- what must be named exactly ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["agent *: present", "agent cleanlog?: present", "agent *: *", "agent cleanlogs: *"])
def test_no_pattern_explains_a_whole_service_that_is_missing(place: str):
    assert places(compared(SAME, without("cleanlogs"), rule(place))) == ["agent cleanlogs: present"]
    assert places(compared(without("cleanlogs"), SAME, rule(place))) == ["agent cleanlogs: present"]


def test_a_whole_service_that_is_named_exactly_may_be_missing():
    assert compared(SAME, without("cleanlogs"), rule("agent cleanlogs: present")).clean


def test_a_rule_for_one_fact_of_a_missing_agent_explains_nothing():
    assert not compared(SAME, without("cleanlogs"), rule("agent cleanlogs: command")).clean


# ---- the file ----------------------------------------------------------------------------------------------------------

GOOD = """\
[[rule]]
id = "grace"
place = "times: stall_grace"
from = "180 s"
to = "90 s"
reason = " the model answers faster "
expires = 2027-01-31

[[rule]]
id = "any"
place = "agent *: model"
reason = "moved"
expires = "2027-02-01"
"""


def test_a_file_of_rules_is_read_in_its_order(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(GOOD)

    assert load_rules(str(path)) == (
        Rule("grace", "times: stall_grace", "the model answers faster", date(2027, 1, 31), "180 s", "90 s"),
        Rule("any", "agent *: model", "moved", date(2027, 2, 1)),
    )


def test_an_empty_file_has_no_rules(tmp_path: Path):
    (tmp_path / "rules.toml").write_text("")

    assert load_rules(str(tmp_path / "rules.toml")) == ()


BAD = """\
[[rule]]
id = "grace"
place = "times stall_grace"
reson = "because"
expires = 2027-01-31T00:00:00Z

[[rule]]
id = "grace"
place = "agent *: present"
reason = "  "
expires = "2027-02-30"

[[rule]]
id = "third"
place = "agent *: present"
reason = "no reason"
expires = "2027-02-30"

[other]
"""


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(BAD)

    with pytest.raises(ConfigProblems) as raised:
        load_rules(str(path))

    told = [(problem.line, problem.key, problem.message) for problem in raised.value.problems]
    expected = [
        (3, "rule.grace.place", "must be a place as parity prints it"),
        (4, "rule.grace.reson", 'did you mean "reason"?'),
        (5, "rule.grace.expires", "must be a day such as 2027-01-31, without a time"),
        (8, "rule.grace.id", "there are two rules grace"),
        (10, "rule.grace.reason", "must be a text that is not blank"),
        (15, "rule.third.place", "must be named exactly"),
        (17, "rule.third.expires", "there is no such day as 2027-02-30"),
        (19, "other", "there is no such key"),
    ]
    for line, key, words in expected:
        assert any((line, key) == each[:2] and words in each[2] for each in told), (line, key, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rule]\nid = 'x'\n", "[[rule]]"),
        ("rule = 3\n", "must be a list"),
        ("rule = [3]\n", "must be a table"),
        ("[[rule]]\n", "id: is missing"),
        ("a = [\n", "not TOML"),
    ],
)
def test_a_file_that_holds_no_rules_is_refused(tmp_path: Path, text: str, words: str):
    path = tmp_path / "rules.toml"
    path.write_text(text)

    with pytest.raises(ConfigProblems, match=re.escape(words)):
        load_rules(str(path))


def test_a_file_that_is_not_there_is_told_with_what_helps(tmp_path: Path):
    with pytest.raises(ConfigProblems, match="--allow"):
        load_rules(str(tmp_path / "none.toml"))
