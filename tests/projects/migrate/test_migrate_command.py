"""`loops migrate` as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from loops.cli.entry import run

AGENTS = """\
[defaults]
session_prefix = "ci-"
log_dir = ".ao-state"
backend = "claude"

[[agent]]
name = "boss"
kind = "persistent"
prompt_file = "boss.md"
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    root.mkdir()
    (root / "agents.toml").write_text(AGENTS)
    (root / "boss.md").write_text("Watch.\n")
    return root


def test_it_says_what_was_staged_and_what_comes_next(live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run(["migrate", str(live), "--to", str(tmp_path / "staged")])

    said = capsys.readouterr().out
    assert code == 0
    assert f"staged {tmp_path}/staged from {live}/agents.toml (engine): 1 agents and services, 0 phases" in said
    assert "loops parity" in said.splitlines()[-1]


def test_its_json_holds_the_account(live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run(["migrate", str(live), "--to", str(tmp_path / "staged"), "--set", "OTHER=1", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["config"] == f"{tmp_path}/staged/agents.toml"
    assert [note["place"] for note in told["migration"]["untranslated"]] == ["--set OTHER"]


def test_nothing_of_a_foreign_name_reaches_the_terminal(live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (live / ".ao-state" / "state").mkdir(parents=True)
    (live / ".ao-state" / "state" / "\x1b[31mred\n").touch()

    run(["migrate", str(live), "--to", str(tmp_path / "staged")])

    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in (tmp_path / "staged" / "MIGRATION.md").read_text()


@pytest.mark.parametrize("setting", ["OTHER", "=1", "1A=x", "A-B=x"])
def test_a_setting_without_a_name_and_a_value_is_refused(
    live: Path, tmp_path: Path, setting: str, capsys: pytest.CaptureFixture[str]
):
    code = run(["migrate", str(live), "--to", str(tmp_path / "staged"), "--set", setting])

    assert code == 2
    assert "is not NAME=VALUE" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_told_with_its_lines(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (live / "agents.toml").write_text(AGENTS + 'model = 1\nwatch = "sometimes"\n')

    code = run(["migrate", str(live), "--to", str(tmp_path / "staged")])

    said = capsys.readouterr().err
    assert code == 3
    assert f"{live}/agents.toml:10: agent.boss.model" in said
    assert f"{live}/agents.toml:11: agent.boss.watch" in said
    assert not (tmp_path / "staged").exists()


def test_every_next_step_of_the_report_can_be_typed_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    root = tmp_path / "a live one"
    root.mkdir()
    (root / "agents.toml").write_text(AGENTS)
    (root / "agents.py").write_text("")
    (root / "boss.md").write_text("Watch.\n")
    (root / "ci.service").write_text("[Service]\nExecStart=/usr/bin/python3 agents.py up\n")
    run(["migrate", str(root), "--unit", f"{root}/ci.service", "--to", str(tmp_path / "staged")])
    monkeypatch.chdir(tmp_path / "staged")
    steps = Path("MIGRATION.md").read_text().rpartition("## Next steps")[2]
    typed = [shlex.split(each)[1:] for each in steps.split("`")[1::2] if each.startswith("loops ")]
    ready = [
        words
        for words in typed
        if words[0] == "parity" or words[:2] in (["untouched", "baseline"], ["cutover", "plan"])
    ]

    codes = [run(words) for words in ready]

    assert len(ready) == 3
    assert codes == [0, 0, 0], capsys.readouterr().err


def test_the_comparison_that_comes_next_knows_what_the_migration_knew(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run(["migrate", str(live), "--to", str(tmp_path / "to here"), "--set", "A=b c", "--set", "KIMI_KEY=pl4nt3d"])

    said = capsys.readouterr().out.splitlines()[-1]
    assert f"`loops parity {live}/agents.toml '{tmp_path}/to here' --set 'A=b c'`" in said
