"""A project of scripted agents in a machine, with the engine installed there as a package would be.

Each version of the engine has a directory of its own, as in a Nix store or after a blue-green upgrade:
``/opt/loops/versions/NAME/bin/loops``.  Status and commands are asked in the machine; the journal, the agents' own records
and the logs are read from its disk.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from container import GLANCE, PATIENCE, Container, MachineError
from disk import Disk
from loops.journal import verify
from loops.places import State
from loops.projects.report.gather import facts
from loops.supervisor.events import Event
from loops.supervisor.ledger import history

T = TypeVar("T")
AnEvent = TypeVar("AnEvent", bound=Event)

CHECKOUT = Path(__file__).resolve().parents[2]
USER = "worker"
ROOT = f"/home/{USER}/demo"
SUPERVISOR, HOLDER = "loops-demo.service", "loops-demo-holder.service"
PYTHON = "python3.13"
"""Debian trixie's."""
COUNTER = "n=0; while :; do n=$((n+1)); echo tick $n.; sleep 0.05; done"
"""A witness: who killed it finds it beginning anew, who doubled it finds a number twice, who lost a byte a hole."""
TICK = re.compile(rb"tick (\d+)\.")
_SCRATCH = "/opt/scratch"


def command_of(version: str) -> str:
    """The ``loops`` of a version, in the machine."""
    return f"/opt/loops/versions/{version}/bin/loops"


def furnish(disk: Disk, versions: Sequence[str]) -> None:
    """Put onto a Debian disk: the user, the engine as each of *versions*, and what makes scratch projects."""
    scratch = disk.top / _SCRATCH.lstrip("/")
    scratch.mkdir(parents=True)
    shutil.copy(CHECKOUT / "acceptance" / "scratch.py", scratch)
    for version in versions:
        _install(disk.top, version)
    disk.run(f"useradd --create-home --shell /bin/bash {USER}; {PYTHON} -m compileall -q /opt")


