"""Holder and supervisor as a service manager starts them: siblings, each killed alone, both at once, and told to end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.sessions import tree
from loops.sessions.client import HolderClient, SpawnOrder
from loops.sessions.launch import ensure_holder, holder_command
from loops.supervisor import events as ev
from loops.supervisor.control import ask
from shell_project import PATIENCE, SOURCE_ROOT, ShellProject, alive

DEAF = """
[[service]]
name = "deaf"
command = ["sh", "-c", "trap '' HUP TERM; while :; do sleep 1; done"]
"""


def start_holder(project: ShellProject, engine: str = SOURCE_ROOT, **environment: str) -> subprocess.Popen[str]:
    """``loops holder``, as its unit runs it; returns when it has its place."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loops", "--config", str(project.config_path), "holder"],
        env={**project.environment, "PYTHONPATH": engine, **environment},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    project.processes.append(process)
    lock = Path(project.runtime.root, "holder.lock")
    project.until(lambda: lock.exists() and lock.read_text() == f"{process.pid}\n", "the holder signs its lock")
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE)
        self.told: list[str] = []

    def hear(self, wanted: str) -> None:
        """Wait for a line."""
        while wanted not in self.told:
            self.told += self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(project: ShellProject) -> Iterator[Manager]:
    manager = Manager(Path(project.runtime_root, "notify"))
    yield manager
    manager.close()


def starts(project: ShellProject) -> Counter[str]:
    return Counter(event.agent for event in project.events(ev.SessionStarting))


# ---- coming ------------------------------------------------------------------------------------------------------------


def test_a_supervisor_waits_for_its_holder_and_is_ready_only_then(project: ShellProject, manager: Manager) -> None:
    project.write("one")
    supervisor = project.start("--no-holder", NOTIFY_SOCKET=manager.address, LOOPS_UNIT="loops-demo")
    manager.hear("STATUS=waiting for loops-demo-holder.service")
    assert "READY=1" not in manager.told
    assert "EXTEND_TIMEOUT_USEC=60000000" in manager.told
    assert ask(project.runtime.control_socket, {"verb": "status"}) is not None  # it answers while it waits
    assert not os.path.exists(project.runtime.holder_socket)
    holder = start_holder(project)
    manager.hear("READY=1")
    project.wait_running("one")
    assert project.holder == holder.pid
    assert "systemctl start loops-demo-holder.service" in project.leave(supervisor)


def test_a_holder_says_that_it_is_ready_and_that_it_stops(project: ShellProject, manager: Manager) -> None:
    project.write("one")
    holder = start_holder(project, NOTIFY_SOCKET=manager.address)
    manager.hear("READY=1")
    holder.terminate()
    manager.hear("STOPPING=1")
    assert holder.wait(PATIENCE) == 0


def test_a_holder_needs_no_agents_toml_for_it_may_come_before_that(project: ShellProject) -> None:
    assert not project.config_path.exists()
    holder = start_holder(project)
    project.write("one")
    project.start("--no-holder")
    project.wait_running("one")
    assert project.holder == holder.pid


