"""Gate: a scratch project lives its full life, and nothing foreign notices.

Scaffold, up, RUNNING, attachable views, every phase to done, down, deleted; the transcript is kept in pytest's directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest
import sh
from loops.supervisor.events import PhaseDone, SequenceCompleted, SessionEnded
from scratch import LINGER, PATIENCE, Scratch, alive, checked, start_time


@dataclass(frozen=True, slots=True)
class Foreigners:
    """Somebody else's tmux server, process and files, as much like ours as can be."""

    tmux_socket: str
    pid: int
    directory: Path

    def seen(self) -> dict[str, object]:
        """Everything about them that we could have changed."""
        tmux = sh.Command("tmux").bake("-S", self.tmux_socket)
        panes = tmux(
            "list-panes", "-a", "-F", "#{session_name} #{pane_id} #{pane_pid} #{pane_dead} #{pane_start_command}"
        )
        files = {
            str(path.relative_to(self.directory)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.directory.rglob("*"))
            if path.is_file()
        }
        return {
            "panes": str(panes).splitlines(),
            "options": str(tmux("show-options", "-g")),
            "server": str(tmux("display-message", "-p", "#{pid}")),
            "process": start_time(self.pid) if alive(self.pid) else "gone",
            "files": files,
        }


@pytest.fixture
def foreigners(tmp_path: Path, scratch: Scratch) -> Iterator[Foreigners]:
    directory = Path(tempfile.mkdtemp(prefix="lf-", dir="/tmp"))
    tmux_socket = str(directory / "tmux.sock")
    files = tmp_path / "foreign"
    files.mkdir()
    (files / "agents.toml").write_text("# another project's\n")
    tmux = sh.Command("tmux").bake("-S", tmux_socket, "-f", os.devnull)
    # The very names that our sessions will have, on a server that is not ours.
    for name in ("builder", "adversary"):
        tmux("new-session", "-d", "-s", f"{scratch.prefix}{name}", "-x", "80", "-y", "24", "exec cat")
    bystander = subprocess.Popen(
        ["sleep", "1000"], env={**os.environ, "LOOPS_SESSION": "0123456789abcdef/builder/1"}, start_new_session=True
    )
    try:
        yield Foreigners(tmux_socket, bystander.pid, files)
    finally:
        server = int(str(tmux("display-message", "-p", "#{pid}")))
        os.kill(server, signal.SIGTERM)
        bystander.kill()
        bystander.wait()
        scratch.wait_for(lambda: not alive(server), "the end of the foreign tmux server, which takes its socket away")
        shutil.rmtree(directory)


def test_a_scratch_project_lives_its_full_life_and_nothing_foreign_changes(
    scratch: Scratch, foreigners: Foreigners
) -> None:
    scratch.create([checked("1"), checked("2")], script={"pace": 0.3}, more=SERVICE)
    before = foreigners.seen()

    scratch.loops("up")
    running = scratch.wait_running("builder", "adversary", "ticker")
    table = scratch.loops("status").out
    for name in running:
        row = next(line for line in table.splitlines() if line.startswith(name))
        assert " RUNNING " in row, table
    assert set(scratch.loops("up").out.split()) == {"already", "running"}
    _attach(scratch, "adversary")

    scratch.wait_event(SequenceCompleted, "all phases done")
    scratch.wait_event(SessionEnded, "the report's end", lambda e: e.agent == "report" and e.code == 0)
    scratch.loops("status")
    assert [event.phase for event in scratch.events(PhaseDone)] == ["1", "2"]

    scratch.loops("down")
    scratch.wait_for(lambda: not scratch.pids(), "no process left after down", LINGER)
    assert scratch.tmux_server == 0
    assert "stopped" in scratch.loops("status").out
    assert foreigners.seen() == before

    shutil.rmtree(scratch.root / "remote.git")
    shutil.rmtree(scratch.log_dir)
    assert foreigners.seen() == before


SERVICE = """
[[service]]
name = "ticker"
command = ["sh", "-c", "while :; do echo tick; sleep 0.2; done"]
watch = "heal"
"""


def _attach(scratch: Scratch, name: str) -> None:
    """Attach as a person would, with plain tmux on the project's socket; see the agent, and leave it."""
    view = f"={scratch.prefix}{name}"
    socket = scratch.runtime.tmux_socket

    def has_view() -> bool:
        words = ["tmux", "-S", socket, "has-session", "-t", view]
        return subprocess.run(words, capture_output=True, env=scratch.environment, check=False).returncode == 0

    scratch.wait_for(has_view, f"a tmux view {view}")
    person = pexpect.spawn(
        "tmux",
        ["-S", socket, "attach", "-t", view],
        env=scratch.environment,
        dimensions=(24, 80),
        timeout=PATIENCE,
        encoding="utf-8",
    )
    try:
        person.expect(f"demo agent . {name}")
        person.send("\x02d")  # the usual key to detach
        person.expect("detached")
        person.expect(pexpect.EOF)
    finally:
        person.close(force=True)
    assert scratch.agent(name)["state"] in ("RUNNING", "ENDING", "STARTING"), "detaching ended the agent"
