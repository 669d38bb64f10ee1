"""One process, many supervisors: each has its turns, and what fails in one ends that one alone."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from loops.supervisor.crew import Crew, Ending, Stuck
from loops.supervisor.parts import Shared
from loops.supervisor.reactor import Reactor
from loops.supervisor.run import Supervisor
from shell_project import PATIENCE, ShellProject


class Puppet:
    """What a crew sees of a supervisor."""

    def __init__(self, crew: Crew, name: str) -> None:
        self.config_path = name
        self.leaving: int | None = None
        self.reactor = Reactor(crew.now)
        self.turns = 0
        self.closed = 0
        self.act: Callable[[], None] = lambda: None
        self.close_error: Exception | None = None
        self.crew = crew

    def begin(self, ready: Callable[[], None]) -> None:
        self.act()

    def fileno(self) -> int:
        return self.reactor.fileno()

    def wait(self) -> float:
        return self.reactor.wait()

    def turn(self) -> None:
        self.turns += 1
        self.reactor.turn(waiting=False)
        self.act()

    def look_again(self) -> None:
        self.reactor.at("look", self.crew.now(), lambda: None)

    def leave(self) -> None:
        self.leaving = 0

    def close(self) -> None:
        self.closed += 1
        self.reactor.close()
        if self.close_error is not None:
            raise self.close_error


class Stage:
    """A crew, its puppets, and how they ended."""

    def __init__(self) -> None:
        self.crew = Crew()
        self.endings: dict[str, Ending] = {}

    def add(self, name: str, act: Callable[[], None] = lambda: None) -> Puppet:
        puppet = Puppet(self.crew, name)
        self.crew.add(cast(Supervisor, puppet), lambda ending: self.endings.update({name: ending}))
        puppet.act = act
        return puppet

    def run_for(self, seconds: float) -> int:
        self.crew.reactor.at("over", self.crew.now() + seconds, self.crew.leave)
        return self.crew.run()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        os.close(end)


def fail() -> None:
    raise RuntimeError("on purpose")


def test_each_has_a_turn_when_its_descriptor_is_ready_or_its_time_has_come(stage: Stage, pipe: tuple[int, int]) -> None:
    one, two = stage.add("one"), stage.add("two")
    read: list[bytes] = []
    one.reactor.watch(pipe[0], lambda: read.append(os.read(pipe[0], 16)))
    due: list[str] = []
    two.reactor.at("due", stage.crew.now() + 0.05, lambda: due.append("two"))
    stage.crew.turn(stage.crew._members["member two"])  # as after `begin`: its time is known from now on
    os.write(pipe[1], b"x")

    stage.crew.reactor.at("too late", stage.crew.now() + PATIENCE, fail)
    while not (read and due):
        stage.crew.reactor.turn()
    assert stage.run_for(0.0) == 0

    assert read == [b"x"]
    assert due == ["two"]


def test_a_turn_that_fails_ends_that_supervisor_alone(stage: Stage) -> None:
    bad, good = stage.add("bad", fail), stage.add("good")
    for puppet in (bad, good):
        puppet.reactor.at("now", stage.crew.now(), lambda: None)
        stage.crew.turn(stage.crew._members[f"member {puppet.config_path}"])

    assert isinstance(stage.endings["bad"].error, RuntimeError)
    assert bad.closed == 1
    assert "good" not in stage.endings
    assert stage.run_for(0.01) == 0
    assert stage.endings["good"] == Ending(0)


def test_one_that_fails_while_it_is_closed_too_is_let_go(stage: Stage) -> None:
    bad = stage.add("bad", fail)
    bad.close_error = OSError("while closing")

    stage.crew.turn(stage.crew._members["member bad"])

    assert isinstance(stage.endings["bad"].error, RuntimeError)
    assert stage.run_for(0.01) == 0


def test_one_that_cannot_begin_is_closed_and_its_error_is_the_callers(stage: Stage) -> None:
    puppet = Puppet(stage.crew, "one")
    puppet.act = fail

    with pytest.raises(RuntimeError):
        stage.crew.add(cast(Supervisor, puppet), lambda ending: stage.endings.update(one=ending))

    assert puppet.closed == 1
    assert stage.endings == {}


def test_one_that_wants_to_leave_is_told_with_its_code(stage: Stage) -> None:
    puppet = stage.add("one")
    puppet.act = lambda: setattr(puppet, "leaving", 5)

    stage.crew.turn(stage.crew._members["member one"])

    assert stage.endings == {"one": Ending(5)}
    assert puppet.closed == 1


def test_when_the_process_leaves_all_are_asked_to(stage: Stage) -> None:
    puppets = [stage.add(name) for name in ("one", "two", "three")]

    assert stage.run_for(0.0) == 0

    assert [puppet.leaving for puppet in puppets] == [0, 0, 0]
    assert [puppet.closed for puppet in puppets] == [1, 1, 1]


def test_the_longest_turn_of_each_is_known(stage: Stage) -> None:
    slow = stage.add("slow", lambda: time.sleep(0.05))
    member = stage.crew._members["member slow"]

    stage.crew.turn(member)

    assert slow.turns == 1
    assert member.longest >= 0.05


def test_a_turn_that_does_not_end_is_broken_off_where_others_wait() -> None:
    stage = Stage()
    stage.crew = Crew(limit=0.2)

    def hang() -> None:
        while True:
            time.sleep(60)

    stuck, good = stage.add("stuck", hang), stage.add("good")
    for puppet in (stuck, good):
        stage.crew.turn(stage.crew._members[f"member {puppet.config_path}"])

    assert isinstance(stage.endings["stuck"].error, Stuck)
    assert stuck.closed == 1
    assert good.turns == 1
    assert stage.run_for(0.5) == 0  # and no alarm comes later


# ---- real ones ---------------------------------------------------------------------------------------------------------


def descriptors() -> dict[str, str]:
    gc.collect()  # what an earlier test of this process forgot to close goes now, and not between two counts
    return {
        number: os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_open(number)
    }


def _is_open(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


def supervise(project: ShellProject) -> Supervisor:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    shared = Shared(command, str(project.root / "crew.lock"), lambda _: None)
    return Supervisor(str(project.config_path), up=True, shared=shared)


def test_a_supervisor_that_leaves_a_living_process_leaves_no_descriptor_in_it(project: ShellProject) -> None:
    project.write("one", "two")
    counts = []
    for _ in range(4):
        crew, supervisor = Crew(), supervise(project)
        endings: list[Ending] = []
        crew.add(supervisor, endings.append)
        while set(project_running(supervisor)) != {"one", "two"}:
            crew.reactor.turn()
        supervisor.leave()
        crew.turn(crew._members[f"member {project.config_path}"])
        crew.reactor.close()
        assert endings == [Ending(0)]
        counts.append(len(descriptors()))

    assert counts[1:] == [counts[1]] * 3


def project_running(supervisor: Supervisor) -> list[str]:
    return [name for name, agent in supervisor.state.agents.items() if agent.pid]


def test_a_supervisor_that_cannot_be_leaves_neither_descriptor_nor_lock(project: ShellProject) -> None:
    project.write("one")
    project.runtime.create()
    Path(project.runtime.control_socket + ".new").mkdir()  # so that it cannot listen: after the journal was opened
    counts = []
    for _ in range(3):
        with pytest.raises(Exception, match="control"):
            supervise(project)
        counts.append(len(descriptors()))

    assert counts == [counts[0]] * 3
    Path(project.runtime.control_socket + ".new").rmdir()
    supervise(project).abandon()


def test_a_broken_journal_can_be_tried_again_in_the_same_process(project: ShellProject) -> None:
    project.write("one")
    supervise(project).abandon()
    segment = next(Path(project.places.journal).glob("*.jsonl"))
    whole = segment.read_bytes()
    segment.write_bytes(b"{}\n" + whole)

    for _ in range(2):
        with pytest.raises(Exception, match=segment.name):
            supervise(project)

    segment.write_bytes(whole)
    supervise(project).abandon()


def test_a_journal_that_cannot_be_folded_is_unlocked_again(
    project: ShellProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("one")
    with monkeypatch.context() as patched:
        patched.setattr("loops.supervisor.ledger.fold", lambda *_: fail())
        for _ in range(2):
            with pytest.raises(RuntimeError, match="on purpose"):
                supervise(project)

    supervise(project).abandon()
