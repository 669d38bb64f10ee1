"""The everyday verbs beside a project that a service manager runs: nobody needs rights over it, and no second holder appears."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from cli_scratch import Scratch, gone, until
from loops.supervisor import processes


@pytest.fixture
def service(scratch: Scratch) -> Iterator[Scratch]:
    """Holder and supervisor as siblings, of a project that never ran before."""
    started = [scratch.start("holder", stderr=subprocess.DEVNULL)]
    until(lambda: os.path.exists(scratch.runtime.holder_socket))
    started.append(scratch.start("watchdog", "--no-holder", stderr=subprocess.DEVNULL))
    scratch.wait(lambda _: set(scratch.pids()) == {"builder", "ticker"})
    yield scratch
    if not processes.supervisors(scratch.runtime, None):
        started.append(scratch.start("watchdog", "--no-holder", stderr=subprocess.DEVNULL))
        scratch.wait(lambda status: status["pid"])
    scratch.loops("down")  # which ends the views too
    for process in reversed(started):
        process.terminate()
        process.wait(60)


def watchdog(scratch: Scratch) -> int:
    pid: int = scratch.status()["pid"]
    return pid


def test_a_project_that_never_ran_is_brought_up_and_down_leaves_both_processes(service: Scratch) -> None:
    holder, supervisor, before = processes.holder(service.runtime), watchdog(service), service.pids()
    done = service.loops("down")
    assert done.code == 0, done.err
    assert "until `loops up`; the service itself runs on" in done.out
    assert all(gone(pid) for pid in before.values())
    assert (processes.holder(service.runtime), watchdog(service)) == (holder, supervisor)
    assert service.loops("status").code == 0
    again = service.loops("up")
    assert again.code == 0, again.err
    service.wait(lambda _: set(service.pids()) == {"builder", "ticker"})
    assert (processes.holder(service.runtime), watchdog(service)) == (holder, supervisor)


def test_the_holder_starts_while_agents_toml_is_still_being_written(scratch: Scratch) -> None:
    os.rename(scratch.config_path, f"{scratch.config_path}.later")
    holder = scratch.start("holder", stderr=subprocess.DEVNULL)
    until(lambda: os.path.exists(scratch.runtime.holder_socket))
    holder.terminate()
    assert holder.wait(60) == 0


def test_down_of_one_agent_is_as_ever(service: Scratch) -> None:
    done = service.loops("down", "ticker")
    assert done.code == 0, done.err
    service.wait(lambda _: set(service.pids()) == {"builder"})


def test_the_emergency_stop_kills_the_agents_and_leaves_both_processes(service: Scratch) -> None:
    holder, supervisor, before = processes.holder(service.runtime), watchdog(service), service.pids()
    done = service.loops("stop", "--all-now", "--json")
    assert done.code == 0, done.err
    assert set(done.facts["killed"]) == set(before)
    assert (processes.holder(service.runtime), watchdog(service)) == (holder, supervisor)
    assert service.pids() == {}


def test_the_emergency_stop_past_a_stuck_supervisor_spares_the_holder(service: Scratch) -> None:
    holder, before = processes.holder(service.runtime), service.pids()
    os.kill(watchdog(service), signal.SIGSTOP)
    done = service.loops("stop", "--all-now", "--json")
    assert done.code == 0, done.err
    assert set(done.facts["killed"]) == set(before)
    assert done.facts["journaled"]
    assert processes.holder(service.runtime) == holder
    with service.start("watchdog", "--no-holder", stderr=subprocess.DEVNULL) as again:  # as systemd does
        service.wait(lambda status: status["pid"] == again.pid)
        assert service.pids() == {}
        again.terminate()
        again.wait(60)


def test_up_without_the_supervisor_starts_none_below_the_services_holder(service: Scratch) -> None:
    before, supervisor = service.pids(), watchdog(service)
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: not processes.supervisors(service.runtime, None))
    done = service.loops("up")
    assert done.code == 6
    assert "a service manager runs this project's holder" in done.err
    assert not processes.supervisors(service.runtime, None)
    assert not any(gone(pid) for pid in before.values())