def _install(tree: Path, version: str) -> None:
    """As pip installs a wheel into an environment of its own that sees the system's packages."""
    place = f"/opt/loops/versions/{version}"
    top = tree / place.lstrip("/")
    package = top / "lib" / PYTHON / "site-packages" / "loops"
    shutil.copytree(CHECKOUT / "engine" / "loops", package, ignore=shutil.ignore_patterns("__pycache__"))
    for data in ("schemas", "prompts"):
        shutil.copytree(CHECKOUT / data, package / "_data" / data)
    module = package / "__init__.py"
    module.write_text(re.sub(r'(__version__ = "[^"]+)"', rf'\1+{version}"', module.read_text()))
    (top / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n")
    (top / "bin").mkdir()
    (top / "bin" / "python3").symlink_to(f"/usr/bin/{PYTHON}")
    loops = top / "bin" / "loops"
    loops.write_text(f"#!{place}/bin/python3\nimport sys\nfrom loops.__main__ import main\nsys.exit(main())\n")
    loops.chmod(0o755)


class Deployed:
    """One project in a machine, run by the version of the engine that `version` names."""

    def __init__(self, machine: Container, version: str = "A") -> None:
        """*machine* is up, and was furnished; `create` writes the project."""
        self.machine = machine
        self.version = version
        self._events: list[Event] = []
        self._sequence = 0

    # ---- making it -------------------------------------------------------------------------------------------------

    def create(self, how: str) -> Deployed:
        """Write the project, by Python that uses *scratch*, a `Scratch` in the project's directory."""
        preamble = (
            "from pathlib import Path\nfrom scratch import Scratch, checked, persistent, service\n"
            f"COUNTER = {COUNTER!r}\nscratch = Scratch(Path({ROOT!r}))\n"
        )
        (self.machine.path(_SCRATCH) / "make.py").write_text(preamble + how)
        python = command_of(self.version).removesuffix("loops") + "python3"
        self.machine.succeed(f"{python} {_SCRATCH}/make.py && rm -r {ROOT}/home /tmp/lg-*", user=USER)
        return self

    @property
    def disk(self) -> Path:
        """The project's directory, seen from the host."""
        return self.machine.path(ROOT)

    # ---- the command line ------------------------------------------------------------------------------------------

    def loops(self, words: str, *, user: str = USER, code: int = 0, timeout: float = PATIENCE) -> str:
        """Run ``loops WORDS`` in the project as an operator does; it must end with *code*; return what it printed."""
        ran = self.machine.run(f"cd {ROOT} && {command_of(self.version)} {words}", user=user, timeout=timeout)
        if ran.code != code:
            raise MachineError(f"`loops {words}` ended with {ran.code}, not {code}:\n{ran.out}\n{self.story()}")
        return ran.out

    def install(self, version: str = "", options: str = "") -> None:
        """Write, enable and start the project's units, by *version* of the engine (default: the one that was used)."""
        self.version = version or self.version
        self.loops(f"service install --name demo {options}", user="root")
        self.machine.wait_for_unit(SUPERVISOR)
        self.machine.wait_for_unit(HOLDER)

    def pid(self, unit: str) -> int:
        """The main process of *unit*; 0: none."""
        return int(self.machine.show(unit, "MainPID"))

    def kill(self, *units: str, signal: str = "KILL") -> None:
        """Send *signal* to the main processes of *units*, all at once, and to nothing else."""
        self.machine.succeed(f"kill -{signal} {' '.join(str(self.pid(unit)) for unit in units)}")

    def wait_another(self, unit: str, before: int) -> int:
        """Wait until *unit* is active with another main process than *before*; return that."""

        def found() -> int:
            told = self.machine.succeed(f"systemctl show --property=ActiveState,MainPID {unit}")
            facts = dict(line.split("=", 1) for line in told.splitlines())
            pid = int(facts["MainPID"])
            return pid if facts["ActiveState"] == "active" and pid not in (0, before) else 0

        return self.wait_for(found, f"another process for {unit}")

    def alive(self, *pids: int) -> list[int]:
        """Those of *pids* that live in the machine (a zombie does not)."""
        return [pid for pid in pids if self.machine.run(f"grep -q '^State:.[^ZX]' /proc/{pid}/status").code == 0]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the status by name; none when nobody answers."""
        ran = self.machine.run(f"cd {ROOT} && {command_of(self.version)} status --json", user=USER)
        try:
            return {row["name"]: row for row in json.loads(ran.out)["agents"]}
        except (ValueError, KeyError):
            return {}

    def wait_running(self, *names: str) -> dict[str, int]:
        """Wait until these agents run; return their pids in the machine."""

        def found() -> dict[str, int]:
            rows = self.rows
            pids = {name: int(rows[name]["pid"]) for name in names if rows.get(name, {}).get("state") == "RUNNING"}
            return pids if len(pids) == len(names) else {}

        return self.wait_for(found, f"{', '.join(names)} RUNNING")

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Return the first true result of *condition*; fail, saying what was seen, after *seconds*."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise MachineError(f"not within {seconds:.0f} s: {what}\n{self.story()}")
            time.sleep(GLANCE)
        return found

    # ---- what is on its disk ---------------------------------------------------------------------------------------

    @property
    def places(self) -> State:
        return State(str(self.disk / ".loops"))

    def events(self, kind: type[AnEvent]) -> list[AnEvent]:
        """All events of one kind so far."""
        for record, event in history(self.places.journal, self._sequence):
            self._sequence = record.sequence
            self._events.append(event)
        return [event for event in self._events if isinstance(event, kind)]

    def wait_event(
        self,
        kind: type[AnEvent],
        what: str,
        where: Callable[[AnEvent], bool] = lambda _: True,
        seconds: float = PATIENCE,
    ) -> AnEvent:
        """Wait until the journal holds an event of *kind* for which *where* is true; return the first."""
        found = self.wait_for(lambda: [event for event in self.events(kind) if where(event)], what, seconds)
        return found[0]

    def received(self, agent: str) -> list[dict[str, Any]]:
        """The agent's own record of what reached it."""
        path = Path(self.places.received) / f"{agent}.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # the last may be half written
        return [json.loads(line) for line in lines]

    def ticks(self, name: str) -> list[int]:
        """What the counter *name* has counted."""
        log = Path(self.places.session_log(name))
        return [int(number) for number in TICK.findall(log.read_bytes())] if log.exists() else []

    def wait_ticks(self, name: str, more: int = 5) -> None:
        """Wait until the counter has gone on by *more*."""
        before = len(self.ticks(name))
        self.wait_for(lambda: len(self.ticks(name)) >= before + more, f"{name} counting on from {before}")

    def assert_one_unbroken_life(self, *names: str) -> None:
        """Each of the counters *names* goes on, and has counted without a gap and without a repetition."""
        for name in names:
            self.wait_ticks(name)
            found = self.ticks(name)
            assert found == list(range(1, len(found) + 1)), f"{name} lost, doubled or repeated output: {found}"

    def complaints(self) -> list[str]:
        """What is wrong with the project's history: a broken journal, or anything lost, doubled or without a reason."""
        verdict = verify(self.places.journal)
        problems = [] if verdict.sound else [str(verdict)]
        problems += facts(history(self.places.journal), time.time()).problems
        for path in Path(self.places.received).glob("*.jsonl"):
            ids = [message["id"] for message in self.received(path.stem) if message["id"]]
            problems += [f"{path.stem} received {id} twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
        return problems

    def story(self) -> str:
        """All that helps to understand a failure."""
        parts = [
            "--- status",
            *(f"{name}: {row['state']} {row['pid']} {row['doing']}" for name, row in self.rows.items()),
        ]
        try:
            parts += ["--- journal (newest)", *(repr(event)[:300] for event in self.events(Event)[-25:])]
        except Exception as error:
            parts.append(f"--- journal: {error}")
        for path in sorted(self.disk.glob(".loops/*.log")):
            parts += [f"--- {path.name}", path.read_bytes()[-1500:].decode("utf-8", "replace")]
        return "\n".join(parts)
