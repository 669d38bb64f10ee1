"""The environment of the launchers is said once, to the migration: the cutover reads the live side by the same words."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from loops import resources
from loops.cli.entry import run
from loops.projects.cutover.acts import read_live
from loops.projects.cutover.plan import Plan, Side
from loops.projects.cutover.record import Places, kept_plan

PLANTED = "pl4nt3d"
LAUNCH = """\
import os
from pathlib import Path
SESSION_PREFIX = os.environ.get("SESSION_PREFIX", "ci-")
BUILDER_SESSION, ADV_SESSION = f"{SESSION_PREFIX}builder", f"{SESSION_PREFIX}adv"
BUILDER_DIR = os.environ.get("BUILDER_DIR", "")
LOOP_MODEL = os.environ.get("LOOP_MODEL", "from-script")
PHASES_SPEC = os.environ.get("PHASES_SPEC", "")


def build_loop_kickoff(role, phase_id, plan):
    return f"{phase_id} {plan}\\n" + Path(__file__).with_name("prompts").joinpath(role + ".md").read_text()
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Launchers that say next to nothing by themselves; their variables lie in a file elsewhere."""
    root = tmp_path / "live"
    for name in ("builder", "prompts"):
        (root / name).mkdir(parents=True)
    for role in ("builder", "adversary"):
        (root / "prompts" / f"{role}.md").write_text(f"You are the {role}.\n")
    (root / "launch.py").write_text(LAUNCH)
    for name in ("one.md", "two.md"):
        (root / name).write_text("Do it.\n")
    variables = ("PHASES_SPEC=1|one.md|A.md;2|two.md|B.md", f"BUILDER_DIR={root}/builder", f"KIMI_KEY={PLANTED}")
    (tmp_path / "ci.env").write_text("\n".join((*variables, "LOOP_MODEL=opus", "")))
    return root


@pytest.fixture
def staged(live: Path, tmp_path: Path) -> Path:
    to = tmp_path / "staged"
    told = ("--env", f"{tmp_path}/ci.env", "--set", "LOOP_MODEL=haiku", "--set", f"OTHER_TOKEN={PLANTED}")
    assert run(["migrate", str(live), *told, "--to", str(to)]) == 0
    return to


def planned(live: Path, staged: Path, *words: str) -> Plan:
    assert run(["cutover", "plan", str(live), str(staged), *words]) == 0
    return kept_plan(Places(f"{staged}/.loops"))


def started(plan: Plan) -> dict[str, str]:
    """The variables that the live side is started with on the way back."""
    starts = [each for step in plan.steps for each in step.back.commands if each.starts is Side.LIVE]
    return dict(starts[0].env)


def test_the_report_of_the_migration_holds_what_it_was_told_but_no_secret(staged: Path, tmp_path: Path):
    facts = json.loads((staged / "migration.json").read_text())

    with open(resources.schema("migration"), encoding="utf-8") as file:
        jsonschema.validate(facts, json.load(file))
    assert facts["told"] == {"unit": "", "env_files": [f"{tmp_path}/ci.env"], "settings": {"LOOP_MODEL": "haiku"}}
    assert PLANTED not in "".join(path.read_text() for path in staged.iterdir() if path.is_file())


def test_the_cutover_reads_the_live_side_as_the_migration_did(live: Path, staged: Path):
    plan = planned(live, staged)

    assert plan.ground.phases == ("1", "2")
    assert {member.models.get("1") for member in plan.ground.members} == {"haiku"}
    assert [step.id for step in read_live(plan.ground).steps or ()] == ["1", "2"]
    assert started(plan)["LOOP_MODEL"] == "haiku"
    assert started(plan)["PHASES_SPEC"] == "1|one.md|A.md;2|two.md|B.md"
    assert PLANTED not in repr(plan)
    assert "KIMI_KEY" in " ".join(plan.notes)


def test_the_comparison_of_the_runbook_is_made_by_the_same_words(live: Path, staged: Path):
    plan = planned(live, staged)
    look = next(check for check in plan.steps[0].after if "parity" in check.command.words)

    assert run(["parity", str(live), str(staged)]) == 1
    assert run(list(look.command.words[1:])) == 0


def test_what_is_said_again_holds_instead(live: Path, staged: Path, tmp_path: Path):
    (tmp_path / "moved.env").write_text((tmp_path / "ci.env").read_text().replace("opus", "sonnet"))
    (tmp_path / "ci.env").unlink()

    plan = planned(live, staged, "--env", f"{tmp_path}/moved.env", "--set", "SESSION_PREFIX=ci-")

    assert {member.models.get("1") for member in plan.ground.members} == {"sonnet"}
    assert dict(plan.ground.settings) == {"SESSION_PREFIX": "ci-"}


def test_a_unit_that_the_migration_was_told_of_need_not_be_named_again(live: Path, tmp_path: Path):
    unit = tmp_path / "ci.service"
    unit.write_text(
        f"[Service]\nEnvironmentFile={tmp_path}/ci.env\nExecStart=/usr/bin/python3 {live}/launch.py start\n"
    )
    staged = tmp_path / "staged"
    assert run(["migrate", str(live), "--unit", str(unit), "--to", str(staged)]) == 0

    plan = planned(live, staged)

    assert plan.ground.unit_file == str(unit)
    assert plan.ground.unit == ""
    assert plan.ground.phases == ("1", "2")


def test_a_unit_by_its_name_alone_says_with_what_the_live_side_is_read(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    units = tmp_path / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    unit = units / "ci-gone-elsewhere.service"
    unit.write_text(
        f"[Service]\nEnvironmentFile={tmp_path}/ci.env\nExecStart=/usr/bin/python3 {live}/launch.py start\n"
    )
    assert run(["migrate", str(live), "--unit", str(unit), "--to", f"{tmp_path}/staged"]) == 0

    plan = planned(live, tmp_path / "staged", "--unit", unit.name, "--user")

    assert (plan.ground.unit, plan.ground.unit_file) == (unit.name, str(unit))
    assert plan.ground.phases == ("1", "2")


def test_a_report_that_cannot_be_read_is_named(live: Path, staged: Path, capsys: pytest.CaptureFixture[str]):
    (staged / "migration.json").write_text("[")

    assert run(["cutover", "plan", str(live), str(staged)]) == 1

    assert f"{staged}/migration.json" in capsys.readouterr().err
