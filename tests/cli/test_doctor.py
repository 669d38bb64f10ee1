"""Single checks of the doctor, on machines that are not this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.places import Runtime
from loops.projects import doctor
from loops.projects.doctor import Level


def limits(directory: Path, **values: int) -> str:
    for name, value in values.items():
        (directory / name).write_text(f"{value}\n")
    return str(directory)


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10, 9), Level.FAIL), ((3, 11, 0), Level.OK), ((4, 0, 0), Level.OK)]
)
def test_an_old_python_fails(version: tuple[int, int, int], level: Level) -> None:
    assert doctor.python(version).level is level


@pytest.mark.parametrize(
    ("said", "level"),
    [("tmux 3.2a", Level.WARN), ("tmux 3.3a", Level.OK), ("tmux next-3.6", Level.OK), ("tmux 4.0", Level.OK)],
)
def test_an_old_tmux_costs_the_views_only(
    said: str, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tmux"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert doctor.tmux().level is level


def test_few_terminals_or_descriptors_fail_by_the_number_of_sessions(tmp_path: Path) -> None:
    proc = limits(tmp_path, max=100, nr=90)

    assert doctor.terminals(5, proc).level is Level.OK
    assert doctor.terminals(6, proc).level is Level.FAIL
    assert doctor.descriptors(1).level is Level.OK
    assert doctor.descriptors(10**9).level is Level.FAIL


def test_few_inotify_watches_are_worth_a_warning(tmp_path: Path) -> None:
    assert doctor.inotify(limits(tmp_path, max_user_instances=128, max_user_watches=8192)).level is Level.OK
    assert doctor.inotify(limits(tmp_path, max_user_instances=8, max_user_watches=8192)).level is Level.WARN


def test_limits_that_are_hidden_are_not_judged(tmp_path: Path) -> None:
    assert doctor.terminals(5, str(tmp_path)).level is Level.OK


def test_a_runtime_directory_must_be_short_and_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(tmp_path / ("x" * 120)))
    assert "too long for a socket" in doctor.runtime_directory(Runtime("/a")).text

    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(shared))
    found = doctor.runtime_directory(Runtime("/a"))
    assert found.level is Level.FAIL
    assert found.remedy
