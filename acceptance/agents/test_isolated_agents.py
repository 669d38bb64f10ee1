"""Gate: a real agent in its sandbox works, and whatever its model makes it run sees nothing of the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
from loops.isolation.able import ability
from loops.supervisor import events as ev
from pinned import lack, pin
from real_project import BACKENDS, Real, RealProject
from room import command_line, descendants, no_room
from scratch import alive

LOOK = (
    "{ cat ../keeper/secret.txt; ls ../../.loops/state/journal; cat ../../home/secret.txt; cat /etc/shadow; "
    "cat /proc/*/environ | tr '\\0' '\\n' | grep ROOM_SECRET; } > found.txt 2>/dev/null; "
    "ls .. > beside.txt; env > env.txt; ls /proc | grep -c '^[0-9]' > processes.txt; "
    "touch ../../agents.toml && echo touched > touched.txt; git status > git.txt; echo done > done.txt"
)


@pytest.fixture(scope="module", params=["headless", "tui"])
def project(request: pytest.FixtureRequest) -> Iterator[RealProject]:
    if no_room() or not ability():
        pytest.skip(no_room() or ability().reason)
    project = RealProject(script=["--command", LOOK])
    try:
        keeper = project.root / "work" / "keeper"
        keeper.mkdir(parents=True)
        (keeper / "secret.txt").write_text("the secret of the keeper\n")
        agents = [
            Real(backend, backend, mode=request.param, options={"isolate": True})
            for backend in BACKENDS
            if not lack(pin(backend))
        ]
        if not lack(pin("codex")):
            agents.append(Real("boxed", "codex", mode=request.param, permissions="edits", options={"isolate": True}))
        project.write(agents)
        project.loops("up", ROOM_SECRET="room secret")
        yield project
    finally:
        project.teardown()


def below_runner(project: RealProject, backend: str) -> dict[int, str]:
    """The processes below an agent's runner, with their command lines."""
    return {pid: line for pid in descendants(project.runner(backend)) if (line := command_line(pid))}


def pids_of(processes: Iterable[int]) -> set[str]:
    """The namespaces of pids that these processes, as far as they still live, are in."""
    found = set()
    for pid in processes:
        with suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/pid"))
    return found


@pytest.mark.heavy
@pytest.mark.xdist_group("isolated agents")
@pytest.mark.skipif(bool(lack(pin("codex"))), reason=lack(pin("codex")) or "installed")
def test_codex_makes_its_own_sandbox_inside_ours(project: RealProject) -> None:
    clone = project.clone("boxed")
    project.wait_for((clone / "done.txt").exists, "codex has run its command in its own sandbox")
    assert (clone / "found.txt").read_text() == ""
    assert (clone / "beside.txt").read_text().split() == ["boxed"]


@pytest.mark.heavy
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.xdist_group("isolated agents")
def test_an_isolated_agent_works_and_sees_only_its_own(project: RealProject, backend: str) -> None:
    if lack(pin(backend)):
        pytest.skip(lack(pin(backend)))
    clone = project.clone(backend)
    project.wait_for((clone / "done.txt").exists, f"{backend} has run its command")
    assert (clone / "found.txt").read_text() == ""
    assert (clone / "beside.txt").read_text().split() == [backend]
    environment = dict(line.partition("=")[::2] for line in (clone / "env.txt").read_text().splitlines())
    assert "ROOM_SECRET" not in environment
    assert environment["HOME"] == str(project.log_dir / "state" / "homes" / backend)
    assert int((clone / "processes.txt").read_text()) < 20
    assert not (clone / "touched.txt").exists()
    assert "No commits yet" in (clone / "git.txt").read_text() or "branch main" in (clone / "git.txt").read_text()
    assert any(event.agent == backend and not event.lack for event in project.events(ev.AgentConfined))
    project.wait_event(ev.TurnCompleted, "its runner outside heard of the turn's end", lambda e: e.agent == backend)
    assert pids_of(below_runner(project, backend)) - pids_of([os.getpid()])


@pytest.mark.heavy
@pytest.mark.xdist_group("isolated agents")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_runner_leaves_nothing_of_its_sandbox(project: RealProject, backend: str) -> None:
    if lack(pin(backend)):
        pytest.skip(lack(pin(backend)))
    project.wait_for((project.clone(backend) / "done.txt").exists, f"{backend} has run its command")
    runner = project.runner(backend)
    below = below_runner(project, backend)
    assert any("bwrap" in line for line in below.values())
    os.kill(runner, signal.SIGKILL)
    project.wait_for(lambda: not any(map(alive, below)), "the sandbox ended with its runner")
    project.wait_for(lambda: project.runner(backend) != runner, "it is healed")
