"""The compiled cache: equal to the file or made anew, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from config_samples import FIXTURES, Write
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import config
from loops.config import compiled
from loops.config.model import Config
from loops.config.problems import Value
from loops.errors import ConfigError

GOOD = '[defaults]\nsession_prefix = "p-"\nlog_dir = ".loops"\n'


def facts(kind: Value) -> st.SearchStrategy[Any]:
    """Return every value that the annotation *kind* allows; unlike `st.from_type`, no field stays at its default."""
    outer: Value = get_origin(kind)
    inner = get_args(kind)
    if is_dataclass(kind):
        return st.builds(kind, **{name: facts(of) for name, of in get_type_hints(kind).items()})  # type: ignore[arg-type]
    if outer is tuple:
        return st.lists(facts(inner[0]), max_size=3).map(tuple)
    if outer is Mapping:
        return st.dictionaries(facts(inner[0]), facts(inner[1]), max_size=3)
    if outer is UnionType:
        return st.one_of(*map(facts, inner))
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.from_type(kind)


@settings(deadline=None)
@given(facts(Config))
def test_any_configuration_survives_json_exactly(project: Config) -> None:
    encoded = json.loads(json.dumps(config.encode(project)))
    again = config.decode(encoded)
    assert again == project
    assert list(again.agents) == list(project.agents)


def test_the_cache_gives_the_same_configuration_as_the_file(tmp_path: Path) -> None:
    path, cache = str(FIXTURES / "cc-ci.toml"), str(tmp_path / "config.json")
    expected = config.load(path)
    assert config.compile(path, cache) == expected
    assert config.compile(path, cache) == expected
    assert os.stat(cache).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["config.json"]


@pytest.fixture
def no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every check by a process of its own fail, so that only the cache can answer."""

    def refuse(*_args: object) -> Config:
        raise AssertionError("the cache was not used")

    monkeypatch.setattr(compiled, "_checked", refuse)


def test_a_good_cache_is_all_that_is_read(write: Write, tmp_path: Path, no_check: None) -> None:
    path, cache = write(GOOD), tmp_path / "config.json"
    cache.write_text(compiled.check(path)[1])
    assert config.compile(path, str(cache)).session_prefix == "p-"


@pytest.mark.parametrize("change", ["size", "same size", "replaced", "torn", "not json", "other engine", "other path"])
def test_a_cache_of_anything_else_is_not_used(write: Write, tmp_path: Path, no_check: None, change: str) -> None:
    path, cache = write(GOOD), tmp_path / "config.json"
    made = compiled.check(path)[1]
    cache.write_text(made)
    if change == "size":
        write(GOOD + "\n")
    elif change == "same size":
        about = os.stat(path)
        write(GOOD.replace("p-", "q-"))
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    elif change == "replaced":
        os.rename(path, f"{path}.old")
        write(GOOD)
    elif change == "torn":
        cache.write_text(made[: len(made) // 2])
    elif change == "not json":
        cache.write_text("[]")
    elif change == "other engine":
        cache.write_text(made.replace('"engine":"', '"engine":"9'))
    else:
        path = str(tmp_path / "link.toml")
        os.symlink(tmp_path / "agents.toml", path)
    with pytest.raises(AssertionError, match="the cache was not used"):
        config.compile(path, str(cache))


def test_an_edit_is_seen_and_a_bad_one_leaves_the_cache_as_it_was(write: Write, tmp_path: Path) -> None:
    path, cache = write(GOOD), tmp_path / "config.json"
    config.compile(path, str(cache))
    write(GOOD.replace('"p-"', '"longer-"'))
    assert config.compile(path, str(cache)).session_prefix == "longer-"
    kept = cache.read_bytes()
    write(GOOD + "[loops]\nphases = 1\n")
    with pytest.raises(config.ConfigProblems) as raised:
        config.compile(path, str(cache))
    (problem,) = raised.value.problems
    assert (problem.line, problem.key) == (4, "loops")
    assert cache.read_bytes() == kept


def test_a_cache_that_cannot_be_written_costs_only_time(write: Write, tmp_path: Path) -> None:
    path = write(GOOD)
    assert config.compile(path, str(tmp_path / "nowhere" / "config.json")).session_prefix == "p-"
    (tmp_path / "taken").mkdir()
    assert config.compile(path, str(tmp_path / "taken")).session_prefix == "p-"
    assert sorted(os.listdir(tmp_path)) == ["agents.toml", "taken"]


def test_a_missing_file_is_the_same_error_as_without_a_cache(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigProblems, match="there is no such file: write one with `loops init`"):
        config.compile(str(tmp_path / "agents.toml"), str(tmp_path / "config.json"))


def test_a_check_that_fails_by_itself_says_how_to_see_why(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match=r"the check failed \(status 1\); run `/bin/false -P -m loops.config"):
        config.compile(write(GOOD), str(tmp_path / "config.json"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(ConfigError, match="the check could not be run"):
        config.compile(write(GOOD), str(tmp_path / "config.json"))


HEAVY = ("jsonschema", "tomli", "tomlkit", "hashlib", "subprocess", "typing_extensions", "referencing", "difflib")


def test_a_start_from_the_cache_loads_neither_a_parser_nor_a_validator(write: Write, tmp_path: Path) -> None:
    path, cache = write(GOOD), str(tmp_path / "config.json")
    config.compile(path, cache)
    program = (
        "import sys; from loops import config; config.compile(*sys.argv[1:]); "
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-S", "-c", program, path, cache]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_check_itself_prints_problems_as_json_with_exit_status_3(write: Write) -> None:
    path = write("[defaults]\nlog_dir = 1\n")
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(
        [sys.executable, "-m", "loops.config", path], env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == ConfigError.exit_code == 3
    assert [(problem["line"], problem["key"]) for problem in json.loads(ran.stdout)] == [
        (1, "defaults.session_prefix"),
        (2, "defaults.log_dir"),
    ]


def test_why_a_file_was_refused_is_kept_until_the_file_changes(write: Write, tmp_path: Path) -> None:
    from loops.config.cache import refusal

    path, cache = write("[defaults]\nsession_prefix = 7\n"), str(tmp_path / "config.json")
    with pytest.raises(ConfigError) as refused:
        config.compile(path, cache)

    why = refusal(path, cache)
    fresh = compiled.is_fresh(path, cache)
    write(GOOD)

    assert why == str(refused.value)
    assert fresh
    assert refusal(path, cache) == ""
    assert not compiled.is_fresh(path, cache)
    config.compile(path, cache)
    assert compiled.is_fresh(path, cache)
    assert not os.path.exists(f"{cache}.refused")
