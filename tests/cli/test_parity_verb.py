"""`loops parity` as it is called: its exit codes, and what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from loops import resources
from loops.cli import entry

AGENTS = """\
[defaults]
session_prefix = "cc-"
log_dir = "{log_dir}"
backend = "demo"
model = "small"

[[agent]]
name = "builder"
role = "builder"
dir = "/srv/builder"

[[agent]]
name = "boss"
kind = "persistent"
dir = "/srv"
model = "{model}"
prompt_file = "boss.md"

[loop]
phases = [
  {{ id = "1", plan = "plan.md", status = "STATUS-1.md" }},
]
"""
RULES = """\
[[rule]]
id = "cheaper"
place = "agent boss: model"
from = "large"
to = "tiny"
reason = "it only watches"
expires = 2026-06-30
"""
SAME, DIFFERENT, WRONG_WORDS, UNKNOWN = 0, 1, 2, 3


def project(root: Path, *, model: str = "large", prompt: str = "watch\n") -> str:
    root.mkdir()
    (root / "agents.toml").write_text(AGENTS.format(log_dir=".loops", model=model))
    (root / "boss.md").write_text(prompt)
    (root / "plan.md").write_text("plan\n")
    return str(root)


@pytest.fixture
def live(tmp_path: Path) -> str:
    return project(tmp_path / "live")


@pytest.fixture
def staged(tmp_path: Path) -> str:
    return project(tmp_path / "staged", model="tiny")


def parity(*words: str) -> int:
    return entry.run(["parity", *words])


def test_without_a_difference_it_ends_with_0(live: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert parity(live, project(tmp_path / "same")) == SAME

    assert "parity: " in capsys.readouterr().out.splitlines()[-1]


def test_a_difference_is_shown_and_ends_with_1(live: str, staged: str, capsys: pytest.CaptureFixture[str]):
    assert parity(live, staged, "--wide") == DIFFERENT

    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["DIFFERENT", "agent", "boss:", "model", "large", "tiny"] for line in lines)
    assert "live in agents.toml:16, staged in agents.toml:16" in lines[2]
    assert lines[-1].startswith("NO PARITY: 1 DIFFERENT")


def test_a_rule_in_force_makes_it_parity(live: str, staged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "rules.toml").write_text(RULES)

    assert parity(live, staged, "--allow", str(tmp_path / "rules.toml"), "--date", "2026-06-30") == SAME
    assert parity(live, staged, "--allow", str(tmp_path / "rules.toml"), "--date", "2026-07-01") == DIFFERENT

    assert "it only watches" in capsys.readouterr().out


def test_a_changed_byte_of_a_prompt_is_shown_with_its_line(
    live: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert parity(live, project(tmp_path / "staged", prompt="watch!\n"), "--wide") == DIFFERENT

    said = capsys.readouterr().out
    assert "boss.md (6 bytes)" in said
    assert "boss.md (7 bytes)" in said
    assert "they part at line 1, byte 5:" in said


def test_json_is_what_its_schema_says(live: str, staged: str, capsys: pytest.CaptureFixture[str]):
    assert parity(live, staged, "--json") == DIFFERENT

    facts = json.loads(capsys.readouterr().out)
    with open(resources.schema("parity"), encoding="utf-8") as file:
        jsonschema.validate(facts, json.load(file))
    assert (facts["ok"], facts["parity"], facts["counts"]["DIFFERENT"]) == (False, False, 1)


def test_reports_are_written_where_they_are_wanted(
    live: str, staged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page, told = tmp_path / "parity.html", tmp_path / "parity.md"

    for _ in range(2):  # a second time over the first
        assert parity(live, staged, "--report", str(page), "--markdown", str(told)) == DIFFERENT

    assert "agent boss: model" in page.read_text()
    assert "`agent boss: model`" in told.read_text()
    assert f"wrote {page}" in capsys.readouterr().out


def test_json_names_the_reports(live: str, staged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert parity(live, staged, "--json", "--markdown", str(tmp_path / "parity.md")) == DIFFERENT

    assert json.loads(capsys.readouterr().out)["reports"] == [str(tmp_path / "parity.md")]


def test_options_may_stand_among_the_sides(live: str, staged: str, tmp_path: Path):
    (tmp_path / "rules.toml").write_text(RULES)
    rules = ("--allow", str(tmp_path / "rules.toml"))

    assert parity(live, *rules, staged, "--date", "2026-06-30") == SAME
    assert parity(*rules, live, "--date", "2026-06-30", staged) == SAME
    assert parity(live, "--frobnicate", staged) == WRONG_WORDS


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{tmp}/nothing", "{staged}"], "{tmp}/nothing"),
        (["{live}", "{tmp}/nothing"], "{tmp}/nothing"),
        (["{live}", "{staged}", "--allow", "{tmp}/bad.toml"], "bad.toml:1: rule: must be a list"),
        (["{live}", "{staged}", "--allow", "{tmp}/none.toml"], "none.toml"),
        (["{live}", "{staged}", "--report", "{live}/agents.toml"], "something else"),
        (["--live-command", "false", "{staged}"], "false"),
        (["{tmp}/odd.txt", "{staged}"], "holds no status"),
    ],
)
def test_what_cannot_be_read_or_written_ends_with_3(
    words: list[str], told: str, live: str, staged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad.toml").write_text("rule = 3\n")
    (tmp_path / "odd.txt").write_text("what is this\n")
    places = {"live": live, "staged": staged, "tmp": str(tmp_path)}

    assert parity(*(word.format(**places) for word in words)) == UNKNOWN

    assert told.format(**places) in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["{staged}"], [], ["-", "-"], ["-", "-", "{staged}"], ["{live}", "{staged}", "--date", "soon"]]
)
def test_wrong_words_end_with_2(words: list[str], live: str, staged: str):
    assert parity(*(word.format(live=live, staged=staged) for word in words)) == WRONG_WORDS


def test_broken_agents_toml_is_told_with_all_its_mistakes(
    live: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "broken.toml").write_text('[defaults]\nsesion_prefix = "x-"\nlog_dir = 3\n')

    assert parity(live, str(tmp_path / "broken.toml"), "--json") == UNKNOWN

    assert len(json.loads(capsys.readouterr().out)["problems"]) >= 2


def test_the_width_of_the_terminal_is_respected(
    live: str, staged: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "50")

    parity(live, staged)

    assert all(len(line) <= 50 for line in capsys.readouterr().out.splitlines()[:-1])
