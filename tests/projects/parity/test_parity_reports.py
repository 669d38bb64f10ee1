"""The four reports of a comparison: what they must show, and what must never come through."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import jsonschema
import pytest
from hypothesis import given
from loops import resources
from loops.projects.deployment.model import Deployment, Document, Form, Member
from loops.projects.parity.comparison import Comparison, Verdict
from loops.projects.parity.document import document
from loops.projects.parity.markdown import markdown
from loops.projects.parity.page import html
from loops.projects.parity.rows import rows
from loops.projects.parity.rules import Rule
from loops.projects.parity.terminal import lines, verdict
from parity_samples import DEPLOYMENTS, changed, compared, sample, without
from rich.cells import cell_len

KEY = "sk-ant-api03-" + "a" * 40
SAME = sample()
RULE = Rule("grace", "times: stall_grace", "the model answers faster", date(2027, 1, 31))
UNUSED = Rule("idle", "agent nobody: model", "in case", date(2027, 1, 31))
EXPIRED = Rule("old", "agent boss: model", "was so", date(2026, 1, 1))


def every_class() -> Comparison:
    """One difference of each class."""
    live = replace(SAME, log_dir="/live/logs", members=(*SAME.members[:3], replace(SAME.members[3], state="RUNNING")))
    members = tuple(replace(m, model="tiny") if m.name == "boss" else m for m in SAME.members)
    staged = replace(
        SAME,
        form=Form.LOOPS,
        source="/srv/staged",
        log_dir="/staged/.loops",
        members=members,
        times={"stall_grace": 90.0, "hang_after": 600.0},
    )
    return compared(live, staged, RULE, UNUSED, EXPIRED)


def text(found: Comparison, **options: object) -> list[str]:
    return list(lines(found, width=int(options.pop("width", 100)), **options))  # type: ignore[arg-type]


class Page(HTMLParser):
    """Tags, their attributes, and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: dict[str, int] = {}
        self.boxes: dict[str, bool] = {}
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [name for name in given if name in ("href", "src", "action") or name.startswith("on")]
        if tag == "tr" and given.get("class", "").startswith("v-") and "more" not in str(given["class"]).split():
            name = str(given["class"]).split()[0].removeprefix("v-")
            self.rows[name] = self.rows.get(name, 0) + 1
        if tag == "input":
            self.boxes[str(given["id"]).removeprefix("show-")] = "checked" in given

    def handle_data(self, data: str) -> None:
        self.text += data


# ---- terminal ----------------------------------------------------------------------------------------------------------


def test_the_worst_comes_first_and_the_same_is_only_counted():
    told = text(every_class())

    classes = [line.split()[0] for line in told if line and line.split()[0] in {each.value for each in Verdict}]
    assert classes == ["MISSING", "DIFFERENT", "changed", "expected", "expected"]
    assert any(re.search(r"\b\d+ same\b", line) for line in told)


def test_all_lists_what_is_the_same_and_what_was_not_compared():
    told = text(every_class(), every=True)

    assert any(line.startswith("same") and "agent builder: session" in line for line in told)
    assert "  times: hang_after" in told


def test_both_sides_stand_beside_each_other():
    [line] = [line for line in text(every_class()) if "agent boss: model" in line and line.startswith("DIFFERENT")]

    assert re.fullmatch(r"DIFFERENT +agent boss: model +large +tiny", line)


def test_rules_that_explain_nothing_are_named():
    told = text(every_class())

    assert any(line.startswith("rule idle matched nothing") for line in told)
    assert any(line.startswith("rule old expired on 2026-01-01") for line in told)
    assert any("rule grace: the model answers faster (until 2027-01-31)" in line for line in told)


LONG = changed("boss", dir="/srv/" + "a very long directory with words/" * 30, session="世界" * 60)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int):
    for found in (every_class(), compared(SAME, LONG), compared(SAME, replace(LONG, members=()))):
        told = text(found, width=width)

        assert max(map(cell_len, told[:-1])) <= width  # the last line is the result, in one piece


def test_wide_shows_values_in_full_on_one_line():
    told = text(compared(SAME, LONG), wide=True)

    assert sum("a very long directory with words/" * 30 in line for line in told) == 1


def test_colours_only_when_they_are_wanted():
    assert not any("\x1b" in line for line in text(every_class()))
    assert any("\x1b[1;31mMISSING" in line for line in text(every_class(), colour=True))


def test_the_same_difference_in_many_phases_is_one_row():
    steps = tuple(replace(step, models={"builder": "tiny"}) for step in SAME.steps)
    texts = {key: f"{value}more\n" if key[1] == "builder" else value for key, value in SAME.kickoffs.items()}

    found = rows(compared(SAME, sample(steps=steps, kickoffs=texts)), full=False)

    places = [row.place for row in found if row.verdict.bad]
    assert places == [
        "model of builder in 3 phases: 1, 1c, 3",
        "phase 2w: model of builder",
        "kickoffs of builder (4): 1, 1c, 2w, 3",
    ]


def test_a_first_line_says_whether_there_is_parity():
    assert verdict(compared(SAME, SAME)).startswith("parity: ")
    assert verdict(every_class()).startswith("NO PARITY: 1 MISSING, 1 DIFFERENT, 1 changed, 2 expected, ")


# ---- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_a_row_for_each_place_and_a_box_for_each_class():
    found = every_class()

    page = Page(html(found))

    assert page.rows == {each.value: found.count(each) for each in Verdict}
    assert page.boxes == {"MISSING": True, "DIFFERENT": True, "changed": True, "expected": True, "same": False}
    assert "not reached" in page.text
    assert "matched nothing" in page.text


