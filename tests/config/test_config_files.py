"""The files that a configuration names, and those that come with the engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from config_samples import Write
from loops import config, resources
from loops.errors import LoopsError

TEXT = """\
[defaults]
session_prefix = "p-"
log_dir = ".loops"
backend = "demo"
[[agent]]
name = "builder"
role = "builder"
[[agent]]
name = "watcher"
kind = "persistent"
prompt_file = "prompts/watcher.md"
wake = { interval = 60, prompt_file = "prompts/wake.md" }
[loop]
roles_dir = "prompts"
kickoff_template = "prompts/kickoff.md"
handoff = { repo = "clone" }
phases = [
  { id = "1", plan = "plans/one.md" },
]
"""
NAMED = ["prompts/builder.md", "prompts/watcher.md", "prompts/wake.md", "prompts/kickoff.md", "plans/one.md"]


def create(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text")


def test_loading_asks_for_none_of_the_files(write: Write) -> None:
    assert config.load(write(TEXT)).agents.keys() == {"builder", "watcher"}


def test_nothing_is_wrong_while_all_are_there(write: Write, tmp_path: Path) -> None:
    project = config.load(write(TEXT))
    create(tmp_path, *NAMED)
    assert config.check_files(project) == ()


def test_a_plan_may_be_in_the_project_or_in_the_clone(write: Write, tmp_path: Path) -> None:
    project = config.load(write(TEXT))
    create(tmp_path, *NAMED[:-1], "clone/plans/one.md")
    assert config.check_files(project) == ()


@pytest.mark.parametrize(
    ("name", "line", "key"),
    [
        ("prompts/builder.md", 7, "agent.builder.role"),
        ("prompts/watcher.md", 11, "agent.watcher.prompt_file"),
        ("prompts/wake.md", 12, "agent.watcher.wake.prompt_file"),
        ("prompts/kickoff.md", 15, "loop.kickoff_template"),
        ("plans/one.md", 18, "loop.phases.1.plan"),
    ],
)
def test_each_missing_file_is_reported_at_the_line_that_names_it(
    write: Write, tmp_path: Path, name: str, line: int, key: str
) -> None:
    project = config.load(write(TEXT))
    create(tmp_path, *NAMED)
    os.unlink(tmp_path / name)
    (problem,) = config.check_files(project)
    assert (problem.line, problem.key) == (line, key)
    assert name in problem.message


def test_a_missing_roles_dir_is_one_problem_and_not_one_for_each_role(write: Write, tmp_path: Path) -> None:
    project = config.load(write(TEXT.replace('roles_dir = "prompts"', 'roles_dir = "rolls"')))
    create(tmp_path, *NAMED)
    (problem,) = config.check_files(project)
    assert (problem.line, problem.key) == (14, "loop.roles_dir")


def test_a_role_that_does_not_come_with_the_engine_is_reported(write: Write, tmp_path: Path) -> None:
    project = config.load(write(TEXT.replace('roles_dir = "prompts"\n', "").replace('"builder"\n[[', '"poet"\n[[')))
    create(tmp_path, *NAMED)
    (problem,) = config.check_files(project)
    assert problem.key == "agent.builder.role"
    assert problem.message == 'no role "poet" comes with the engine: name the directory of your own in roles_dir'


def test_a_file_that_has_changed_since_lends_no_lines(write: Write, tmp_path: Path) -> None:
    project = config.load(write(TEXT))
    create(tmp_path, *NAMED[1:])
    write("\n" + TEXT)
    assert [problem.line for problem in config.check_files(project)] == [0]
    write("[broken")
    assert [problem.line for problem in config.check_files(project)] == [0]


def test_the_schema_comes_with_the_engine() -> None:
    with open(resources.schema("agents"), encoding="utf-8") as file:
        assert json.load(file)["title"] == "agents.toml"


def test_a_packaged_file_wins_over_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged, repository = tmp_path / "_data", tmp_path / "repository"
    monkeypatch.setattr(resources, "_PACKAGED", str(packaged))
    monkeypatch.setattr(resources, "_REPOSITORY", str(repository))
    create(repository, "prompts/builder.md", "prompts/adversary.md")
    create(packaged, "prompts/builder.md")
    assert resources.prompt("builder") == str(packaged / "prompts/builder.md")
    assert resources.prompt("adversary") == str(repository / "prompts/adversary.md")


def test_what_does_not_come_with_the_engine_is_named() -> None:
    with pytest.raises(LoopsError, match=r"prompts/poet.md does not come with this engine"):
        resources.prompt("poet")
