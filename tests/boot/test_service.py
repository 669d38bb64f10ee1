"""Installing and uninstalling: what is written, what is refused, and that nothing is left half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from loops.boot import installed, service, units
from loops.errors import LoopsError, SessionError
from service_samples import DEMO, SOURCE

WEEKLY = replace(DEMO, schedules=(units.Schedule("weekly", "weekly"),))
OTHER = replace(DEMO, name="other", config="/srv/other/agents.toml")
FILES = {"loops.slice", "loops-demo-holder.service", "loops-demo.service"}


class Manager:
    """Remembers what it was told; *refuses* a command that has this word."""

    def __init__(self, refuses: str = "") -> None:
        self.told: list[str] = []
        self._refuses = refuses

    def __call__(self, command: Sequence[str]) -> str:
        self.told.append(" ".join(command[2:]))
        return "it is not my day" if self._refuses and self._refuses in command else ""


def install(wanted: units.Service, directory: Path, manager: Manager | None = None) -> Manager:
    manager = manager or Manager()
    service.apply(service.to_install(wanted, str(directory), SOURCE), manager)
    return manager


def uninstall(wanted: units.Service, directory: Path) -> Manager:
    manager = Manager()
    plan = service.to_uninstall(wanted.name, wanted.config, str(directory), personal=wanted.personal)
    service.apply(plan, manager)
    return manager


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


# ---- installing --------------------------------------------------------------------------------------------------------


def test_the_units_are_written_enabled_and_started(tmp_path: Path) -> None:
    manager = install(WEEKLY, tmp_path / "system")
    assert contents(tmp_path / "system") == {n: units.text(u) for n, u in units.render(WEEKLY, SOURCE).items()}
    assert manager.told == [
        "daemon-reload",
        "enable loops-demo.service loops-demo-weekly.timer",
        "start loops-demo-holder.service loops-demo-weekly.timer",
        "restart loops-demo.service",
    ]
    assert os.stat(tmp_path / "system" / "loops-demo.service").st_mode & 0o777 == 0o644


def test_installing_again_writes_what_changed_and_never_restarts_the_holder(tmp_path: Path) -> None:
    install(DEMO, tmp_path)
    assert service.to_install(DEMO, str(tmp_path), SOURCE).written == {}
    changed = replace(DEMO, limits=replace(DEMO.limits, memory_max="1G"))
    assert set(service.to_install(changed, str(tmp_path), SOURCE).written) == {"loops-demo-holder.service"}
    manager = install(changed, tmp_path)
    assert not any("holder" in told and not told.startswith("start ") for told in manager.told)


def test_the_timer_of_a_task_that_is_gone_goes_too(tmp_path: Path) -> None:
    install(WEEKLY, tmp_path)
    manager = install(DEMO, tmp_path)
    assert set(contents(tmp_path)) == FILES
    assert manager.told[0] == "disable --now loops-demo-weekly.service loops-demo-weekly.timer"


def test_the_plan_says_all_that_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    lines = service.to_install(DEMO, str(tmp_path), SOURCE).lines()
    assert f"write {tmp_path}/loops-demo.service" in lines
    assert lines[-1].endswith("restart loops-demo.service")
    assert contents(tmp_path) == {}


# ---- what is not ours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_unit_that_somebody_else_wrote_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[Unit]\nDescription=mine\n")
    with pytest.raises(LoopsError, match="was not made by `loops service install`"):
        install(DEMO, tmp_path)
    assert contents(tmp_path) == {name: "[Unit]\nDescription=mine\n"}


def test_a_link_in_a_unit_s_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "loops-demo.service").symlink_to("/nowhere")
    with pytest.raises(LoopsError, match="left alone"):
        install(DEMO, tmp_path)
    assert (tmp_path / "loops-demo.service").is_symlink()


def test_the_name_of_another_project_is_taken(tmp_path: Path) -> None:
    install(DEMO, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(LoopsError, match=r"belongs to the project of /srv/demo/agents\.toml: choose another --name"):
        install(replace(OTHER, name="demo"), tmp_path)
    with pytest.raises(LoopsError, match="belongs to the project"):  # the supervisor's would be the other's holder
        install(replace(OTHER, name="demo-holder"), tmp_path)
    assert contents(tmp_path) == before


def test_two_projects_stand_beside_each_other_and_only_the_last_takes_the_slice_along(tmp_path: Path) -> None:
    install(DEMO, tmp_path)
    install(OTHER, tmp_path)
    uninstall(DEMO, tmp_path)
    assert set(contents(tmp_path)) == {"loops.slice", "loops-other-holder.service", "loops-other.service"}
    uninstall(OTHER, tmp_path)
    assert contents(tmp_path) == {}


def test_services_of_two_users_would_fight_for_the_sockets(tmp_path: Path) -> None:
    install(DEMO, tmp_path)
    with pytest.raises(LoopsError, match="runs as bob"):
        install(replace(OTHER, user="eve"), tmp_path)


# ---- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_every_unit_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(DEMO, tmp_path)
    before = contents(tmp_path)
    count = 0

    def full(_: int) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    manager = Manager()
    with pytest.raises(SessionError, match="No space left on device: no unit was written"):
        install(replace(DEMO, command="/opt/loops"), tmp_path, manager)
    assert contents(tmp_path) == before
    assert manager.told == []


def test_a_service_manager_that_refuses_is_quoted_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"`systemctl --no-ask-password enable .*` failed: it is not my day"):
        install(DEMO, tmp_path, Manager("enable"))


# ---- uninstalling ------------------------------------------------------------------------------------------------------


def test_uninstalling_ends_timers_supervisor_and_holder_in_this_order(tmp_path: Path) -> None:
    install(WEEKLY, tmp_path)
    (tmp_path / "loops-unrelated.service").write_text("[Unit]\n")
    manager = uninstall(WEEKLY, tmp_path)
    assert manager.told == [
        "disable --now loops-demo-weekly.service",
        "disable --now loops-demo-weekly.timer",
        "disable --now loops-demo.service",
        "disable --now loops-demo-holder.service",
        "stop loops.slice",
        "daemon-reload",
    ]
    assert set(contents(tmp_path)) == {"loops-unrelated.service"}


def test_there_is_nothing_to_uninstall_where_nothing_is_ours(tmp_path: Path) -> None:
    install(OTHER, tmp_path)
    with pytest.raises(LoopsError, match="nothing to uninstall"):
        service.to_uninstall("demo", DEMO.config, str(tmp_path), personal=False)
    with pytest.raises(LoopsError, match="nothing to uninstall"):
        service.to_uninstall("other", DEMO.config, str(tmp_path), personal=False)


# ---- finding -----------------------------------------------------------------------------------------------------------


def test_a_project_finds_its_unit_by_its_agents_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "SYSTEM", str(tmp_path / "system"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert installed.find(DEMO.config) is None
    install(WEEKLY, tmp_path / "system")
    install(replace(OTHER, personal=True), Path(installed.personal_directory()))
    assert installed.find(DEMO.config) == installed.Installed("loops-demo.service", False, {"weekly": "weekly"})
    assert installed.find(OTHER.config) == installed.Installed("loops-other.service", True)
    assert installed.find("/srv/third/agents.toml") is None


def test_a_unit_of_nixos_is_found_too_though_it_has_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "SYSTEM", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    text = units.text(units.render(DEMO, SOURCE)["loops-demo.service"]).removeprefix(units.MARK)
    (tmp_path / "loops-demo.service").write_text(text)
    found = installed.find(DEMO.config)
    assert found is not None
    assert found.words("start") == "sudo systemctl start loops-demo.service"
