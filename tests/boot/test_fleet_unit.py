"""The unit of a fleet that the README has for people to write: systemd takes it, and it ends no agent."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loops.boot import units
from loops.cli.entry import parser
from service_samples import SOURCE

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def text() -> str:
    (found,) = re.findall(r"```ini\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_it_supervises_the_fleet_and_takes_over_from_what_a_holder_started(text: str) -> None:
    (command,) = units.parse(text)["Service"]["ExecStart"]
    args = parser().parse_args(command.split()[1:])

    assert args.code == "fleet_running:watchdog"
    assert (args.fleet, args.takeover) == ("/srv/fleet/fleet.toml", True)


def test_it_is_kept_alive_as_the_supervisor_of_one_project_is(text: str) -> None:
    fleet, one = units.parse(text)["Service"], SOURCE.tables["supervisor"]["Service"]

    same = (
        "Type",
        "KillMode",
        "OOMPolicy",
        "Restart",
        "RestartSec",
        "WatchdogSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
    )
    assert {key: fleet[key] for key in same} == {key: (one[key],) for key in same}
    place = {key: value for key, value in one.items() if key.startswith("RuntimeDirectory")}
    assert {key: fleet[key] for key in place} == {
        key: ("true" if value is True else value,) for key, value in place.items()
    }
    assert set(fleet["Environment"]) >= {"LOOPS_RUNTIME_DIR=%t/loops", "LOOPS_BOOT_ID=%b"}


def test_nothing_that_its_main_process_s_death_takes_away_is_under_the_agents_that_live_in_it(text: str) -> None:
    keys = set(units.parse(text)["Service"])

    assert (
        not {"PrivateTmp", "RemoveIPC", "DynamicUser", "BindsTo", "MemoryDenyWriteExecute", "RestrictNamespaces"} & keys
    )


def test_systemd_understands_every_line(text: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    there = text.replace("/usr/local/bin/loops", sys.executable).replace("User=bob", "User=daemon")
    unit = tmp_path / "loops-fleet.service"
    unit.write_text(there)

    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=120, check=False)

    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(str(tmp_path))] == []
