"""As whom each step is typed: what runs as a user of its own is neither ended nor started by root."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cutover_world import ground, words
from loops.cli.entry import run
from loops.errors import LoopsError
from loops.projects.cutover import user
from loops.projects.cutover.acts import scene_of
from loops.projects.cutover.hands import argv
from loops.projects.cutover.plan import Command, Plan, decode, encode
from loops.projects.cutover.record import Places, keep_plan, kept_plan
from loops.projects.cutover.runbook import markdown
from loops.projects.cutover.steps import build

AGENTS = """\
[defaults]
session_prefix = "ci-"
log_dir = "state"
backend = "claude"

[[agent]]
name = "boss"
kind = "persistent"
"""
NOBODY = "nobody"


def plan_of(name: str) -> Plan:
    return build(replace(ground(), user=name), words(unit_starts=False))


def blocks(plan: Plan) -> list[str]:
    """Every line that the runbook tells somebody to type, but for the checks."""
    lines = [line for block in markdown(plan).split("```sh\n")[1:] for line in block.partition("```")[0].splitlines()]
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    """A live deployment whose unit says `User=nobody`, and its staged project."""
    live = tmp_path / "live"
    live.mkdir()
    (live / "agents.toml").write_text(AGENTS)
    (live / "agents.py").write_text("")
    unit = live / "ci.service"
    unit.write_text(f"[Service]\nUser={NOBODY}\nExecStart=/usr/bin/python3 {live}/agents.py up\n")
    assert run(["migrate", str(live), "--to", f"{tmp_path}/staged"]) == 0
    return [str(live), f"{tmp_path}/staged", "--unit", str(unit)]


def test_each_command_of_the_runbook_says_as_whom_it_is_typed() -> None:
    lines = blocks(plan_of("ci"))

    as_root = [line for line in lines if "systemctl" in line or "loops service" in line]
    assert len(as_root) == 4
    assert all(re.match(r"sudo (systemctl|loops service) ", line) for line in as_root)
    assert all(line.startswith("sudo -H -u ci -- ") for line in lines if line not in as_root)
    assert "| typed as | `ci`" in markdown(plan_of("ci"))


def test_so_does_each_check() -> None:
    checks = [line for line in markdown(plan_of("ci")).splitlines() if line.startswith("- [ ] ")]

    assert checks
    assert all("`sudo -H -u ci -- " in line for line in checks)


def test_without_a_user_of_its_own_nothing_stands_before_a_command() -> None:
    assert "sudo" not in markdown(plan_of(""))
    assert "| typed as | `root` |" in markdown(plan_of(""))


def test_the_service_that_is_installed_has_the_same_user() -> None:
    (install,) = (line for line in blocks(plan_of("ci")) if "service install" in line)

    assert "--run-as ci" in install


def test_a_command_for_somebody_else_is_one_that_a_shell_takes_whole(tmp_path: Path) -> None:
    place = tmp_path / 'it\'s a "place" $HOME'
    place.mkdir()
    (tmp_path / "sudo").write_text('#!/bin/sh\nshift 4\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    said = ("$A", "it's", '"x" y', "`id`", "=a", "")
    command = Command(("printf", "%s|", *said), cwd=str(place), env=(("A", "b c'\"$X"),), user="ci")
    shows = replace(command, words=("sh", "-c", 'printf "%s|%s" "$PWD" "$A"'))

    def typed(each: Command) -> str:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(
            ["sh", "-c", str(each)], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert shlex.split(str(command))[:7] == ["sudo", "-H", "-u", "ci", "--", "sh", "-c"]
    assert typed(command) == "".join(f"{word}|" for word in said)
    assert typed(shows) == f"{place}|b c'\"$X"


def test_the_plan_is_kept_with_its_users() -> None:
    made = plan_of("ci")

    assert decode(encode(made)) == made


def test_the_user_is_the_one_of_the_unit(sides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user, "myself", lambda: NOBODY)

    assert run(["cutover", "plan", *sides]) == 0

    made = kept_plan(Places(f"{sides[1]}/.loops"))
    assert made.ground.user == NOBODY
    assert all(f"sudo -H -u {NOBODY} -- " in line for line in blocks(made))


def test_a_user_whom_this_machine_does_not_know_is_named(sides: list[str]) -> None:
    unit = Path(sides[-1])
    unit.write_text(unit.read_text().replace(NOBODY, "no-such-user-here"))

    assert run(["cutover", "plan", *sides]) == 0

    made = kept_plan(Places(f"{sides[1]}/.loops"))
    assert made.ground.user == ""
    assert "no-such-user-here" in " ".join(made.notes)


@pytest.mark.parametrize("verb", ["plan", "rehearse"])
def test_somebody_else_is_told_who_is_to_type_it_and_leaves_no_file(
    sides: list[str], verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(user, "myself", lambda: "root")

    assert run(["cutover", verb, *sides]) == 1

    assert f"sudo -H -u {NOBODY} -- loops cutover" in capsys.readouterr().err
    assert not Path(sides[1], ".loops", "cutover").exists()


def test_nobody_else_looks_or_carries_by_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To another user's eyes there are no sessions: a look would say that nothing lives."""
    monkeypatch.setattr(user, "myself", lambda: "root")
    keep_plan(Places(str(tmp_path)), plan_of("ci"))

    with pytest.raises(LoopsError, match="runs as ci"):
        scene_of(str(tmp_path))


def test_the_executor_becomes_root_for_the_units_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user, "myself", lambda: "ci")
    commands = {str(each): argv(each) for step in plan_of("ci").steps for each in (*step.commands, *step.back.commands)}

    for text, started in commands.items():
        assert (started[0] == "sudo") == ("systemctl" in text or "loops service" in text)
    assert argv(Command(("systemctl", "enable", "x"), user="root"))[:2] == ["sudo", "-n"]
