"""A conductor that is killed with SIGKILL at any command goes on, or back, from its record: with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import loops
import pytest
import toy_side
from loops.errors import LoopsError
from loops.projects.cutover import hands
from loops.projects.cutover.hands import Machine
from loops.projects.cutover.plan import Command
from loops.projects.cutover.position import Course, Mark, fold
from loops.projects.cutover.record import Places, entries, read_json, write_json
from loops.sessions import tree
from toy_side import act, alive

FORWARD = ("check-live-up", "stop-live", "stop-live-after", "check-live-down", "write", "write-after", "check-written",
           "start-staged", "start-staged-after", "check-staged-up")  # fmt: skip
BACK = (
    "stop-staged",
    "stop-staged-after",
    "check-staged-down",
    "erase",
    "erase-after",
    "start-live",
    "start-live-after",
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "state").write_text("old")
    act(tmp_path, ["start", "live"])
    yield tmp_path
    for side in ("live", "staged"):
        if alive(tmp_path, side):
            os.kill(int((tmp_path / f"{side}.pid").read_text()), signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def conduct(root: Path, way: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which may be killed."""
    source = str(Path(loops.__file__).parents[1])
    return subprocess.run(
        [sys.executable, toy_side.__file__, str(root), way],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def course(root: Path) -> Course:
    return fold(entries(Places(str(root)))).course


@pytest.mark.parametrize("key", FORWARD)
def test_killed_on_the_way_there_it_goes_on_and_arrives(root: Path, key: str) -> None:
    (root / f"kill-{key}").touch()

    killed = conduct(root, "forward")
    again = conduct(root, "forward")

    assert killed.returncode == -signal.SIGKILL
    assert again.returncode == 0, again.stderr
    assert course(root) is Course.ARRIVED
    assert (alive(root, "live"), alive(root, "staged"), (root / "state").read_text()) == (False, True, "new")
    assert not (root / "BOTH").exists()


@pytest.mark.parametrize("key", FORWARD)
def test_killed_on_the_way_there_it_can_be_taken_back(root: Path, key: str) -> None:
    (root / f"kill-{key}").touch()

    conduct(root, "forward")
    conduct(root, "back")

    assert course(root) is Course.RETURNED
    assert (alive(root, "live"), alive(root, "staged"), (root / "state").read_text()) == (True, False, "old")
    assert not (root / "BOTH").exists()


@pytest.mark.parametrize("key", BACK)
def test_killed_on_the_way_back_it_goes_on_back(root: Path, key: str) -> None:
    conduct(root, "forward")
    (root / f"kill-{key}").touch()

    killed = conduct(root, "back")
    conduct(root, "back")

    assert killed.returncode == -signal.SIGKILL
    assert course(root) is Course.RETURNED
    assert (alive(root, "live"), alive(root, "staged"), (root / "state").read_text()) == (True, False, "old")
    assert not (root / "BOTH").exists()


@pytest.mark.parametrize("way", ["forward", "back"])
def test_the_command_that_a_killed_conductor_left_running_is_waited_for(root: Path, way: str) -> None:
    (root / "kill-start-staged").touch()
    (root / "slow").touch()
    conduct(root, "forward")
    orphan = read_json(Places(str(root)).running)

    then = conduct(root, way)

    assert f"(pid {orphan['pid']}) runs still" in then.stdout
    assert tree.identify(orphan["pid"]) is None
    assert (alive(root, "live"), alive(root, "staged")) == (way == "back", way == "forward")
    assert not (root / "BOTH").exists()


def test_a_live_side_that_somebody_started_meanwhile_keeps_the_staged_side_down(root: Path) -> None:
    (root / "kill-check-written").touch()
    conduct(root, "forward")
    act(root, ["start", "live"])

    conduct(root, "forward")

    assert course(root) is Course.RETURNED
    assert (alive(root, "live"), alive(root, "staged")) == (True, False)
    assert not (root / "BOTH").exists()


# ---- the hands ---------------------------------------------------------------------------------------------------------


def machine(tmp_path: Path) -> Machine:
    return Machine(toy_side.toy_plan(tmp_path).ground)


def test_a_daemon_that_keeps_the_output_open_does_not_keep_the_command_open(tmp_path: Path) -> None:
    script = "echo begun; setsid sleep 300 & echo $! > pid"

    outcome = machine(tmp_path).run(Command(("sh", "-c", script), cwd=str(tmp_path), timeout=60.0))

    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert (outcome.code, outcome.output) == (0, "begun\n")


def test_a_command_that_does_not_end_is_ended_and_has_no_exit_code(tmp_path: Path) -> None:
    outcome = machine(tmp_path).run(Command(("sh", "-c", "echo begun; sleep 300"), timeout=3.0))

    assert outcome.code is None
    assert "begun" in outcome.output


def test_beside_a_command_that_does_not_end_and_may_not_be_killed_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with one that sudo runs: it is root's."""

    def refused(group: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(hands, "_GRACE", 0.1)
    monkeypatch.setattr(os, "killpg", refused)

    with pytest.raises(LoopsError, match="nothing is done beside it"):
        machine(tmp_path).run(Command(("sleep", "300"), timeout=0.1))

    left = read_json(Places(str(tmp_path)).running)["pid"]
    os.kill(left, signal.SIGKILL)
    os.waitpid(left, 0)


def test_a_command_that_was_left_running_and_does_not_end_in_time_is_ended(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    process = tree.identify(left.pid)
    assert process is not None
    write_json(Places(str(tmp_path)).running, {**process._asdict(), "command": "sleep 300", "timeout": 0.0})

    machine(tmp_path).settle(lambda line: None)

    assert left.wait(60) == -signal.SIGTERM
    assert not Path(Places(str(tmp_path)).running).exists()


def test_whoever_has_the_pid_of_a_command_that_ended_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    facts = {"pid": os.getpid(), "start_time": 1, "command": "sleep 300", "timeout": 0.0}
    write_json(Places(str(tmp_path)).running, facts)

    machine(tmp_path).settle(said.append)

    assert said == []
    assert not Path(Places(str(tmp_path)).running).exists()


def test_a_program_that_is_not_there_is_an_outcome_not_a_crash(tmp_path: Path) -> None:
    outcome = machine(tmp_path).run(Command(("/no/such/program",)))

    assert outcome.code is None
    assert "/no/such/program" in outcome.output


def test_its_own_variables_and_directory_are_the_commands_alone(tmp_path: Path) -> None:
    script = 'printf %s "$RESUME_PHASE:$PWD"'

    outcome = machine(tmp_path).run(Command(("sh", "-c", script), cwd=str(tmp_path), env=(("RESUME_PHASE", "1"),)))

    assert outcome.output == f"1:{tmp_path}"
    assert "RESUME_PHASE" not in os.environ


def test_the_record_keeps_every_command_with_its_exit_and_its_output(root: Path) -> None:
    conduct(root, "forward")

    ran = [entry for entry in entries(Places(str(root))) if entry.mark is Mark.RAN]

    assert [entry.code for entry in ran] == [0] * len(ran)
    assert all(entry.seconds > 0 and entry.command and entry.step for entry in ran)
