"""Whatever stands in a file, the answer is a configuration or a list of problems with lines."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import tomlkit
from config_samples import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import config
from loops.config.problems import DocPath, Value

DOCUMENTS = [tomllib.loads((FIXTURES / f"{name}.toml").read_text()) for name in ("full", "new")]

stray = st.recursive(
    st.sampled_from(
        [0, -1, 1.5, float("inf"), float("nan"), 10**400, True, "", "x", "a b", "it's", "(", "90s", "../x", "\0"]
    )
    | st.sampled_from(["builder", "adversary", "report", "cleanlogs", "watchdog", "claude", "é", "=x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "x y", "bin"]), inner),
    max_leaves=3,
)


def places(value: Value, path: DocPath = ()) -> Iterator[DocPath]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples."""
    return tmp_path_factory.mktemp("fuzz") / "agents.toml"


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_change_gives_a_configuration_or_problems_with_lines(file: Path, data: st.DataObject) -> None:
    document: Value = deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(places(document), key=str)))
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        change = data.draw(st.sampled_from(["replace", "remove", "rename"]))
        if change == "replace" or not isinstance(holder, dict):
            holder[path[-1]] = data.draw(stray)
        else:
            value = holder.pop(path[-1])
            if change == "rename":
                holder[data.draw(st.sampled_from(["name", "x", "bin", "phases", "run"]))] = value
    text = tomlkit.dumps(document)
    file.write_text(text)
    problems: tuple[config.Problem, ...] = ()
    try:
        project = config.load(str(file))
    except config.ConfigProblems as raised:
        problems = raised.problems
    else:
        assert config.decode(config.encode(project)) == project
        assert len(config.rows_with_origin(str(file))) > 50
        return
    assert problems
    for problem in problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.key
        assert problem.message


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_problems_of_that_file(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(config.ConfigProblems) as raised:
        config.load(os.fspath(file))
    assert {problem.path for problem in raised.value.problems} == {str(file)}
