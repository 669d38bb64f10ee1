"""A scratch fleet: many small projects with real processes, driven through the real command, gone without a trace afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from loops.places import Runtime
from loops.projects.fleet.asking import ask_all
from loops.supervisor.membership import CrewPlace
from scratch import GLANCE, LINGER, SOURCE_ROOT, Outcome, start_time

PATIENCE = 240.0
"""Seconds after which something that should happen did not: fifty projects on a busy machine."""
HEAD = """\
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"

[watchdog]
stop_grace = 1
signal_interval = 5
restart_backoff = {{ first = 0.05, factor = 2, max = 0.4, jitter = 0.2, healthy_after = 60, park_after = 100 }}
"""
SERVICE = '\n[[service]]\nname = "{name}"\ncommand = ["sleep", "6000"]\nwatch = "heal"\n'
ENTRY = '\n[[project]]\nname = "{name}"\nlocation = "{name}"\nharness = "loops"\nref = ""\nenabled = {enabled}\nsecrets = ""\n'
T = TypeVar("T")
Alive = Mapping[str, Mapping[str, tuple[int, int]]]
"""Of each project and each of its agents: pid and start time."""


class FleetScratch:
    """A fleet below *root*, in directories of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mark = uuid.uuid4().hex[:8]
        self.runtime_root = tempfile.mkdtemp(prefix="lf-", dir="/tmp")  # sockets have 107 bytes
        self.home = root / "home"
        self.home.mkdir(parents=True)
        self.file = root / "fleet.toml"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR")},
            "TERM": "dumb",
            "HOME": str(self.home),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": SOURCE_ROOT,
        }
        self.entries: dict[str, bool] = {}

    # ---- making it -------------------------------------------------------------------------------------------------

    def project(self, name: str, agents: int = 2, more: str = "") -> Path:
        """Write a project of *agents* services, not yet in the fleet; return its agents.toml."""
        path = self.config(name)
        path.parent.mkdir(exist_ok=True)
        services = "".join(SERVICE.format(name=f"s{number}") for number in range(agents))
        self.replace(path, HEAD.format(prefix=f"{self.mark}-{name}-") + services + more)
        return path

    def config(self, name: str) -> Path:
        return self.root / name / "agents.toml"

    def list(self, **entries: bool) -> None:
        """Add projects to fleet.toml, or say whether they are enabled."""
        self.entries.update({name.replace("_", "-"): enabled for name, enabled in entries.items()})
        self._write()

    def unlist(self, name: str) -> None:
        del self.entries[name]
        self._write()

    def _write(self) -> None:
        entries = (ENTRY.format(name=name, enabled=str(on).lower()) for name, on in self.entries.items())
        self.replace(self.file, "[fleet]\nversion = 1\n" + "".join(entries))

    @staticmethod
    def replace(path: Path, text: str) -> None:
        part = path.with_suffix(".part")
        part.write_text(text)
        part.replace(path)

    # ---- the command line ------------------------------------------------------------------------------------------

    def loops(self, *words: str, code: int = 0, cwd: Path | None = None, timeout: float = PATIENCE) -> Outcome:
        """Run ``loops WORDS`` in the fleet's directory; it must end with *code*."""
        done = subprocess.run(
            [sys.executable, "-m", "loops", *words],
            env=self.environment,
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, (
            f"loops {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log}"
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def status(self) -> dict[str, dict[str, Any]]:
        """The lines of ``loops fleet status``, by project."""
        facts = json.loads(self.loops("fleet", "status", "--json").out)
        return {line["name"]: line for line in facts["projects"]}

    # ---- looking at it ---------------------------------------------------------------------------------------------

    @contextmanager
    def places(self) -> Any:
        """Where `loops.places` looks inside."""
        before = os.environ.get("LOOPS_RUNTIME_DIR")
        os.environ["LOOPS_RUNTIME_DIR"] = self.runtime_root
        try:
            yield
        finally:
            os.environ.pop("LOOPS_RUNTIME_DIR")
            if before is not None:
                os.environ["LOOPS_RUNTIME_DIR"] = before

    def runtime(self, name: str) -> Runtime:
        with self.places():
            return Runtime(str(self.config(name).resolve()))

    @property
    def place(self) -> CrewPlace:
        with self.places():
            return CrewPlace(str(self.file))

    @property
    def crew(self) -> int:
        """The pid of the shared supervisor that answers; 0: none."""
        told = ask_all([self.place.control_socket], {"verb": "status"}, 30.0)[self.place.control_socket]
        return int(told["pid"]) if isinstance(told, dict) else 0

    def alive(self, *names: str) -> Alive:
        """The running agents of these projects (default: all), as their supervisors have them."""
        sockets = {name: self.runtime(name).control_socket for name in names or self.entries}
        told = ask_all(sockets.values(), {"verb": "status"}, 30.0)
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for name, path in sockets.items():
            answer = told[path]
            if isinstance(answer, dict):
                rows = [row for row in answer["agents"] if row["state"] == "RUNNING" and row["name"] != "watchdog"]
                with suppress(OSError):
                    found[name] = {row["name"]: (row["pid"], start_time(row["pid"])) for row in rows}
        return found

    def wait_alive(self, agents: int = 2, *names: str) -> Alive:
        """Wait until each of these projects (default: all) has *agents* running."""
        wanted = names or tuple(self.entries)

        def found() -> Alive:
            alive = self.alive(*wanted)
            return alive if all(len(alive.get(name, {})) == agents for name in wanted) else {}

        return self.until(found, f"{agents} agents run in each of {len(wanted)} projects")

    def until(self, condition: Callable[[], T], what: str) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}\n{self.story()}"
            time.sleep(5 * GLANCE)
        return found

    def tmux_server(self, name: str) -> int:
        """The pid of the project's tmux server; 0: none."""
        done = subprocess.run(
            ["tmux", "-S", self.runtime(name).tmux_socket, "display-message", "-p", "#{pid}"],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
            timeout=PATIENCE,
        )
        return int(done.stdout.strip() or 0) if done.returncode == 0 else 0

    @property
    def log(self) -> str:
        """What the shared supervisor said."""
        with suppress(OSError):
            return Path(self.place.log).read_text(errors="replace")
        return ""

    def story(self) -> str:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            return "\n".join([self.loops("fleet", "status").out, *self.log.splitlines()[-40:]])
        return self.log

    def processes(self) -> dict[int, str]:
        """Every living process of this fleet with its command line: known by our directories."""
        wanted = (self.runtime_root.encode(), str(self.root).encode())
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                environment = Path(f"/proc/{pid}/environ").read_bytes() if line and pid != os.getpid() else b""
                if environment and any(mark in line or mark in environment for mark in wanted):
                    found[pid] = line.replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return found

    def count(self, words: str) -> int:
        """How many of them have *words* in their command line."""
        return sum(words in line for line in self.processes().values())

    # ---- the end ---------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """End everything; fail when something is left."""
        left: dict[int, str] = {}
        try:
            if self.processes():
                self.loops("fleet", "down")
            deadline = time.monotonic() + LINGER
            while (left := self.processes()) and time.monotonic() < deadline:
                time.sleep(GLANCE)
        finally:
            self._kill()
            shutil.rmtree(self.runtime_root, ignore_errors=True)
        assert not left, f"these outlived `loops fleet down`: {left}"

    def _kill(self) -> None:
        for _ in range(50):
            left = self.processes()
            for pid in sorted(left, key=lambda pid: "loops" not in left[pid]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                return
            time.sleep(GLANCE)
