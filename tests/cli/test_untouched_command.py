"""The words of `loops untouched`: what is refused before anything is looked at, what is printed, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from loops.cli import entry

RULES = '[[rule]]\nid = "notes"\nwhy = "we write there"\nthing = "file"\nchanges = ["added"]\nnames = ["notes/**"]\n'


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "live"
    (root / "notes").mkdir(parents=True)
    (root / "prompt.md").write_text("Build it.\n")
    monkeypatch.chdir(tmp_path)
    return root


def untouched(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> str:
    assert entry.run(["untouched", *words]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def facts(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(untouched(capsys, *words, "--json", code=code))
    assert found["ok"] is (code == 0)
    return found


def test_what_was_looked_at_is_said_with_what_comes_next(live: Path, capsys: pytest.CaptureFixture[str]):
    said = untouched(capsys, "baseline", "live", "--to", "b.json", code=0)

    assert f"3 paths below: {live}" in said
    assert said.splitlines()[-1] == "next: loops untouched check b.json"


def test_nothing_changed_is_0_and_something_is_1(live: Path, capsys: pytest.CaptureFixture[str]):
    untouched(capsys, "baseline", "live", "--to", "b.json", code=0)

    assert untouched(capsys, "check", "b.json", code=0).startswith("UNTOUCHED since ")
    (live / "prompt.md").write_text("Break it.\n")
    said = untouched(capsys, "check", "b.json", code=1)

    assert said.splitlines()[0] == "UNKNOWN: nobody explains these (1)"
    assert said.splitlines()[-1].endswith("1 that nobody explains; 0 are the live system's own")


def test_a_touch_is_told_as_facts(live: Path, capsys: pytest.CaptureFixture[str]):
    untouched(capsys, "baseline", "live", "--to", "b.json", code=0)
    (live / "prompt.md").chmod(0o600)

    found = facts(capsys, "check", "b.json", code=1)

    (touch,) = found["touches"]
    assert {**touch, "hints": []} == {
        "thing": "file",
        "place": str(live / "prompt.md"),
        "change": "mode",
        "before": "0644",
        "after": "0600",
        "cause": "unknown",
        "why": "",
        "rule": "",
        "hints": [],
        "beside": False,
        "alarming": True,
    }
    assert found["verdict"].startswith("TOUCHED")


@pytest.mark.parametrize("when", ["baseline", "check"])
def test_rules_explain_whether_they_are_kept_with_the_baseline_or_given_to_the_check(
    when: str, live: Path, capsys: pytest.CaptureFixture[str]
):
    Path("rules.toml").write_text(RULES)
    untouched(
        capsys, "baseline", "live", "--to", "b.json", *(["--own", "rules.toml"] if when == "baseline" else []), code=0
    )
    (live / "notes" / "today.md").write_text("x")

    said = untouched(capsys, "check", "b.json", *(["--rules", "rules.toml"] if when == "check" else []), code=0)

    assert "because: we write there (rule notes)" in said
    assert said.splitlines()[-1].endswith("1 differences of the live system's own")


def test_a_bad_rule_file_is_told_before_anything_is_looked_at(live: Path, capsys: pytest.CaptureFixture[str]):
    Path("rules.toml").write_text(RULES.replace('"file"', '"fiel"'))

    said = untouched(capsys, "baseline", "live", "--to", "b.json", "--own", "rules.toml", code=3)

    assert "rules.toml:4" in said
    assert not os.path.exists("b.json")


def test_every_mistake_of_the_words_is_told_at_once(live: Path, capsys: pytest.CaptureFixture[str]):
    words = ("live", "none", "--to", "live/notes/b.json", "--process", "(", "--repo", "live", "--cgroup", "x")

    said = untouched(capsys, "baseline", *words, "--unit=-x", code=2)

    for told in ("none: there is no such file", "would touch what must stay untouched", "no regular expression"):
        assert told in said
    assert "not a git repository" in said
    assert "--cgroup x" in said
    assert "--unit -x" in said
    assert os.listdir(live / "notes") == []


@pytest.mark.parametrize("to", ["live/b.json", "live/notes/b.json", "link/b.json"])
def test_a_baseline_is_never_written_into_what_it_is_of(to: str, live: Path, capsys: pytest.CaptureFixture[str]):
    Path("link").symlink_to("live/notes")

    assert "would touch" in untouched(capsys, "baseline", "live", "--to", to, code=2)


def test_without_anything_to_look_at_it_is_no_proof(live: Path, capsys: pytest.CaptureFixture[str]):
    assert "nothing to look at" in untouched(capsys, "baseline", "--to", "b.json", code=2)


def test_a_baseline_is_never_replaced(live: Path, capsys: pytest.CaptureFixture[str]):
    Path("b.json").write_text("mine")

    assert "never replaced" in untouched(capsys, "baseline", "live", "--to", "b.json", code=2)
    assert Path("b.json").read_text() == "mine"


def test_a_changed_baseline_is_refused(live: Path, capsys: pytest.CaptureFixture[str]):
    untouched(capsys, "baseline", "live", "--to", "b.json", code=0)
    Path("b.json").write_text(Path("b.json").read_text().replace("prompt.md", "prompt.dm"))

    said = facts(capsys, "check", "b.json", code=1)

    assert "was changed after it was taken" in said["error"]


def test_a_named_link_is_looked_at_with_what_it_leads_to(live: Path, capsys: pytest.CaptureFixture[str]):
    Path("current").symlink_to("live")
    untouched(capsys, "baseline", "current", "--to", "b.json", code=0)
    (live / "prompt.md").write_text("Break it.\n")
    Path("current").unlink()
    Path("current").symlink_to("elsewhere")

    found = facts(capsys, "check", "b.json", code=1)

    assert {(os.path.basename(each["place"]), each["change"]) for each in found["touches"]} == {
        ("current", "target"),
        ("prompt.md", "content"),
    }


def test_a_path_inside_another_is_looked_at_once(live: Path, capsys: pytest.CaptureFixture[str]):
    assert facts(capsys, "baseline", "live", "live/notes", "live", "--to", "b.json", code=0)["paths"] == 3


def test_no_secret_of_a_command_line_is_in_the_file_or_on_the_screen(live: Path, capsys: pytest.CaptureFixture[str]):
    key = "sk-ant-api03-" + "A" * 40
    marked = f"marked-child-of-{os.getpid()}"
    child = subprocess.Popen(["sh", "-c", "read _", marked, key, "--password", "hunter2"], stdin=subprocess.PIPE)
    try:
        untouched(capsys, "baseline", "--process", marked, "--to", "b.json", code=0)
    finally:
        child.kill()
        child.communicate()

    said = untouched(capsys, "check", "b.json", code=1)

    text = Path("b.json").read_text() + said
    assert marked in text
    assert key not in text
    assert "hunter2" not in text


def test_the_report_is_markdown_with_every_difference(live: Path, capsys: pytest.CaptureFixture[str]):
    untouched(capsys, "baseline", "live", "--to", "b.json", code=0)
    for number in range(60):
        (live / f"file|{number}").write_text("x")

    table = untouched(capsys, "check", "b.json", code=1)
    report = untouched(capsys, "check", "b.json", "--report", code=1)

    assert "... and 20 more: --report or --json tells all" in table
    assert report.startswith("# Untouched?\n\n**TOUCHED since ")
    assert all(f"file\\|{number} |" in report for number in range(60))
    assert "--json and --report" in untouched(capsys, "check", "b.json", "--report", "--json", code=2)
