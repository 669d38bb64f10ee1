"""Fifty projects in one supervisor process: what fails in one of them is nobody else's concern."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet_scratch import FleetScratch

COUNT = 50
NAMES = [f"p{number:02d}" for number in range(COUNT)]
BROKEN, REMOTE, TMUX, JOURNAL, STOPPED = "p03", "p17", "p29", "p31", "p37"
OTHERS = [name for name in NAMES if name not in (BROKEN, REMOTE, TMUX, JOURNAL, STOPPED)]
HANDOFF = '\n[loop]\nhandoff = { repo = "work" }\n[[loop.phases]]\nid = "1"\nitems = ["M1"]\n'


@pytest.fixture(scope="module")
def silent() -> Iterator[socket.socket]:
    """Listens, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, silent: socket.socket) -> Iterator[FleetScratch]:
    """Fifty projects, of which one cannot be read and one has a remote that never answers."""
    made = FleetScratch(tmp_path_factory.mktemp("fleet"))
    url = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
    for name in NAMES:
        made.project(name, more=HANDOFF if name == REMOTE else "")
    _clone_of(made, made.root / REMOTE / "work", url)
    made.config(BROKEN).write_text("[defaults]\nsession_prefix = 7\n")
    made.list(**dict.fromkeys(NAMES, True))
    yield made
    silent.close()
    made.teardown()


def _clone_of(fleet: FleetScratch, directory: Path, url: str) -> None:
    for words in (
        ["init", "--quiet", "-b", "main", str(directory)],
        ["-C", str(directory), "remote", "add", "origin", url],
    ):
        subprocess.run(["git", *words], env=fleet.environment, check=True)


def a_broken_config_and_a_dead_remote_stop_nobody_else(fleet: FleetScratch) -> None:
    said = fleet.loops("fleet", "up", code=1)

    alive = fleet.wait_alive(2, *(name for name in NAMES if name != BROKEN))
    # The table waits two seconds for all of them together, and this is their busiest moment.
    fleet.until(lambda: "STUCK" not in {line["condition"] for line in fleet.status().values()}, "all of them answer")
    status = fleet.status()
    assert f"FAIL  {BROKEN}:" in said.out
    assert "agents.toml:2" in said.out
    assert said.out.count("running: 2 agents") == COUNT - 1
    assert "49 of 50 projects" in said.out
    assert set(alive) == {name for name in NAMES if name != BROKEN}
    assert {name for name, line in status.items() if line["condition"] != "up"} == {BROKEN}
    assert status[BROKEN]["condition"] == "BROKEN"
    assert "agents.toml:2" in status[BROKEN]["why"]
    assert {line["pid"] for name, line in status.items() if name != BROKEN} == {fleet.crew}


def up_again_changes_nothing(fleet: FleetScratch) -> None:
    before, crew = fleet.alive(), fleet.crew

    said = fleet.loops("fleet", "up", code=1)

    assert said.out.count("running already: 2 agents") == COUNT - 1
    assert fleet.alive() == before
    assert fleet.crew == crew


def the_broken_project_comes_by_itself_when_it_is_mended(fleet: FleetScratch) -> None:
    before = fleet.alive(*OTHERS)

    fleet.project(BROKEN)

    fleet.wait_alive(2, BROKEN)
    assert fleet.alive(*OTHERS) == before


def a_killed_tmux_server_is_rebuilt_and_no_other_is_touched(fleet: FleetScratch) -> None:
    killed, other = fleet.until(lambda: fleet.tmux_server(TMUX), "it has views"), OTHERS[0]
    untouched = fleet.until(lambda: fleet.tmux_server(other), "the other one has views")
    before = fleet.alive()

    os.kill(killed, signal.SIGKILL)

    fleet.until(lambda: fleet.tmux_server(TMUX) not in (0, killed), "the views are rebuilt")
    assert fleet.alive() == before
    assert fleet.tmux_server(other) == untouched


def a_killed_shared_supervisor_comes_back_once_and_no_agent_notices(fleet: FleetScratch) -> None:
    before, crew = fleet.wait_alive(), fleet.crew

    os.kill(crew, signal.SIGKILL)

    fleet.until(lambda: fleet.crew not in (0, crew), "another one has come")
    assert fleet.wait_alive() == before
    # It forks for the views: a child shows its words until it is another program.
    fleet.until(lambda: sum("fleet.watchdog" in line for line in fleet.processes().values()) == 1, "one came")
    assert len([line for line in fleet.processes().values() if line.startswith("sleep 6000")]) == 2 * COUNT


def a_project_without_its_journal_is_let_go_and_taken_again(fleet: FleetScratch) -> None:
    before = fleet.wait_alive()
    journal = fleet.root / JOURNAL / ".loops" / "state" / "journal"
    aside = journal.with_name("aside")
    journal.rename(aside)
    journal.write_text("a file stands in its place")

    os.kill(before[JOURNAL]["s0"][0], signal.SIGKILL)  # something has to be journaled

    assert "journal" in fleet.until(lambda: _why_broken(fleet, JOURNAL), "it is let go")
    assert fleet.alive(*OTHERS) == {name: before[name] for name in OTHERS}
    journal.unlink()
    aside.rename(journal)
    after = fleet.wait_alive(2, JOURNAL)
    assert after[JOURNAL]["s1"] == before[JOURNAL]["s1"]
    assert fleet.alive(*OTHERS) == {name: before[name] for name in OTHERS}


