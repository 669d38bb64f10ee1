"""A project of ours in an arena: written, brought up, asked, and all of its processes found, until it is ended."""

from __future__ import annotations

import compileall
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from loops.errors import LoopsError
from loops.places import Runtime
from loops.sessions.launch import holder_pid
from loops.supervisor.control import ask

from bench.arena import HERE, Arena, arena

HEAD = """[defaults]
session_prefix = "bench-"
log_dir = "log"
[watchdog]
stop_grace = 1
restart_backoff = { first = 0, factor = 1, max = 0, jitter = 0, park_after = 1000000 }
"""
_SERVICE = """[[service]]
name = "{name}"
command = [{words}]
watch = "heal"
"""


def service(name: str, *words: str) -> str:
    """Return the section of one service that runs *words*."""
    return _SERVICE.format(name=name, words=", ".join(f"'''{word}'''" for word in words))


class Project:
    """Not up until `up`; whoever made it ends it with `down`."""

    def __init__(self, place: Arena, text: str) -> None:
        """*text* is agents.toml."""
        self.place = place
        self.config = place.write("agents.toml", text)
        directory = os.path.join(place.directory, "run")
        root = os.path.join(os.path.dirname(HERE), "engine")
        compileall.compile_dir(root, quiet=2)  # as an installation does; quick when it was done
        self.more = {"LOOPS_RUNTIME_DIR": directory, "PYTHONPATH": root, "HOME": place.directory}
        self.runtime = Runtime(self.config)
        self.runtime.root = os.path.join(directory, os.path.basename(self.runtime.root))

    # ---- commands -----------------------------------------------------------------------------------------------------

    def words(self, *verb: str) -> list[str]:
        """Return the command line of *verb*."""
        return [sys.executable, "-m", "loops", *verb, "--config", self.config]

    @property
    def environment(self) -> dict[str, str]:
        """What its commands run with."""
        return {**self.place.environment, **self.more}

    def begin(self) -> subprocess.Popen[bytes]:
        """Start `loops up`, and do not wait for it."""
        return self.place.spawn(*self.words("up"), **self.more)

    def up(self, names: Sequence[str], within: float = 60.0) -> None:
        """Bring it up and wait for the first instruction of each of *names*.  RuntimeError: some did not start."""
        self.begin()
        born = self.place.births(names, time.monotonic() + within)
        if len(born) < len(names):
            raise RuntimeError(f"only {len(born)} of {len(names)} sessions started: {self.place.last_words()}")

    def down(self) -> None:
        """End it in good order; what does not end so is killed, by pid."""
        views = self.views()
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(self.words("down"), env=self.environment, capture_output=True, timeout=120)
        for pid in views:
            with suppress(ProcessLookupError):
                if _name(pid).startswith(("tmux", "python")):
                    os.kill(pid, signal.SIGKILL)

    # ---- questions ----------------------------------------------------------------------------------------------------

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the supervisor; empty when there is none."""
        with suppress(OSError):
            return ask(self.runtime.control_socket, request) or {}
        return {}

    def supervisor(self) -> int:
        """Return the supervisor's pid; 0 when there is none."""
        return int(self.ask({"verb": "status"}).get("pid", 0))

    def holder(self) -> int:
        """Return the holder's pid; 0 when there is none."""
        with suppress(LoopsError):
            return holder_pid(self.runtime) or 0
        return 0

    def views(self) -> list[int]:
        """Return the tmux server and its relays.  They do not carry the arena's mark: their environment is made anew."""
        listing = self.tmux("list-sessions", "-F", "#{pid}").split()
        return process_tree(int(listing[0])) if listing else []

    def tmux(self, *words: str) -> str:
        """Ask the project's own tmux server; empty when there is none."""
        try:
            done = subprocess.run(
                ["tmux", "-S", self.runtime.tmux_socket, *words], capture_output=True, text=True, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout

    def supervisors(self) -> list[int]:
        """Return everything but the sessions' own processes: holder, supervisor, tmux server, relays."""
        children = set(self.place.alive.values())
        marked = [pid for pid in self.place.processes() if pid not in children]
        return sorted({*marked, *self.views()})

    def log(self, name: str) -> bytes:
        """Return the log of a session, its rotated predecessors first."""
        path = os.path.join(self.place.directory, "log", f"{name}.log")
        older = [f"{path}.{number}" for number in range(9, 0, -1)]
        found = b""
        for each in (*older, path):
            with suppress(FileNotFoundError), open(each, "rb") as file:
                found += file.read()
        return found


@contextmanager
def project(place: Arena, text: str) -> Iterator[Project]:
    """Give a project in *place*, and end it."""
    found = Project(place, text)
    try:
        yield found
    finally:
        found.down()


@contextmanager
def printing(names: Sequence[str], hertz: str = "") -> Iterator[Project]:
    """Give a project, not yet up, whose sessions print *hertz* lines a second each (none when it is empty)."""
    with arena() as place:
        more = [hertz] if hertz else []
        services = (service(name, place.child, name, *more) for name in names)
        with project(place, HEAD + "".join(services)) as found:
            yield found


def process_tree(root: int) -> list[int]:
    """*root* and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, IndexError), open(f"/proc/{entry}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def _name(pid: int) -> str:
    with suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()
    return ""
