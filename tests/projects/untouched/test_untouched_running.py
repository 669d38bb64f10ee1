"""Looks at real processes, tmux servers and ports: nothing is started, and a second life is told from the first."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loops.projects.untouched import ports, processes, procfs, terminals, units
from loops.projects.untouched.baseline import take
from loops.projects.untouched.check import compare
from loops.projects.untouched.model import Baseline, Scope
from loops.projects.untouched.rules import known
from loops.projects.untouched.touch import Cause, Change, Thing
from loops.projects.untouched.witnesses import witnessed

PATIENCE = 60.0
MARK = f"mark-{os.getpid()}"  # no process of another run of these tests has it
SLEEP = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose sockets are within the 107 bytes that they have."""
    with tempfile.TemporaryDirectory(prefix="ut-", dir="/tmp") as directory:
        yield Path(directory)


# ---- tmux ----------------------------------------------------------------------------------------------------------------


class Tmux:
    """A tmux server of the test's own."""

    def __init__(self, path: Path) -> None:
        self.socket = str(path)

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-S", self.socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.strip()

    def session(self, name: str, command: str = "exec sleep 600") -> None:
        self("new-session", "-d", "-s", name, command)

    def look(self, *more: str) -> Baseline:
        return take(Scope(sockets=(self.socket, *more)))


