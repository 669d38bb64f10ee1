"""The one process that supervises a fleet, and the ways out of it: by hand, by force, and in the foreground."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet_scratch import PATIENCE, FleetScratch
from scratch import alive

NAMES = ("one", "two", "three")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetScratch]:
    """Three projects, not up."""
    made = FleetScratch(tmp_path / "fleet")
    for name in NAMES:
        made.project(name)
    made.list(**dict.fromkeys(NAMES, True))
    yield made
    made.teardown()


def start(fleet: FleetScratch, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start a command that goes on."""
    return subprocess.Popen(
        [sys.executable, "-m", "loops", *words],
        cwd=cwd or fleet.root,
        env=fleet.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def supervisor(fleet: FleetScratch, name: str) -> tuple[int, bool]:
    """The pid of a project's supervisor, and whether others share it."""
    facts = json.loads(fleet.loops("status", "--json", cwd=fleet.root / name).out)
    return int(facts["pid"]), bool(facts.get("shared"))


def test_in_the_foreground_it_begins_what_never_ran_and_leaves_the_agents_alone_when_it_ends(
    fleet: FleetScratch,
) -> None:
    watchdog = start(fleet, "fleet", "watchdog")
    before = fleet.wait_alive()
    second = fleet.loops("fleet", "watchdog", code=6)

    watchdog.send_signal(signal.SIGTERM)
    said, _ = watchdog.communicate(timeout=PATIENCE)

    assert watchdog.returncode == 0, said
    assert f"process {watchdog.pid}" in second.err
    assert all(alive(pid) for agents in before.values() for pid, _ in agents.values())
    assert {line["condition"] for line in fleet.status().values()} == {"UNWATCHED"}
    fleet.loops("fleet", "up")
    assert fleet.wait_alive() == before


@pytest.mark.parametrize(
    ("words", "seen"), [("up", "fleet.watchdog"), ("up", "holder.py"), ("up", "sleep 6000"), ("up --own", "holder.py")]
)
def test_an_up_that_is_killed_on_its_way_is_gone_on_with_by_the_next_and_nothing_runs_twice(
    fleet: FleetScratch, words: str, seen: str
) -> None:
    up = start(fleet, "fleet", *words.split())
    fleet.until(lambda: up.poll() is not None or fleet.count(seen), f"{seen} has come")
    up.kill()
    up.communicate(timeout=PATIENCE)

    fleet.loops("fleet", *words.split())

    before = fleet.wait_alive()
    wanted = {"sleep 6000": 2 * len(NAMES), "holder.py": len(NAMES), "loops fleet up": 0}
    fleet.until(lambda: {each: fleet.count(each) for each in wanted} == wanted, f"these run: {wanted}")
    assert fleet.alive() == before


def test_a_down_after_an_up_that_was_killed_on_its_way_leaves_nothing(fleet: FleetScratch) -> None:
    up = start(fleet, "fleet", "up")
    fleet.until(lambda: up.poll() is not None or fleet.count("holder.py"), "the first holder has come")
    up.kill()
    up.communicate(timeout=PATIENCE)

    fleet.loops("fleet", "down")

    fleet.until(lambda: not fleet.processes(), f"nothing is left: {fleet.processes()}")


def test_in_the_foreground_it_takes_over_from_the_one_that_runs_and_no_agent_notices(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before, crew = fleet.wait_alive(), fleet.crew

    watchdog = start(fleet, "fleet", "watchdog", "--takeover")

    fleet.until(lambda: fleet.crew == watchdog.pid, "it has taken over")
    assert fleet.wait_alive() == before
    assert not alive(crew)
    fleet.loops("fleet", "down")
    watchdog.communicate(timeout=PATIENCE)
    assert watchdog.returncode == 0


def test_it_is_told_to_the_service_manager_when_all_are_there_and_when_it_ends(fleet: FleetScratch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{fleet.runtime_root}/notify")
        manager.settimeout(PATIENCE)
        fleet.environment["NOTIFY_SOCKET"] = f"{fleet.runtime_root}/notify"
        watchdog = start(fleet, "fleet", "watchdog")
        ready = manager.recv(4096)
        del fleet.environment["NOTIFY_SOCKET"]
        fleet.wait_alive()
        watchdog.terminate()
        stopping = manager.recv(4096)
        watchdog.communicate(timeout=PATIENCE)

    assert ready.startswith(b"READY=1")
    assert stopping == b"STOPPING=1"


def test_a_project_that_a_person_takes_over_is_left_to_him_also_by_the_next_process(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before, crew = fleet.wait_alive(), fleet.crew

    own = start(fleet, "watchdog", "--takeover", cwd=fleet.root / "two")
    fleet.until(lambda: fleet.status()["two"]["pid"] == own.pid, "it has a supervisor of its own")
    assert fleet.crew == crew
    fleet.loops("fleet", "up")
    os.kill(crew, signal.SIGKILL)
    fleet.until(lambda: fleet.crew not in (0, crew), "another one has come")

    assert fleet.wait_alive() == before
    assert fleet.status()["two"]["pid"] == own.pid
    fleet.loops("fleet", "down")
    own.communicate(timeout=PATIENCE)


def test_the_emergency_stop_of_one_project_stops_that_one(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before, crew = fleet.wait_alive(), fleet.crew

    fleet.loops("stop", "--all-now", cwd=fleet.root / "one")

    assert fleet.crew == crew
    assert fleet.status()["one"]["condition"] == "STOPPED"
    assert fleet.alive("two", "three") == {name: before[name] for name in ("two", "three")}


def test_the_emergency_stop_reaches_a_project_whose_shared_supervisor_is_stuck(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before, crew = fleet.wait_alive(), fleet.crew
    os.kill(crew, signal.SIGSTOP)

    fleet.loops("stop", "--all-now", cwd=fleet.root / "one")

    fleet.until(lambda: fleet.crew not in (0, crew), "another one has come")
    assert fleet.wait_alive(2, "two", "three") == {name: before[name] for name in ("two", "three")}
    assert not any(alive(pid) for pid, _ in before["one"].values())
    assert fleet.status()["one"]["condition"] == "STOPPED"


def test_a_stuck_shared_supervisor_does_not_hang_the_table(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    fleet.wait_alive()
    crew = fleet.crew
    os.kill(crew, signal.SIGSTOP)
    try:
        status = fleet.status()
    finally:
        os.kill(crew, signal.SIGCONT)

    assert {line["condition"] for line in status.values()} == {"STUCK"}


def test_an_edit_counts_and_a_bad_one_is_said_while_the_last_good_one_stays_in_force(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before = fleet.wait_alive()

    fleet.project("one", agents=3)
    grown = fleet.wait_alive(3, "one")
    fleet.replace(fleet.config("one"), "[defaults]\nsession_prefix = 7\n")

    fleet.until(lambda: "refused" in fleet.status()["one"]["waiting"], "the bad edit is said")
    assert fleet.alive("one") == grown
    assert {name: grown["one"][name] for name in before["one"]} == before["one"]
    fleet.project("one")
    fleet.until(lambda: fleet.status()["one"]["waiting"] == "", "the good edit is taken")
    assert fleet.wait_alive(2) == before


def test_each_may_have_a_supervisor_of_its_own(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up", "--own")
    fleet.wait_alive()

    pids = {name: line["pid"] for name, line in fleet.status().items()}

    assert len(set(pids.values())) == 3
    assert fleet.crew == 0
    assert [supervisor(fleet, name) for name in NAMES] == [(pids[name], False) for name in NAMES]


def test_up_says_of_each_project_in_one_line_whether_it_runs_or_why_not_and_what_to_type(fleet: FleetScratch) -> None:
    fleet.project("two", agents=1, more='\n[[service]]\nname = "ill"\ncommand = ["false"]\nwatch = "heal"\n')
    fleet.config("three").write_text("[defaults]\nsession_prefix = 7\n")

    said = fleet.loops("fleet", "up", code=1)
    again = json.loads(fleet.loops("fleet", "up", "--json", code=1).out)["projects"]

    lines = said.out.splitlines()
    assert "ok    one: running: 2 agents" in lines
    assert "FAIL  two: ill ends again and again, the last time with status 1" in lines
    assert f"      next: `loops --config {fleet.config('two')} logs ill`" in lines
    assert "agents.toml:2: defaults.session_prefix" in said.out.partition("FAIL  three: ")[2]
    assert "      next: `loops fleet doctor three`" in lines
    assert lines[-1] == "1 of 3 projects"
    assert {each["name"]: (each["ok"], each["next"] == "") for each in again} == {
        "one": (True, True),
        "two": (False, False),
        "three": (False, False),
    }


def test_a_project_that_is_not_there_is_told_with_what_helps_and_keeps_no_fleet_from_going_down(
    fleet: FleetScratch,
) -> None:
    fleet.list(absent=True)

    up = fleet.loops("fleet", "up", "--fleet", str(fleet.file), code=1)
    fleet.wait_alive(2, *NAMES)
    down = fleet.loops("fleet", "down")

    assert f"FAIL  absent: {fleet.root / 'absent'} is not there" in up.out.splitlines()
    assert f"      next: `loops fleet validate --fleet {fleet.file}`" in up.out.splitlines()
    assert "ok    absent: is down already: it is not there" in down.out.splitlines()
    assert down.out.splitlines()[-1] == "4 of 4 projects"


def test_a_disabled_project_is_left_alone_visibly_and_refused_by_name(fleet: FleetScratch) -> None:
    fleet.list(three=False)

    all_of_them = fleet.loops("fleet", "up")
    by_name = fleet.loops("fleet", "up", "three", code=1)
    unknown = fleet.loops("fleet", "up", "thre", code=2)

    assert "three: is disabled: left alone" in all_of_them.out
    assert "2 of 2 projects; 1 left alone" in all_of_them.out
    assert "set enabled = true" in by_name.out
    assert "three" in unknown.err
    assert set(fleet.wait_alive(2, "one", "two")) == {"one", "two"}
    assert fleet.status()["three"]["condition"] == "disabled"


def test_what_is_disabled_while_nobody_looks_is_put_down_and_what_is_removed_goes_on(fleet: FleetScratch) -> None:
    fleet.loops("fleet", "up")
    before, crew = fleet.wait_alive(), fleet.crew
    os.kill(crew, signal.SIGSTOP)
    fleet.list(one=False)
    fleet.unlist("two")

    os.kill(crew, signal.SIGKILL)

    fleet.until(lambda: fleet.status()["one"]["condition"] == "disabled", "one is put down")
    fleet.until(lambda: supervisor(fleet, "two")[0] not in (0, crew), "two has a supervisor of its own")
    assert not any(alive(pid) for pid, _ in before["one"].values())
    assert fleet.alive("two") == {"two": before["two"]}
    assert supervisor(fleet, "two")[1] is False
    fleet.loops("down", cwd=fleet.root / "two")


def test_the_facts_of_up_status_doctor_and_down_are_json(fleet: FleetScratch) -> None:
    up = json.loads(fleet.loops("fleet", "up", "--json").out)
    fleet.wait_alive()
    status = json.loads(fleet.loops("fleet", "status", "--json").out)
    doctor = json.loads(fleet.loops("fleet", "doctor", "--json").out)
    down = json.loads(fleet.loops("fleet", "down", "--json").out)

    assert {each["name"] for each in up["projects"] if each["ok"]} == set(NAMES)
    assert status["crew"] == status["projects"][0]["pid"]
    assert {"open files of the fleet", "inotify of the fleet", "shared supervisor"} <= {
        c["check"] for c in doctor["checks"]
    }
    assert {each["name"] for each in down["projects"] if each["ok"]} == set(NAMES)


def test_doctor_names_the_project_that_is_ill_and_says_what_helps(fleet: FleetScratch) -> None:
    fleet.config("two").write_text("[defaults]\nsession_prefix = 7\n")

    said = fleet.loops("fleet", "doctor", code=1)

    ill = [line for line in said.out.splitlines() if line.startswith("FAIL")]
    assert [line for line in ill if line.split()[1] == "two"] != []
    assert all("two" in line for line in ill)
    assert "agents.toml:2" in said.out
