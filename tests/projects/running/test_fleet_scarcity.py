"""What only the number of projects makes scarce, and how findings about many projects are told."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from loops.cli.fleet_running import _whose
from loops.projects.finding import Level
from loops.projects.fleet import doctor


def limits(root: Path, instances: int, watches: int) -> str:
    (root / "max_user_instances").write_text(f"{instances}\n")
    (root / "max_user_watches").write_text(f"{watches}\n")
    return str(root)


def test_each_project_wants_an_inotify_instance(tmp_path: Path) -> None:
    enough = doctor.inotify(50, 400, limits(tmp_path, 128, 8192))
    few = doctor.inotify(128, 400, limits(tmp_path, 128, 8192))
    unseen = doctor.inotify(50, 9000, limits(tmp_path, 128, 8192))

    assert enough.level is Level.OK
    assert few.level is Level.FAIL
    assert "max_user_instances=640" in few.remedy
    assert unseen.level is Level.FAIL


def test_limits_that_cannot_be_seen_are_not_judged(tmp_path: Path) -> None:
    assert doctor.inotify(500, 10**6, str(tmp_path / "none")).level is Level.OK
    assert doctor.memory(500, 10**5, str(tmp_path / "none")).level is Level.OK


def test_one_process_for_all_wants_descriptors_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))

    assert doctor.descriptors(50, 500).level is Level.OK
    few = doctor.descriptors(50, 5000)
    assert few.level is Level.FAIL
    assert "--own" in few.remedy
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert doctor.descriptors(50, 50_000).level is Level.OK


def test_memory_that_will_not_do_is_a_warning(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 99 kB\nMemAvailable: 1000000 kB\n")

    assert doctor.memory(10, 10, str(meminfo)).level is Level.OK
    assert doctor.memory(50, 500, str(meminfo)).level is Level.WARN


def test_findings_about_many_projects_take_one_line() -> None:
    assert _whose(()) == "-"
    assert _whose(["a", "b", "c"]) == "a, b, c"
    assert _whose(["a", "b", "c", "d", "e"]) == "a, b and 3 more"