def test_the_page_needs_nothing_and_runs_nothing():
    page = Page(html(every_class()))

    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "default-src 'none'" in html(every_class())


def evil(word: str) -> Deployment:
    """A deployment in which every text that comes from outside is *word*."""
    member = Member(word, word, word, word, word, word, word, word, True, True, Document(word, "ab" * 32, 3))
    return sample(
        source=word,
        root=word,
        prefix=word,
        members=(member, *SAME.members),
        roles={word: Document(word, "cd" * 32, 3)},
        kickoffs={(word, word): f"{word}\n", **SAME.kickoffs},
        clis={word: {word: word}},
    )


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "{{ 7*7 }}"])
def test_nothing_from_outside_becomes_markup(word: str):
    found = compared(evil(word), replace(evil(word), prefix=f"{word}!", members=SAME.members), RULE)

    page = Page(html(found))

    assert not {"script", "img"} & set(page.tags)
    assert page.links == []
    assert page.text.count(word) > 3


@pytest.mark.parametrize(
    "word", ["a\x1b[31mred", "a\x1b]0;title\x07", "a\u202egnp.exe", "a\x00b", "a\x9bb", "a\ud800b"]
)
def test_nothing_that_a_terminal_would_obey_comes_through(word: str):
    found = compared(evil(word), SAME)

    everything = [*text(found, wide=True), *markdown(found).split("\n"), *html(found).split("\n")]

    assert all(line.isprintable() for line in everything)


def test_keys_come_through_in_no_report():
    staged = sample(
        clis={"claude": {"bin": "claude", "flags": f"--key {KEY}"}},
        kickoffs={**SAME.kickoffs, ("1", "builder"): f"use {KEY}\n"},
    )
    found = compared(SAME, staged)

    everything = ["\n".join(text(found, wide=True)), markdown(found), html(found), json.dumps(document(found))]

    assert not any(KEY in each for each in everything)
    assert all("[redacted: provider key]" in each for each in everything)


def test_two_keys_that_are_both_hidden_are_still_told_apart():
    flags = [{"claude": {"bin": "claude", "flags": KEY + letter}} for letter in "xy"]

    [row] = [row for row in rows(compared(sample(clis=flags[0]), sample(clis=flags[1])), full=True) if row.verdict.bad]

    assert row.live == row.staged
    assert row.notes == ("they differ in what is not shown here",)


# ---- Markdown ----------------------------------------------------------------------------------------------------------


def test_markdown_has_a_table_for_each_class_but_the_same():
    told = markdown(every_class())

    assert re.findall("^## (.*)$", told, re.M) == [
        "MISSING",
        "DIFFERENT",
        "changed",
        "expected",
        "not compared",
        "rules",
    ]
    assert "| `agent boss: model` | `large` | `tiny` |" in told


@pytest.mark.parametrize("word", ["a|b", "a`b", "``", "<b>", "a\n| b |", "*a*", "`"])
def test_every_row_of_markdown_has_its_four_cells(word: str):
    found = compared(evil(word), SAME)

    for line in markdown(found).split("\n"):
        if line.startswith("| `") and "MISSING" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) == 5


# ---- JSON --------------------------------------------------------------------------------------------------------------


def valid(facts: object) -> bool:
    with open(resources.schema("parity"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(json.loads(json.dumps(facts))))
    assert not errors, errors
    return True


def test_json_has_every_class_and_every_rule():
    facts = document(every_class())

    assert valid(facts)
    assert facts["parity"] is False
    assert facts["counts"]["MISSING"] == 1
    assert {each["class"] for each in facts["findings"]} == {each.value for each in Verdict}
    assert [each["standing"] for each in facts["rules"]] == ["used", "matched nothing", "expired"]
    assert facts["date"] == "2026-06-01"


@given(DEPLOYMENTS, DEPLOYMENTS)
def test_any_comparison_can_be_reported_in_every_form(live: Deployment, staged: Deployment):
    live, staged = (_with_real_digests(each) for each in (live, staged))
    found = compared(live, staged, RULE)

    assert valid(document(found))
    assert sum(row.places for row in rows(found, full=True)) == len(found.findings)
    assert all(cell_len(line) <= 80 for line in text(found, width=80)[:-1])
    assert Page(html(found)).rows.keys() <= {each.value for each in Verdict}
    assert markdown(found).startswith("# Parity: ")


def _with_real_digests(deployment: Deployment) -> Deployment:
    def real(each: Document | None) -> Document | None:
        return each and replace(each, digest=each.digest * 16)

    members = tuple(
        replace(m, prompt=real(m.prompt), wakes=m.wakes and replace(m.wakes, prompt=real(m.wakes.prompt)))
        for m in deployment.members
    )
    roles = deployment.roles and {name: real(each) for name, each in deployment.roles.items()}
    return replace(deployment, members=members, roles=roles)


def test_the_same_comparison_gives_the_same_reports():
    one, two = every_class(), every_class()

    assert (html(one), markdown(one), document(one), text(one)) == (html(two), markdown(two), document(two), text(two))


def test_a_missing_agent_is_one_row_that_says_how_much_goes_with_it():
    [row] = [row for row in rows(compared(SAME, without("boss")), full=False) if row.verdict.bad]

    assert row.place == "agent boss: present"
    assert any("facts of it are not listed" in note for note in row.notes)
