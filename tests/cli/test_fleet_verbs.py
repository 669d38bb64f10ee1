"""loops fleet validate, list, get, add, remove, update: words, facts and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from loops.cli import entry


def make(root: Path, prefix: str) -> None:
    root.mkdir(parents=True)
    text = f'[defaults]\nsession_prefix = "{prefix}"\nlog_dir = ".loops"\nbackend = "demo"\n'
    (root / "agents.toml").write_text(text)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the projects a and b, and a fleet that names a; it is the working directory."""
    for name in ("LOOPS_FLEET", "LOOPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "projects" / "a", "a-")
    make(tmp_path / "projects" / "b", "b-")
    (tmp_path / "fleet.toml").write_text('[[project]]\nname = "a"\nlocation = "projects/a"\nsecrets = "sops:x"\n')
    return tmp_path


class Said:
    """What one command printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.out)
        return facts


@pytest.fixture
def loops(home: Path, capsys: pytest.CaptureFixture[str]):
    """Run ``loops fleet WORDS`` in this process."""

    def run(*words: str) -> Said:
        code = entry.run(["fleet", *words])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


def test_a_good_fleet_is_said_to_be_good(loops, home: Path):
    done = loops("validate")

    assert (done.code, done.out) == (0, f"{home}/fleet.toml: good: 1 projects\n")


def test_all_that_is_wrong_is_one_line_each_and_exit_3(loops, home: Path):
    with open(home / "fleet.toml", "a", encoding="utf-8") as file:
        file.write('[[project]]\nname = "a"\nlocation = "nowhere"\n[[project]]\nname = "c"\nlocation = "projects/a"\n')

    done = loops("validate")

    assert done.code == 3
    lines = (done.out + done.err).splitlines()
    assert [line.partition("fleet.toml:")[2].split(":")[0] for line in lines] == ["6", "7", "10"]
    facts = loops("validate", "--json").facts
    assert (facts["exit"], len(facts["problems"])) == (3, 3)


def test_a_fleet_is_named_by_option_or_environment(loops, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir("/")
    assert loops("list").code == 3

    assert loops("list", "--fleet", str(home)).code == 0
    monkeypatch.setenv("LOOPS_FLEET", str(home / "fleet.toml"))
    assert loops("list").code == 0


def test_there_is_no_fleet_is_said_with_the_remedy(loops, home: Path):
    os.unlink(home / "fleet.toml")

    done = loops("list")

    assert done.code == 3
    assert "add a first project with `loops fleet add`, or name another file with --fleet" in done.out + done.err


def test_the_list_is_a_table_and_facts(loops, home: Path):
    loops("add", "far", "--location", "https://example.org/far.git", "--ref", "v1", "--disabled")

    done = loops("list")

    assert [line.split() for line in done.out.splitlines()] == [
        ["NAME", "ENABLED", "HARNESS", "REF", "LOCATION"],
        ["a", "yes", "loops", "-", "projects/a"],
        ["far", "no", "loops", "v1", "https://example.org/far.git", "(not", "there)"],
    ]
    projects = loops("list", "--json").facts["projects"]
    assert [(each["name"], each["there"], each["config"]) for each in projects] == [
        ("a", True, f"{home}/projects/a/agents.toml"),
        ("far", False, f"{home}/checkouts/far/agents.toml"),
    ]


def test_a_mistake_in_one_entry_hides_no_other(loops, home: Path):
    with open(home / "fleet.toml", "a", encoding="utf-8") as file:
        file.write('[[project]]\nname = "b"\nlocation = "projects/b"\nsecrets = "hunter2"\n[[project]]\nname = "c"\n')

    listed = loops("list")

    assert listed.code == 3
    assert [line.split()[0] for line in listed.out.splitlines()] == ["NAME", "a", "b", "!", "!"]
    assert "hunter2" not in listed.out + loops("list", "--json").out
    assert loops("get", "a").code == 0
    assert loops("get", "b").code == 3
    assert loops("get", "c").code == 3
    assert loops("remove", "c").code == 0


def test_a_project_is_told_whole(loops, home: Path):
    facts = loops("get", "a", "--json").facts

    assert {key: facts[key] for key in ("name", "root", "session_prefix", "secrets", "pin", "mirror")} == {
        "name": "a",
        "root": f"{home}/projects/a",
        "session_prefix": "a-",
        "secrets": ["sops:x"],
        "pin": None,
        "mirror": "not mirrored",
    }
    assert "session_prefix   a-\n" in loops("get", "a").out


def test_a_project_that_is_not_there_is_exit_2_with_the_nearest(loops):
    done = loops("get", "aa")

    assert done.code == 2
    assert "did you mean" in done.out + done.err


def test_adding_and_removing_leaves_the_same_bytes(loops, home: Path):
    before = (home / "fleet.toml").read_bytes()

    assert loops("add", "b", "--location", "projects/b", "--secrets", "x/y", "--secrets", "sops:z").code == 0
    assert loops("get", "b", "--json").facts["secrets"] == ["x/y", "sops:z"]
    assert loops("remove", "b").code == 0

    assert (home / "fleet.toml").read_bytes() == before
    assert (home / "projects" / "b" / "agents.toml").exists()


@pytest.mark.parametrize(
    ("where", "word", "location"),
    [
        ("projects", "b", "projects/b"),
        ("projects", "../projects/b/", "projects/b"),
        ("projects", "projects/b", "projects/b"),
        (".", "projects/b", "projects/b"),
        ("projects/a", "https://example.org/b.git", "https://example.org/b.git"),
    ],
)
def test_a_path_is_meant_from_where_the_command_is_given(
    loops, home: Path, monkeypatch: pytest.MonkeyPatch, where: str, word: str, location: str
):
    monkeypatch.chdir(home / where)

    assert loops("add", "b", "--location", word).code == 0

    assert loops("get", "b", "--json").facts["location"] == location


def test_a_project_elsewhere_is_named_whole(loops, home: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    make(elsewhere / "c", "c-")

    loops("add", "c", "--location", os.path.relpath(elsewhere / "c"))

    assert loops("get", "c", "--json").facts["location"] == str(elsewhere / "c")


def test_what_validate_would_refuse_is_not_added(loops, home: Path):
    before = (home / "fleet.toml").read_bytes()

    done = loops("add", "b", "--location", "projects/a", "--secrets", "hunter2")

    assert done.code == 3
    assert "one project needs one name" in done.out + done.err
    assert "where a location belongs" in done.out + done.err
    assert "hunter2" not in done.out + done.err
    assert (home / "fleet.toml").read_bytes() == before


def test_a_project_without_a_repository_has_no_pin_to_move(loops):
    done = loops("update", "a", "--to", "v2")

    assert done.code == 1
    assert "is no git repository with its top there" in done.out + done.err


@pytest.mark.parametrize("words", [["--dry-run"], ["--to", "v1", "--undo"], ["--to"]])
def test_wrong_words_of_an_update_are_exit_2(loops, words: list[str]):
    assert loops("update", "a", *words).code == 2


def test_what_a_file_says_acts_on_no_terminal(loops, home: Path):
    with open(home / "fleet.toml", "a", encoding="utf-8") as file:
        file.write('harness = "\\u001b[31mred"\n"\\u001b[32m" = 1\n')

    for words in (["list"], ["get", "a"], ["validate"]):
        done = loops(*words)
        assert done.code == 0
        assert "\x1b" not in done.out + done.err


def test_an_update_is_told_step_by_step(loops, home: Path, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("engine")

    def git(directory: Path, *words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "protocol.file.allow=always")
        subprocess.run(["git", *who, *words], cwd=directory, check=True, capture_output=True)

    git(root, "init", "--quiet")
    for number in (1, 2):
        says = {"ok": True, "values": [{"key": "grace", "value": number, "origin": "default"}]}
        (root / "agents.py").write_text(f"print({json.dumps(json.dumps(says))})\n")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "-m", f"v{number}")
        git(root, "tag", f"v{number}")
    project = home / "projects" / "b"
    git(project, "init", "--quiet")
    git(project, "submodule", "--quiet", "add", str(root), "engine")
    git(project / "engine", "checkout", "--quiet", "v1")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "Begin")
    assert loops("add", "b", "--location", "projects/b", "--ref", "v1").code == 0

    looked = loops("update", "b", "--to", "v2", "--dry-run")
    moved = loops("update", "b", "--to", "v2")
    back = loops("update", "b", "--undo", "--json")

    assert "  ~ grace: 1 -> 2  (default)" in looked.out
    assert looked.out.endswith("nothing was moved (--dry-run)\n")
    assert "`loops fleet update b --undo` returns to" in moved.out
    assert (back.code, back.facts["moved"], back.facts["ref"]) == (0, True, "v1")
    assert loops("validate").code == 0
