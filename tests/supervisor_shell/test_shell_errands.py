"""Errands: whatever a child program does, the loop goes on and is told once."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.supervisor import errands
from loops.supervisor.errands import Errands, Result
from loops.supervisor.reactor import Reactor

PATIENCE = 60.0


class Room:
    """Errands with a real reactor, and what they were told."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.reactor = Reactor(self.now)
        self.errands = Errands(self.reactor, self.now)
        self.results: list[Result] = []

    def now(self) -> float:
        """The machine's clock, ahead by what the test let pass."""
        return time.monotonic() + self.passed

    def run(self, script: str, **options: object) -> None:
        self.errands.run(["sh", "-c", script], self.results.append, **options)  # type: ignore[arg-type]

    def until(self, condition: object) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline
            self.turn()

    def turn(self) -> None:
        self.reactor.at("look again", self.now() + 0.02, lambda: None)
        self.reactor.turn()

    def result(self) -> Result:
        self.until(lambda: self.results)
        return self.results.pop()


@pytest.fixture
def room() -> Iterator[Room]:
    gc.collect()  # what an earlier test of this process forgot to close goes now, and not while a test counts
    room = Room()
    yield room
    room.errands.close()


def children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_what_may_outlive_us_is_not_killed_at_our_end(room: Room, tmp_path: Path) -> None:
    done, go = tmp_path / "done", tmp_path / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.01; done"
    room.run(f"{wait}; touch {done}.not")
    room.run(f"{wait}; touch {done}", outlives=True)
    room.errands.close()
    go.touch()
    deadline = time.monotonic() + PATIENCE
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not Path(f"{done}.not").exists()


def test_output_errors_and_the_exit_code_come_back(room: Room) -> None:
    room.run("cat; echo complaint >&2; exit 3", input=b"given\0\n")
    assert room.result() == Result(3, b"given\0\n", "complaint")


def test_large_outputs_on_both_streams_arrive_whole(room: Room) -> None:
    room.run("head -c 3000000 /dev/zero; head -c 300000 /dev/zero >&2")
    result = room.result()
    assert (result.code, len(result.output), len(result.error)) == (0, 3_000_000, 300_000)


def test_a_large_input_arrives_whole(room: Room) -> None:
    room.run("wc -c", input=b"x" * 3_000_000)
    assert room.result().output.strip() == b"3000000"


def test_a_program_that_is_missing_is_told(room: Room) -> None:
    room.errands.run(["/nonexistent/git"], room.results.append)
    assert room.result() == Result(-1, b"", "/nonexistent/git: No such file or directory")


def test_a_killed_program_is_no_success(room: Room) -> None:
    room.run("echo half; kill -9 $$")
    assert room.result() == Result(-9, b"half\n", "")


def test_at_the_deadline_the_whole_group_is_killed_and_reaped(room: Room, tmp_path: Path) -> None:
    before = children()
    pid = tmp_path / "pid"
    room.run(f"echo why >&2; sleep 600 & echo $! > {pid}; wait", timeout=100.0)
    room.until(lambda: pid.exists() and pid.read_text())
    room.turn()  # which reads what it complained of before
    room.passed = 100.0
    result = room.result()
    assert (result.code, result.output) == (-1, b"")
    assert result.error == "took too long: why"
    grandchild = int(pid.read_text())
    room.until(lambda: gone(grandchild))
    room.until(lambda: children() <= before)


def test_a_late_program_is_told_of_once(room: Room) -> None:
    others = children()
    room.run("sleep 600", timeout=0.0)
    room.run("true")
    room.until(lambda: len(room.results) == 2)
    room.until(lambda: children() <= others)
    assert len(room.results) == 2


def test_who_stays_behind_with_the_output_open_keeps_nobody_waiting(room: Room, tmp_path: Path) -> None:
    room.run(f"setsid sleep 600 & echo $! > {tmp_path}/pid; echo done", timeout=PATIENCE)
    started = time.monotonic()
    try:
        assert room.result() == Result(0, b"done\n", "")
        assert time.monotonic() - started < PATIENCE
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_program_that_closes_its_output_early_is_waited_for(room: Room) -> None:
    room.run("echo said; exec >&- 2>&-; sleep 0.2; exit 7")
    assert room.result() == Result(7, b"said\n", "")


def test_output_without_end_is_cut_off(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "MOST_OUTPUT", 1_000_000)
    room.run("exec cat /dev/zero")
    assert room.result() == Result(-1, b"", "printed too much")


def test_closing_kills_what_still_runs_and_tells_nobody(room: Room, tmp_path: Path) -> None:
    room.run(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    room.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    room.errands.close()
    room.until(lambda: gone(int((tmp_path / "pid").read_text())))
    assert room.results == []


def test_without_free_descriptors_the_errand_fails_and_nothing_leaks(room: Room) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 2, hard))
    try:
        room.run("true")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert room.result().code == -1
    probe_after = os.dup(0)
    os.close(probe_after)
    assert probe_after == probe


def test_many_errands_leave_no_descriptor_and_no_zombie(room: Room) -> None:
    before, others = len(os.listdir("/proc/self/fd")), children()  # another test of this process may have left one
    for _ in range(20):
        room.run("true")
    room.until(lambda: len(room.results) == 20)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert children() <= others


def test_gits_environment_has_no_prompts_and_nothing_of_a_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    environment = errands.git_environment()
    assert "GIT_DIR" not in environment
    assert environment["GIT_SSH_COMMAND"] == "ssh -i key"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"


def test_closing_leaves_no_descriptor_of_what_still_runs(room: Room) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        room.errands.run(["sleep", "600"], lambda _: None)
    room.errands.run(["sleep", "600"], lambda _: None, timeout=0.0)
    room.reactor.turn()  # that one is given up, and not reaped yet

    room.errands.close()

    assert len(os.listdir("/proc/self/fd")) == before