def test_a_second_holder_ends_and_names_the_first(project: ShellProject) -> None:
    project.write("one")
    holder = start_holder(project)
    second = [sys.executable, "-m", "loops", "--config", str(project.config_path), "holder"]
    done = subprocess.run(
        second, env=project.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 75
    assert f"pid {holder.pid}" in done.stderr


def test_a_services_holder_starts_no_supervisor_for_anybody(project: ShellProject) -> None:
    project.write("one")
    start_holder(project)
    with pytest.raises(Exception, match="a service manager runs this project's holder"):
        ensure_holder(project.runtime, supervisor=["true"], env={}, log_path=os.devnull)
    code, said = project.fails("--up")  # one that would have itself started again by the holder
    assert code == 6
    assert "watchdog --no-holder" in said


# ---- dying -------------------------------------------------------------------------------------------------------------


def test_a_killed_holder_ends_no_agent_and_the_next_one_gets_the_sessions(project: ShellProject) -> None:
    project.write("one", "two")
    holder = start_holder(project)
    project.start("--no-holder")
    before = project.wait_running("one", "two")
    for _ in range(2):
        kill(holder)
        holder = start_holder(project)
        project.until(
            lambda: len(tree.children(os.getpid())) and sessions_of(project) == {"one", "two"}, "they are held"
        )
        assert project.wait_running("one", "two") == before
        assert all(alive(pid) for pid in before.values())
    assert starts(project) == {"one": 1, "two": 1}
    os.kill(before["one"], signal.SIGKILL)  # an end that no holder reaps is seen all the same
    project.until(lambda: project.pids().get("one", before["one"]) != before["one"], "it is healed")


def sessions_of(project: ShellProject) -> set[str]:
    """The names of what the holder that lives now has, asked as a viewer would: without becoming its supervisor."""
    found = set()
    for name in ("one", "two"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(project.runtime.holder_socket)
            sock.send(b'{"op":"hello","role":"viewer","name":"%s","rows":0,"cols":0}\n' % name.encode())
            if b'"welcome"' in sock.recv(1 << 17):
                found.add(name)
    return found


def test_a_killed_supervisor_is_left_to_the_service_manager_and_the_next_one_adopts(project: ShellProject) -> None:
    project.write("one")
    holder = start_holder(project)
    first = project.start("--no-holder")
    before = project.wait_running("one")
    kill(first)
    assert tree.children(holder.pid) == [before["one"]]  # it has started nobody in its place
    project.start("--no-holder")
    assert project.wait_running("one") == before
    assert starts(project) == {"one": 1}


def test_when_both_are_killed_at_once_each_agent_is_started_once_more_and_lives_once(project: ShellProject) -> None:
    project.write("one", more=DEAF)
    holder = start_holder(project)
    supervisor = project.start("--no-holder")
    before = project.wait_running("one", "deaf")
    for process in (holder, supervisor):
        process.send_signal(signal.SIGSTOP)  # neither sees the other's end
    for process in (holder, supervisor):
        kill(process)
    start_holder(project)
    project.start("--no-holder")
    project.until(lambda: starts(project) == {"one": 2, "deaf": 2}, "both are started again")
    after = project.wait_running("one", "deaf")
    project.until(lambda: not any(alive(pid) for pid in before.values()), "what outlived both is ended")
    assert not set(before.values()) & set(after.values())
    assert starts(project) == {"one": 2, "deaf": 2}


# ---- told to end -------------------------------------------------------------------------------------------------------


def test_sigterm_to_the_supervisor_leaves_agents_and_holder_alone(project: ShellProject) -> None:
    project.write("one")
    holder = start_holder(project)
    supervisor = project.start("--no-holder")
    before = project.wait_running("one")
    project.leave(supervisor)
    assert holder.poll() is None
    assert alive(before["one"])


def test_sigterm_to_the_holder_ends_every_session_and_the_next_one_gets_new_ones(project: ShellProject) -> None:
    tidy = """
[[service]]
name = "tidy"
command = ["sh", "-c", "trap 'echo tidied >> tidy; exit' TERM; (setsid sleep 612 &); touch up; while :; do sleep 0.1; done"]
watch = "heal"
"""
    project.write("one", more=tidy)
    holder = start_holder(project)
    supervisor = project.start("--no-holder")
    before = project.wait_running("one", "tidy")
    project.until((project.root / "up").exists, "its trap is set")
    background = [process.pid for process in tree.descendants(holder.pid)]
    holder.terminate()
    assert holder.wait(PATIENCE) == 0
    assert not any(alive(pid) for pid in (*before.values(), *background))
    assert (project.root / "tidy").read_text() == "tidied\n"
    assert not os.path.exists(project.runtime.holder_socket)
    assert supervisor.poll() is None
    start_holder(project)
    project.until(lambda: starts(project) == {"one": 2, "tidy": 2}, "they are started again")
    project.wait_running("one", "tidy")
    assert [event.rule for event in project.events(ev.SessionEnded)] == ["lost", "lost"]  # no crash of theirs


def test_the_end_of_all_sessions_waits_a_grace_and_then_kills_what_hides(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, signal, subprocess, sys, time
        from loops.sessions import closing, holder, tree
        holder.be_subreaper()
        deaf = "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \\"\\" TERM; while :; do sleep 600; done' &); "
        deaf += "touch ready; while :; do sleep 600; done"
        child = subprocess.Popen(["sh", "-c", deaf])
        subprocess.Popen(["sleep", "600"])
        while not os.path.exists("ready") or len(tree.descendants(os.getpid())) < 5:
            time.sleep(0.01)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        closing = closing.Closing((), grace=1.0, now=10.0)
        now, waited = 10.0, []
        while not closing.step(now):
            if now < 11.0:
                waited.append(len(tree.descendants(os.getpid())))
            time.sleep(tree.STEP_PAUSE)
            now += tree.STEP_PAUSE
        print(waited[-1] >= 3, tree.descendants(os.getpid()))
        """
    )
    environment = {**os.environ, "PYTHONPATH": SOURCE_ROOT}
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True []\n", done.stderr


# ---- another version ---------------------------------------------------------------------------------------------------


def engine_copy(target: Path, mark: str) -> str:
    """An engine in a place of its own, whose holder is another program than ours."""
    shutil.copytree(Path(SOURCE_ROOT) / "loops", target / "loops", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("schemas", "prompts"):
        shutil.copytree(Path(SOURCE_ROOT).parent / folder, target / "loops" / "_data" / folder)
    with (target / "loops" / "sessions" / "holder.py").open("a") as file:
        file.write(f"\n# {mark}\n")
    return str(target)


def test_an_upgrade_replaces_the_holder_in_place_even_when_the_old_engine_is_gone(
    project: ShellProject, tmp_path: Path
) -> None:
    project.write("one")
    old = engine_copy(tmp_path / "old", "old")
    holder = start_holder(project, engine=old)
    first = project.start("--no-holder", PYTHONPATH=old)
    before = project.wait_running("one")
    project.leave(first)
    shutil.rmtree(old)
    new = engine_copy(tmp_path / "new", "new")
    second = project.start("--no-holder", PYTHONPATH=new)
    command = Path(f"/proc/{holder.pid}/cmdline")
    project.until(lambda: new.encode() in command.read_bytes(), "the holder runs the new program")
    assert project.wait_running("one") == before
    project.write("one", "two")  # and it works
    project.wait_running("one", "two")
    assert holder.poll() is None
    assert starts(project) == {"one": 1, "two": 1}
    assert project.leave(second).count("replaced in place") == 1
    third = project.start("--no-holder", PYTHONPATH=new)
    project.until(lambda: project.pids().get("watchdog") == third.pid, "the next supervisor")
    assert "replaced" not in project.leave(third)
    holder.terminate()  # it is still a service's
    assert holder.wait(PATIENCE) == 0
    project.until(lambda: not alive(before["one"]), "its sessions ended with it")


def test_sigterm_while_the_holder_is_replaced_ends_every_session_all_the_same(project: ShellProject) -> None:
    holder = start_holder(project)
    client = HolderClient(project.runtime.holder_socket, 1)
    client.connect()
    order = SpawnOrder("one", 1, ("/bin/sleep", "600"), {}, str(project.root), log_path=str(project.root / "one.log"))
    client.spawn(order)
    project.until(lambda: tree.children(holder.pid), "the session")
    (session,) = tree.children(holder.pid)
    client.renew(["/bin/sh", "-c", 'kill -TERM $$; exec "$0" "$@"', *holder_command()])
    assert holder.wait(PATIENCE) == 0
    assert not alive(session)
    client.close()


# ---- down, and up again ------------------------------------------------------------------------------------------------


def test_a_project_that_is_down_keeps_its_processes_and_stays_down_when_they_are_new(project: ShellProject) -> None:
    project.write("one")
    holder = start_holder(project)
    supervisor = project.start("--no-holder")
    before = project.wait_running("one")
    project.ask("down", names=[])
    project.until(lambda: not alive(before["one"]), "the agent ends")
    project.until(lambda: project.ask("status")["agents"][-1]["state"] != "ENDING", "its end is seen")
    kill(supervisor)
    kill(holder)
    holder = start_holder(project)
    supervisor = project.start("--no-holder")
    assert project.until(lambda: ask(project.runtime.control_socket, {"verb": "status"}), "an answer")["up"] is False
    assert tree.children(holder.pid) == []
    project.ask("up", names=[])
    project.wait_running("one")
    project.leave(supervisor)
    assert holder.poll() is None
    assert starts(project) == {"one": 2}
