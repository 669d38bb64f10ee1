"""``loops new --register``: the last step, which a project does not survive when it is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from engine_repository import EngineRepository
from loops.cli import entry
from loops.config.fleet import Entry, load_fleet
from loops.projects import new_registration
from loops.projects.fleet import registry
from loops.projects.fleet.validate import validate


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with a fleet.toml that has a comment and one project, far from where new ones are made."""
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOOPS_CONFIG", raising=False)
    monkeypatch.delenv("LOOPS_FLEET", raising=False)
    assert entry.run(["new", "recipes", "--dir", "far"]) == 0
    path = tmp_path / "fleet.toml"
    path.write_text('# ours\n[[project]]\nname = "recipes"\nlocation = "far/recipes"\n')
    return path


def new(*words: str) -> int:
    return entry.run(["new", *words])


def test_a_registered_project_stands_in_a_good_fleet_beside_the_others(
    fleet: Path, engine: EngineRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--engine", "v1", "--engine-url", engine.url)
    assert new("lint", "--dir", "projects", "--register", str(fleet), *words) == 0

    assert f"registered in {fleet}" in capsys.readouterr().out.splitlines()
    assert load_fleet(str(fleet)).projects[1] == Entry("lint", "projects/lint", ref="v1")
    assert validate(str(fleet)).problems == ()
    assert fleet.read_text().startswith("# ours\n")


def test_a_directory_stands_for_the_fleet_in_it_which_is_made_when_missing(tmp_path: Path, fleet: Path) -> None:
    (tmp_path / "operator").mkdir()

    assert new("lint", "--register", "operator") == 0

    assert load_fleet(str(tmp_path / "operator" / "fleet.toml")).projects == (Entry("lint", str(tmp_path / "lint")),)


def test_a_prefix_of_the_fleets_own_projects_is_refused_before_anything_is_made(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fleet.read_bytes()

    assert new("lint", "--prefix", "recipes-2-", "--register", str(fleet)) == 2

    said = capsys.readouterr().err
    assert "begins like that of recipes, 'recipes-'" in said
    assert "name --prefix lint-" in said
    assert not (fleet.parent / "lint").exists()
    assert fleet.read_bytes() == before


def test_a_registration_that_is_refused_leaves_no_project(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.write_text(fleet.read_text() + '[[project]]\nname = "lint"\nlocation = "https://example.org/lint.git"\n')
    before, there = fleet.read_bytes(), sorted(os.listdir(fleet.parent))

    assert new("lint", "--json", "--dir", "projects/deep", "--register", str(fleet)) == 2

    assert "there is a project 'lint' already" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert fleet.read_bytes() == before
    assert sorted(os.listdir(fleet.parent)) == there


def test_a_fleet_that_is_misspelt_is_not_made(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new("lint", "--register", "opreator") == 2

    assert "--register opreator: is not there" in capsys.readouterr().err
    assert not (fleet.parent / "opreator").exists()
    assert not (fleet.parent / "lint").exists()


def test_a_fleet_that_is_no_toml_is_told_and_nothing_is_made(fleet: Path) -> None:
    fleet.write_text("[[")

    assert new("lint", "--register", str(fleet)) == 3

    assert not (fleet.parent / "lint").exists()


def test_an_interrupt_behind_the_last_write_takes_the_entry_back(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = registry.add

    def interrupted(path: str, entry: Entry) -> None:
        add(path, entry)
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "add", interrupted)

    assert new("lint", "--register", str(fleet)) == 130

    assert [each.name for each in load_fleet(str(fleet)).projects] == ["recipes"]
    assert not (fleet.parent / "lint").exists()


def test_an_interrupt_before_the_write_takes_nothing_of_others_away(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.write_text(fleet.read_text() + '[[project]]\nname = "lint"\nlocation = "lint"\n')
    before = fleet.read_bytes()

    def interrupted(path: str, entry: Entry) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_registration.registry, "add", interrupted)

    assert new("lint", "--register", str(fleet)) == 130

    assert fleet.read_bytes() == before