def _why_broken(fleet: FleetScratch, name: str) -> str:
    """By one look: between two tries it is being started."""
    line = fleet.status()[name]
    return line["why"] if line["condition"] == "BROKEN" else ""


def a_stopped_holder_keeps_nobody_waiting(fleet: FleetScratch) -> None:
    before, crew = fleet.wait_alive(), fleet.crew
    holder = int(Path(fleet.runtime(STOPPED).root, "holder.lock").read_text())
    os.kill(holder, signal.SIGSTOP)
    try:
        os.kill(crew, signal.SIGKILL)

        others = [name for name in NAMES if name != STOPPED]
        fleet.until(lambda: fleet.crew not in (0, crew), "another one has come")
        assert fleet.wait_alive(2, *others) == {name: before[name] for name in others}
        fleet.until(lambda: fleet.status()[STOPPED]["condition"] == "BROKEN", "it is said")
    finally:
        os.kill(holder, signal.SIGCONT)
    assert fleet.wait_alive(2, STOPPED)[STOPPED] == before[STOPPED]


def down_in_one_project_ends_that_one_and_up_brings_it_back_into_the_same_process(fleet: FleetScratch) -> None:
    before, crew, name = fleet.wait_alive(), fleet.crew, OTHERS[1]
    rest = [each for each in NAMES if each != name]

    fleet.loops("down", cwd=fleet.root / name)
    down = fleet.status()[name]["condition"]
    fleet.loops("up", cwd=fleet.root / name)

    assert down == "down"
    fleet.wait_alive(2, name)
    assert fleet.status()[name]["pid"] == crew
    assert fleet.alive(*rest) == {each: before[each] for each in rest}


def what_is_put_down_stays_down_when_the_shared_supervisor_is_killed(fleet: FleetScratch) -> None:
    crew, name = fleet.crew, OTHERS[2]
    fleet.loops("fleet", "down", name)

    os.kill(crew, signal.SIGKILL)

    fleet.wait_alive(2, *(each for each in NAMES if each != name))
    assert fleet.status()[name]["condition"] == "down"
    fleet.loops("fleet", "up", name)
    fleet.wait_alive(2, name)


def projects_that_are_added_disabled_enabled_and_removed_count_at_once(fleet: FleetScratch) -> None:
    before, crew = fleet.wait_alive(), fleet.crew
    fleet.project("late")

    fleet.list(late=True)
    added = fleet.wait_alive(2, "late")
    fleet.list(late=False)
    fleet.until(lambda: fleet.status()["late"]["condition"] == "disabled", "it is put down")
    fleet.list(late=True)
    enabled = fleet.wait_alive(2, "late")
    fleet.unlist("late")

    fleet.until(lambda: _own_supervisor(fleet, "late") not in (0, crew), "it has a supervisor of its own")
    assert added["late"] != enabled["late"]
    assert fleet.alive("late") == enabled  # nobody ends because a line was taken away
    assert fleet.alive(*NAMES) == before
    assert fleet.crew == crew
    fleet.loops("down", cwd=fleet.root / "late")


def _own_supervisor(fleet: FleetScratch, name: str) -> int:
    done = json.loads(fleet.loops("status", "--json", cwd=fleet.root / name).out)
    return int(done["pid"]) if done.get("shared") is False else 0


def down_ends_all_and_is_done_when_all_are_down(fleet: FleetScratch, silent: socket.socket) -> None:
    silent.close()  # the fetches of the supervisors that were killed wait for it still

    first = fleet.loops("fleet", "down")
    again = fleet.loops("fleet", "down")

    assert "50 of 50 projects" in first.out
    fleet.until(lambda: not fleet.processes(), f"nothing is left: {fleet.processes()}")
    assert again.out.count("is down already") == COUNT


def test_what_fails_in_one_of_fifty_projects_is_nobody_elses_concern(
    fleet: FleetScratch, silent: socket.socket
) -> None:
    """One test, for each part goes on where the one before it left the fleet, and fifty projects are brought up once."""
    a_broken_config_and_a_dead_remote_stop_nobody_else(fleet)
    up_again_changes_nothing(fleet)
    the_broken_project_comes_by_itself_when_it_is_mended(fleet)
    a_killed_tmux_server_is_rebuilt_and_no_other_is_touched(fleet)
    a_killed_shared_supervisor_comes_back_once_and_no_agent_notices(fleet)
    a_project_without_its_journal_is_let_go_and_taken_again(fleet)
    a_stopped_holder_keeps_nobody_waiting(fleet)
    down_in_one_project_ends_that_one_and_up_brings_it_back_into_the_same_process(fleet)
    what_is_put_down_stays_down_when_the_shared_supervisor_is_killed(fleet)
    projects_that_are_added_disabled_enabled_and_removed_count_at_once(fleet)
    down_ends_all_and_is_done_when_all_are_down(fleet, silent)
