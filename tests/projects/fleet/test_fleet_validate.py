"""A fleet against its projects on disk: all that is wrong, at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet_samples import engine, git, pinned, project
from loops.config.fleet import load_fleet
from loops.projects.fleet import pins, places
from loops.projects.fleet.pins import Mirror
from loops.projects.fleet.validate import validate


def write(home: Path, *tables: str) -> str:
    path = home / "fleet.toml"
    path.write_text("".join(f"[[project]]\n{table}\n" for table in tables))
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An engine with v1 and v2, and the project a that pins v1."""
    engine(tmp_path / "loops", "v1", {"x": 1})
    pinned(tmp_path / "a", "a-", str(tmp_path / "loops"), "v1")
    engine(tmp_path / "loops", "v2", {"x": 2})
    git(tmp_path / "a" / "engine", "fetch", "--quiet", "--tags", "origin")
    return tmp_path


def test_a_good_fleet_has_no_problems(home: Path):
    verdict = validate(write(home, 'name = "a"\nlocation = "a"\nref = "v1"'))

    assert verdict.problems == ()
    assert verdict.notes == ()
    assert verdict.sights[0].prefix == "a-"


def test_everything_wrong_is_told_at_once(home: Path):
    project(home / "b", "a-")
    project(home / "c", "a-b-", more="[nonsense]\n[other]\n")
    project(home / "d", "d-", log_dir="../a/.loops")
    path = write(
        home,
        'name = "a"\nlocation = "a"\nref = "v2"',
        'name = "b"\nlocation = "b"\nenabled = 1',
        'name = "c"\nlocation = "c"\nsecrets = "TOKEN=x"',
        'name = "d"\nlocation = "d"',
        'name = "d"\nlocation = "./d/"',
        'name = "e"\nlocation = "nowhere"',
    )

    problems = validate(path).problems

    told = sorted((each.line, each.key.rpartition(".")[2]) for each in problems if each.path == path)
    assert told == [
        (4, "ref"),
        (5, "config"),
        (8, "enabled"),
        (9, "config"),
        (12, "secrets"),
        (13, "config"),
        (16, "config"),
        (17, "name"),
        (18, "location"),
        (21, "location"),
    ]
    assert {each.line for each in problems if each.path.endswith("/c/agents.toml")} == {5, 6}


@pytest.mark.parametrize(
    ("ref", "mirror"),
    [
        ("v1", Mirror.SAME),
        ("HEX", Mirror.SAME),
        ("HEX7", Mirror.SAME),
        ("v2", Mirror.DIFFERENT),
        ("main", Mirror.DIFFERENT),
        ("0" * 40, Mirror.DIFFERENT),
        ("v9", Mirror.UNKNOWN),
        ("", Mirror.NONE),
    ],
)
def test_a_mirror_is_compared_with_what_it_names_in_the_engine(home: Path, ref: str, mirror: Mirror):
    pin = pins.read_pin(str(home / "a"))
    assert pin is not None

    ref = {"HEX": pin.commit, "HEX7": pin.commit[:7]}.get(ref, ref)

    assert pins.mirrored(str(home / "a"), pin, ref) is mirror


def test_a_pin_whose_engine_is_not_there_cannot_be_compared_with_a_tag(home: Path, tmp_path: Path):
    git(tmp_path, "clone", "--quiet", str(home / "a"), "clone")
    pin = pins.read_pin(str(tmp_path / "clone"))
    assert pin is not None
    assert not pin.present

    assert pins.mirrored(str(tmp_path / "clone"), pin, "v1") is Mirror.UNKNOWN
    assert pins.mirrored(str(tmp_path / "clone"), pin, pin.commit) is Mirror.SAME


def test_an_engine_that_has_another_commit_checked_out_is_told(home: Path):
    git(home / "a" / "engine", "checkout", "--quiet", "v2")

    (problem,) = validate(write(home, 'name = "a"\nlocation = "a"\nref = "v1"')).problems

    assert "checked out, but is pinned at" in problem.message


@pytest.mark.parametrize(
    ("nix", "commit", "asked"),
    [
        ('inputs.loops.url = "git+https://h/e.git?rev=REV&ref=refs/tags/v1";', "REV", "refs/tags/v1"),
        ('inputs = { engine = { url = "github:o/r/REV"; }; };', "REV", ""),
        ('inputs.loops = { inputs.nixpkgs.follows = "nixpkgs"; url = "github:o/r/v1"; };', "", "v1"),
    ],
)
def test_the_pin_of_a_flake_is_in_the_url_of_its_input(tmp_path: Path, nix: str, commit: str, asked: str):
    (tmp_path / "flake.nix").write_text(nix.replace("REV", "a" * 40))

    pin = pins.read_pin(str(tmp_path))

    assert pin is not None
    assert (pin.commit, pin.asked) == (commit.replace("REV", "a" * 40), asked)


def test_the_pin_of_a_flake_without_a_commit_in_its_url_is_in_its_lock(tmp_path: Path):
    (tmp_path / "flake.nix").write_text('inputs.loops.url = "github:o/r/v1";')
    node = {"locked": {"rev": "b" * 40}, "original": {"ref": "v1"}}
    lock = {"root": "root", "nodes": {"root": {"inputs": {"loops": "loops"}}, "loops": node}}
    (tmp_path / "flake.lock").write_text(json.dumps(lock))

    pin = pins.read_pin(str(tmp_path))

    assert pin is not None
    assert pin.commit == "b" * 40
    assert pins.mirrored(str(tmp_path), pin, "v1") is Mirror.SAME
    assert pins.mirrored(str(tmp_path), pin, "v2") is Mirror.DIFFERENT


@pytest.mark.parametrize("lock", ["", "[]", "{}", '{"root": "r", "nodes": {"r": {"inputs": {"loops": ["a", "b"]}}}}'])
def test_a_lock_that_is_not_understood_is_no_pin(tmp_path: Path, lock: str):
    (tmp_path / "flake.lock").write_text(lock)

    assert pins.read_pin(str(tmp_path)) is None


# ---- where projects are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://h/x.git", True),
        ("ssh://git@h/x", True),
        ("git@h:team/x.git", True),
        ("file:///srv/x", True),
        ("projects/x", False),
        ("./projects/x", False),
        ("/srv/a:b", False),
        ("~/x", False),
    ],
)
def test_a_url_is_told_from_a_path(location: str, url: bool):
    assert places.is_url(location) is url


def test_projects_are_found_from_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = write(
        tmp_path,
        'name = "a"\nlocation = "projects/a"',
        'name = "b"\nlocation = "https://h/b.git"',
        'name = "c"\nlocation = "git@h:c.git"\ndir = "elsewhere/c"\nconfig = "ops/agents.toml"',
        'name = "d"\nlocation = "~/d"',
    )

    fleet = load_fleet(path)

    root = tmp_path.resolve()
    assert [places.config_path(fleet, each) for each in fleet.projects] == [
        f"{root}/projects/a/agents.toml",
        f"{root}/checkouts/b/agents.toml",
        f"{root}/elsewhere/c/ops/agents.toml",
        f"{root}/home/d/agents.toml",
    ]


def test_a_project_below_the_top_of_a_repository_has_no_pin_of_its_own(home: Path):
    (home / "a" / "sub").mkdir()

    assert pins.read_pin(str(home / "a" / "sub")) is None