@pytest.fixture
def tmux(short: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed here")
    server = Tmux(short / "t.sock")
    server.session("cc-ci-builder")
    yield server
    subprocess.run(["tmux", "-S", server.socket, "kill-server"], capture_output=True, check=False)


def found(before: Baseline, after: Baseline) -> list[tuple[str, str, str]]:
    """Name, change and cause of each difference."""
    return [
        (each.place.rpartition(": ")[2], each.change.value, each.cause.value)
        for each in compare(before, after, known())
    ]


def test_sessions_are_seen_with_their_processes(tmux: Tmux):
    (server,) = tmux.look().servers

    (session,) = server.sessions
    assert (session.name, session.windows) == ("cc-ci-builder", 1)
    assert str(session.panes[0].pid) == tmux("display-message", "-p", "-t", "=cc-ci-builder:", "#{pane_pid}")
    assert session.panes[0].start == procfs.start(session.panes[0].pid) > 0


def test_a_server_that_nobody_touched_has_no_difference(tmux: Tmux):
    assert found(tmux.look(), tmux.look()) == []


def test_a_session_that_was_killed_and_made_again_under_its_name_is_found(tmux: Tmux):
    tmux.session("other")
    before = tmux.look()

    tmux("kill-session", "-t", "=cc-ci-builder")
    tmux.session("cc-ci-builder")

    assert found(before, tmux.look()) == [("cc-ci-builder", "restarted", "unknown")]


def test_a_pane_s_process_that_was_replaced_is_found_although_the_session_stayed(tmux: Tmux):
    before = tmux.look()

    tmux("respawn-pane", "-k", "-t", "=cc-ci-builder:", "exec sleep 600")

    assert found(before, tmux.look()) == [("cc-ci-builder", "restarted", "unknown")]


def test_a_pane_whose_process_ended_is_told_even_when_tmux_keeps_it(tmux: Tmux):
    tmux("set-option", "-g", "remain-on-exit", "on")
    before = tmux.look()
    os.kill(before.servers[0].sessions[0].panes[0].pid, 9)
    until(lambda: tmux("display-message", "-p", "-t", "=cc-ci-builder:", "#{pane_dead}") == "1")

    (touch,) = compare(before, tmux.look(), known())

    assert touch.change is Change.RESTARTED
    assert "(dead)" in touch.after


def test_what_is_done_to_a_server_is_found(tmux: Tmux):
    tmux.session("gone")
    before = tmux.look()

    tmux("kill-session", "-t", "=gone")
    tmux.session("planted")
    tmux("new-window", "-d", "-t", "=cc-ci-builder:", "exec sleep 600")

    assert set(found(before, tmux.look())) == {
        ("gone", "removed", "unknown"),
        ("planted", "added", "unknown"),
        ("cc-ci-builder", "windows", "unknown"),
    }


def test_a_session_with_the_marks_of_loops_on_the_live_server_is_ours(tmux: Tmux):
    before = tmux.look()

    tmux.session("planted", "exec env LOOPS_SESSION=p1/builder/1 sleep 600")
    until(lambda: tmux.look().servers[0].sessions[-1].panes[0].mark)

    (touch,) = compare(before, tmux.look(), known())
    assert (touch.cause, touch.alarming, touch.why) == (Cause.OURS, True, "LOOPS_SESSION=p1/builder/1")


def test_a_server_that_ended_is_found_and_is_not_started_by_looking(tmux: Tmux):
    before = tmux.look()
    pid = before.servers[0].pid
    tmux("kill-server")
    until(lambda: not procfs.start(pid))

    after = tmux.look()

    assert [each.change for each in compare(before, after, known())] == [Change.REMOVED]
    assert after.servers[0].pid == 0
    assert not _tmux_servers(tmux.socket)


def test_a_socket_that_was_never_there_starts_nothing_and_makes_no_file(short: Path):
    path = str(short / "none.sock")

    (server,) = take(Scope(sockets=(path,))).servers

    assert server.pid == 0
    assert os.listdir(short) == []
    assert not _tmux_servers(path)


def _tmux_servers(path: str) -> list[int]:
    found = {pid: procfs.words(pid) for pid in procfs.pids()}
    return [pid for pid, words in found.items() if path in words and "tmux" in words[0]]


def test_a_server_that_is_stopped_is_said_to_be_unseen_and_does_not_hang(tmux: Tmux, monkeypatch: pytest.MonkeyPatch):
    before = tmux.look()
    monkeypatch.setattr(terminals, "WITHIN", 0.5)
    pid = before.servers[0].pid
    os.kill(pid, 19)
    try:
        after = tmux.look()
    finally:
        os.kill(pid, 18)

    (touch,) = compare(before, after, known())
    assert (touch.thing, touch.change, touch.alarming) == (Thing.TMUX, Change.HIDDEN, True)


def test_every_server_of_the_usual_places_is_seen_also_one_that_comes_later(
    short: Path, monkeypatch: pytest.MonkeyPatch
):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed here")
    monkeypatch.setenv("TMUX_TMPDIR", str(short))
    own = short / f"tmux-{os.getuid()}"
    places = terminals.places()
    assert str(own) in places
    before = take(Scope(socket_directories=(str(own),)))
    own.mkdir(mode=0o700)
    later = Tmux(own / "default")
    later.session("somebody")
    try:
        after = take(before.scope)
    finally:
        later("kill-server")

    assert [(each.thing, each.change) for each in compare(before, after, known())] == [(Thing.TMUX, Change.ADDED)]


# ---- processes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def started(*words: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*SLEEP, *words], stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], **env}
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield started
    for each in running:
        each.kill()
        each.wait()
        each.stdout.close()


def test_processes_are_found_by_a_pattern_and_told_without_secrets(start: Callable[..., subprocess.Popen[str]]):
    process = start("--api-key", "hunter2", "--token=hunter2", "sk-ant-api03-" + "A" * 40, f"{MARK}-one")

    (seen,) = processes.look(Scope(patterns=(f"{MARK}-one$",)))

    assert (seen.pid, seen.uid, seen.cwd) == (process.pid, os.getuid(), os.getcwd())
    assert "hunter2" not in seen.command
    assert "AAAA" not in seen.command
    assert seen.command.endswith(f"{MARK}-one")


def test_a_restarted_process_is_one_difference_and_a_new_one_another(start: Callable[..., subprocess.Popen[str]]):
    first = start(f"{MARK}-two")
    before = take(Scope(patterns=(f"{MARK}-two",)))
    first.kill()
    first.wait()
    start(f"{MARK}-two")
    start(f"{MARK}-two", "new")

    touches = compare(before, take(before.scope), known())

    assert sorted(each.change.value for each in touches) == ["added", "restarted"]
    assert {each.cause for each in touches} == {Cause.UNKNOWN}


def test_a_process_of_a_session_of_loops_is_ours_and_beside(start: Callable[..., subprocess.Popen[str]]):
    before = take(Scope(patterns=(f"{MARK}-three",)))
    start(f"{MARK}-three", LOOPS_SESSION="p1/builder/1")

    (touch,) = compare(before, take(before.scope), known())

    assert (touch.cause, touch.beside) == (Cause.OURS, True)


def test_processes_are_found_by_their_cgroup():
    groups = procfs.cgroups(os.getpid())
    if not groups:
        pytest.skip("this kernel shows no cgroups")
    child = subprocess.Popen(["sleep", "600"])
    try:
        seen = processes.look(Scope(cgroups=(groups[-1],)))
    finally:
        child.kill()
        child.wait()

    assert child.pid in {each.pid for each in seen}
    assert os.getpid() not in {each.pid for each in seen}


def test_a_cgroup_can_be_named_by_its_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(processes, "ROOT", str(tmp_path))

    assert processes.cgroup(f"{tmp_path}/memory/live") == "/live"  # of the older hierarchies
    (tmp_path / "cgroup.controllers").touch()
    assert processes.cgroup(f"{tmp_path}/live.slice/x.service/") == "/live.slice/x.service"
    assert processes.cgroup("/live.slice") == "/live.slice"


# ---- ports ---------------------------------------------------------------------------------------------------------------


def test_a_port_that_opens_closes_or_changes_hands_is_found(short: Path):
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket(socket.AF_UNIX) as second:
        second.bind(str(short / "s"))
        second.listen()
        address = f"tcp 127.0.0.1:{first.getsockname()[1]}"
        before = take(Scope(ports=True))
        number = first.getsockname()[1]
        first.close()
        second.close()
        with socket.create_server(("127.0.0.1", number)), socket.create_server(("127.0.0.1", 0)) as new:
            touches = {each.place: each for each in compare(before, take(before.scope), known())}
            opened = touches[f"tcp 127.0.0.1:{new.getsockname()[1]}"]

    assert touches[address].change is Change.RESTARTED
    assert touches[f"unix {short}/s"].change is Change.REMOVED
    assert (opened.change, opened.cause) == (Change.ADDED, Cause.UNKNOWN)
    assert f"pid {os.getpid()}" in opened.after


def test_the_kernel_s_tables_are_read_as_it_writes_them():
    tcp = ["   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0"]
    tcp += ["   1: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0"]
    six = ["   0: 00000000000000000000000001000000:0050 " + "0" * 32 + ":0000 0A 0:0 00:0 0 33 0 77 1 0"]
    udp = ["  10: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 88 2 0"]
    udp += ["  11: 0100007F:A001 0100007F:0035 07 00000000:00000000 00:00000000 00000000   101        0 89 2 0"]

    told = [
        (each.address, each.inode, each.uid)
        for protocol, lines in (("tcp", tcp), ("tcp6", six), ("udp", udp))
        for each in ports.internet(protocol, lines)
    ]

    assert told == [("127.0.0.1:8080", 4242, 1000), ("[::1]:80", 77, 33), ("0.0.0.0:53", 88, 101)]


# ---- units ---------------------------------------------------------------------------------------------------------------

SHOWN = """\
Id=cc-ci-loops.service
LoadState=loaded
ActiveState=active
SubState=running
InvocationID={invocation}
MainPID=77
NRestarts={restarts}

Id=weekly.timer
LoadState=loaded
ActiveState=active
SubState=waiting
InvocationID=ff
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that systemd runs: `systemctl` prints a file, and notes how it was asked."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "_BOOTED", str(tmp_path))
    (tmp_path / "shown").write_text(SHOWN.format(invocation="aa", restarts=0))
    return tmp_path


def test_units_are_seen_with_their_invocation_and_a_restart_is_found(systemd: Path):
    before = take(Scope(units=("cc-ci-*", "weekly.timer")))
    (systemd / "shown").write_text(SHOWN.format(invocation="bb", restarts=1))

    (touch,) = compare(before, take(before.scope), known())

    assert [each.name for each in before.units] == ["cc-ci-loops.service", "weekly.timer"]
    assert (touch.place, touch.change) == ("cc-ci-loops.service", Change.RESTARTED)
    assert "by itself" in touch.hints[0]
    assert " show " in (systemd / "asked").read_text()


def test_where_systemd_does_not_run_units_are_said_to_be_unseen(systemd: Path, monkeypatch: pytest.MonkeyPatch):
    after = take(Scope(units=("cc-ci-*",)))
    monkeypatch.setattr(units, "_BOOTED", str(systemd / "none"))

    before = take(after.scope)

    assert [(each.place, each.why) for each in before.unseen] == [("cc-ci-*", "systemd does not run here")]
    assert compare(before, after, known()) == ()
    (touch,) = compare(after, before, known())
    assert (touch.change, touch.alarming) == (Change.HIDDEN, True)


# ---- who it was ------------------------------------------------------------------------------------------------------------


def test_who_has_a_changed_file_open_for_writing_is_named(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]):
    path = tmp_path / "plan.md"
    path.write_text("one")
    before = take(Scope(roots=(str(tmp_path),)))
    code = "import sys, time; f = open(sys.argv[1], 'w'); print('two', file=f, flush=True); print('', flush=True); time.sleep(600)"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        after = take(before.scope, before)
        (touch,) = witnessed(compare(before, after, known()), before, after)
    finally:
        writer.kill()
        writer.communicate()

    assert touch.cause is Cause.UNKNOWN
    assert any(f"pid {writer.pid} has it open for writing" in hint for hint in touch.hints)


def test_a_file_that_a_process_of_loops_writes_is_ours(tmp_path: Path):
    path = tmp_path / "plan.md"
    path.write_text("one")
    before = take(Scope(roots=(str(tmp_path),)))
    writer = subprocess.Popen(
        ["sh", "-c", f"exec 3>{path}; echo two >&3; echo; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LOOPS_SESSION": "p1/builder/1"},
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        after = take(before.scope, before)
        (touch,) = witnessed(compare(before, after, known()), before, after)
    finally:
        writer.kill()
        writer.communicate()

    assert (touch.cause, touch.alarming) == (Cause.OURS, True)
    assert "LOOPS_SESSION=p1/builder/1" in touch.why


def test_a_file_that_a_process_of_loops_only_reads_is_not_ours_for_that(tmp_path: Path):
    path = tmp_path / "plan.md"
    path.write_text("one")
    before = take(Scope(roots=(str(tmp_path),)))
    path.write_text("other")
    reader = subprocess.Popen(
        ["sh", "-c", f"exec 3<{path}; echo; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "LOOPS_SESSION": "p1/builder/1"},
    )
    try:
        assert reader.stdout is not None
        reader.stdout.readline()
        after = take(before.scope, before)
        (touch,) = witnessed(compare(before, after, known()), before, after)
    finally:
        reader.kill()
        reader.communicate()

    assert touch.cause is Cause.UNKNOWN
    assert any(f"pid {reader.pid} has it open:" in hint for hint in touch.hints)


def test_who_works_where_a_file_changed_is_named(tmp_path: Path):
    before = take(Scope(roots=(str(tmp_path),)))
    (tmp_path / "new").write_text("x")
    worker = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
    try:
        after = take(before.scope, before)
        (touch,) = witnessed(compare(before, after, known()), before, after)
    finally:
        worker.kill()
        worker.wait()

    assert any(f"pid {worker.pid} works there" in hint for hint in touch.hints)
    assert any("since the baseline" in hint for hint in touch.hints)


def test_what_is_explained_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.log").write_text("one")
    before = take(Scope(roots=(str(tmp_path),)))
    (tmp_path / "a.log").write_text("one two")
    after = take(before.scope, before)
    touches = compare(before, after, known())
    monkeypatch.setattr(procfs, "pids", lambda: pytest.fail("it asked all the same"))

    assert witnessed(touches, replace(before), after) == touches
