"""Fifty projects with ten sessions each: their one table, and one supervisor for all of them beside one for each."""

from __future__ import annotations

import compileall
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loops.places import Runtime
from loops.projects.fleet.asking import ask_all

from bench.arena import HERE, Arena, arena
from bench.commands import PYTHON, Way, compare, in_a_pipe
from bench.measure import cost, median
from bench.table import Row, Table

PROJECTS, SESSIONS = 50, 10
SETTLED = 8.0
"""Seconds after which nothing is under way any more."""
WITHIN = 120.0
SEQUENTIAL = "loops status, 50 times"
SHARED, OWN = "one supervisor for all", "one supervisor each"
_HEAD = '[defaults]\nsession_prefix = "{name}-"\nlog_dir = "log"\n[watchdog]\nstop_grace = 1\n'
_SERVICE = "[[service]]\nname = \"s{number}\"\ncommand = ['sleep', '100000']\nwatch = \"heal\"\n"
_ENTRY = (
    '[[project]]\nname = "{name}"\nlocation = "{name}"\nharness = "loops"\nref = ""\nenabled = true\nsecrets = ""\n'
)
_ALL = "for each in */agents.toml; do {python} -m loops status --config $each; done"
_PARSED = """\
import glob, json, os
from loops import config
from loops.places import Runtime
from loops.supervisor.control import ask
for path in sorted(glob.glob("*/agents.toml")):
    known = config.load(os.path.realpath(path), env=os.environ)
    print(known.session_prefix, len(ask(Runtime(known.path).control_socket, {"verb": "status"})["agents"]))
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A fleet in an arena."""

    place: Arena
    environment: Mapping[str, str]
    names: tuple[str, ...]

    def loops(self, *words: str) -> float:
        """Run a command; return its seconds.  CalledProcessError: it failed."""
        begin = time.perf_counter()
        command = [sys.executable, "-m", "loops", *words]
        subprocess.run(command, cwd=self.place.directory, env=self.environment, check=True, capture_output=True)
        return time.perf_counter() - begin

    def status(self) -> dict[str, object]:
        """The facts of the table."""
        done = subprocess.run(
            [sys.executable, "-m", "loops", "fleet", "status", "--json"],
            cwd=self.place.directory,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        facts: dict[str, object] = json.loads(done.stdout)
        return facts

    def sockets(self) -> list[str]:
        """The control socket of each project."""
        root = self.environment["LOOPS_RUNTIME_DIR"]
        paths = (os.path.join(os.path.realpath(self.place.directory), name, "agents.toml") for name in self.names)
        return [os.path.join(root, os.path.basename(Runtime(path).root), "control.sock") for path in paths]

    def supervisors(self) -> dict[str, int]:
        """The supervisor of each project that has all of its sessions."""
        told = ask_all(self.sockets(), {"verb": "summary"}, 10.0)
        return {
            path: answer["pid"]
            for path, answer in told.items()
            if isinstance(answer, dict) and answer["running"] == SESSIONS
        }

    def await_all(self, before: frozenset[int] = frozenset()) -> float:
        """Wait until every project has another supervisor than one of *before*; return the seconds."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < WITHIN:
            found = self.supervisors()
            if len(found) == PROJECTS and before.isdisjoint(found.values()):
                return time.perf_counter() - begin
            time.sleep(0.01)
        raise RuntimeError(f"not all of {PROJECTS} projects are supervised: {self.place.last_words()}")


@contextmanager
def fleet() -> Iterator[Bench]:
    """Give a fleet that is not up, and end it."""
    with arena() as place:
        names = tuple(f"p{number:02d}" for number in range(PROJECTS))
        for name in names:
            services = "".join(_SERVICE.format(number=number) for number in range(SESSIONS))
            place.write(f"{name}/agents.toml", _HEAD.format(name=name) + services)
        place.write("fleet.toml", "[fleet]\nversion = 1\n" + "".join(_ENTRY.format(name=name) for name in names))
        root = os.path.join(os.path.dirname(HERE), "engine")
        compileall.compile_dir(root, quiet=2)
        run = os.path.join(place.directory, "run")
        found = Bench(place, {**place.environment, "LOOPS_RUNTIME_DIR": run, "PYTHONPATH": root}, names)
        try:
            yield found
        finally:
            subprocess.run(
                [sys.executable, "-m", "loops", "fleet", "down"],
                cwd=place.directory,
                env=found.environment,
                check=False,
                capture_output=True,
            )


def tables(quick: bool) -> list[Table]:
    """Measure, and return the two tables."""
    rounds = 7 if quick else 21
    with fleet() as bench:
        bench.loops("fleet", "up")
        bench.loops("fleet", "down")  # from now on every agents.toml is checked, as on every day but the first
        shared = _lives(bench, 3 if quick else 9)
        shown = _shown(bench, rounds)
        bench.loops("fleet", "down")
        own = _lives(bench, 1 if quick else 3, "--own")
    columns = ["up s", "supervisors MB", "processes", "idle CPU ms/s", "killed, all back ms"]
    lives = Table(f"fleet: {PROJECTS} projects, {PROJECTS * SESSIONS} sessions", columns, OWN, by=1, scenario="fleet")
    lives.rows = [Row(SHARED, shared), Row(OWN, own)]
    return [shown, lives]


def _shown(bench: Bench, rounds: int) -> Table:
    title = f"fleet status: the whole process; {PROJECTS} projects, {PROJECTS * SESSIONS} sessions"
    table = Table(title, ["ms", "p95", "bytes"], SEQUENTIAL, scenario="fleet status")
    loops = [sys.executable, "-m", "loops"]
    file = os.path.join(bench.place.directory, "fleet.toml")
    before = os.getcwd()
    os.chdir(bench.place.directory)
    try:
        ways: dict[str, tuple[Way, list[str]]] = {
            PYTHON: (in_a_pipe, [sys.executable, "-c", "pass"]),
            "loops fleet status": (in_a_pipe, [*loops, "fleet", "status", "--fleet", file]),
            "loops fleet status --json": (in_a_pipe, [*loops, "fleet", "status", "--json", "--fleet", file]),
            SEQUENTIAL: (in_a_pipe, ["sh", "-c", _ALL.format(python=sys.executable)]),
            "read and check every agents.toml": (in_a_pipe, [sys.executable, "-c", _PARSED]),
        }
        table.rows = compare(ways, bench.environment, rounds)
    finally:
        os.chdir(before)
    return table


def _lives(bench: Bench, kills: int, *words: str) -> tuple[float, ...]:
    """Bring it up; return how long that took, what the supervisors cost, and how soon they are back when killed."""
    up = bench.loops("fleet", "up", *words)
    bench.await_all()
    time.sleep(SETTLED)
    pids = frozenset(bench.supervisors().values())
    begin, before = time.perf_counter(), cost(pids)
    time.sleep(4.0)
    after, seconds = cost(pids), time.perf_counter() - begin
    back = []
    for _ in range(kills):
        pids = frozenset(bench.supervisors().values())
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        back.append(bench.await_all(pids) * 1e3)
        time.sleep(12.0)  # one that lived longer is started again at once
    return up, after.pss / 1e6, float(after.processes), (after.cpu - before.cpu) * 1e3 / seconds, median(back)
