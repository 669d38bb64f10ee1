"""A scratch project for the gates: a real remote, real clones, scripted agents, real processes; all of it ends with the test.

A scratch project has its own HOME, its own runtime directory, its own session prefix; its processes are known by the
directories in their environment and are ended by pid.  `Scratch.teardown` proves that nothing of it is left.
"""

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import loops
from loops.agents.demo_agent.sample import CHECK
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.supervisor.control import ask
from loops.supervisor.events import Event
from loops.supervisor.ledger import history

PATIENCE = 180.0
"""Seconds after which something that should happen did not: far beyond what it takes on a busy machine."""
LINGER = 20.0
"""Seconds that what was ended may take to go on a busy machine; what runs on by mistake would run longer."""
GLANCE = 0.02
"""Seconds between two looks at something that gives no event."""
SOURCE_ROOT = str(Path(loops.__file__).resolve().parents[1])

T = TypeVar("T")
AnEvent = TypeVar("AnEvent", bound=Event)

HEAD = """\
[defaults]
session_prefix = "{prefix}"
log_dir = "{log_dir}"
backend = "demo"
model = "demo-small"
watch = "heal+stall"

[watchdog]
signal_interval = {interval}
heavy_interval = {interval}
limit_reset_slack = 0.2
limit_probe_fallback = 1
stop_grace = 1
hang_after = {hang_after}
restart_backoff = {{ first = 0.05, factor = 2, max = 0.4, jitter = 0.2, healthy_after = 60, park_after = {park_after} }}

[backend.demo]
flags = ["--script", {script}]
"""

CLONES = ("builder", "adversary")

LOOP = """
[[agent]]
name = "builder"
kind = "loop"
role = "{builder}"
dir = "work/builder"

[[agent]]
name = "adversary"
kind = "loop"
role = "{adversary}"
dir = "work/adversary"

[[agent]]
name = "report"
kind = "task"
prompt_file = "report.md"
dir = "."

[loop]
roles_dir = "prompts"
kickoff_template = "prompts/kickoff.md"
handoff = {{ repo = "work/builder", branch = "main" }}
on_complete = {{ run = "report" }}
"""

KICKOFF = "Phase {phase_id}: you are the {role}. The plan is {plan}, its state is {status}.\n"


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase of a scratch project.  ``lines``: more of its table, as TOML."""

    id: str
    plan: str
    items: tuple[str, ...] = ("M1",)
    checks: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    lines: str = ""

    def toml(self) -> str:
        models = ", ".join(f"{name} = {json.dumps(model)}" for name, model in self.models.items())
        return (
            f"\n[[loop.phases]]\nid = {json.dumps(self.id)}\nplan = {json.dumps(f'plans/{self.plan}')}\n"
            f"items = {json.dumps(list(self.items))}\nchecks = {json.dumps(list(self.checks))}\n"
            f"models = {{ {models} }}\n{self.lines}"
        )


def checked(id: str) -> PlannedPhase:
    """The phase that the scripted agents can work on: the engine runs the project's own check."""
    return PlannedPhase(id, f"plan-phase{id}-median.md", checks=(f"./check.sh {id}",))


def service(name: str, script: str, *, watch: str = "heal") -> str:
    """A service that runs a shell *script*, as TOML."""
    return f'\n[[service]]\nname = "{name}"\ncommand = ["sh", "-c", {json.dumps(script)}]\nwatch = "{watch}"\n'


def persistent(scratch: Scratch, name: str) -> str:
    """A persistent agent with a prompt, whose role is its name, as TOML."""
    (scratch.root / f"{name}.md").write_text(f"You are {name}.\n")
    head = f'\n[[agent]]\nname = "{name}"\nrole = "{name}"\nprompt_file = "{name}.md"\n'
    return head + 'kind = "persistent"\nresume = true\ndir = "."\n'


@dataclass(frozen=True, slots=True)
class Message:
    """What an agent itself noted down that it received."""

    kind: str
    id: str
    text: str
    incarnation: int


class Told(Protocol):
    """The two witnesses of what a project's agents were told."""

    def journal(self) -> list[Event]:
        """All events so far."""
        ...

    def received(self, agent: str) -> list[Message]:
        """The agent's own record of what reached it."""
        ...


def json_lines(path: Path) -> list[Any]:
    """What stands in a file to which others append while it is read: a line without its end is not there yet."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def contents(*roots: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below *roots*, where others work meanwhile: what goes away under our eyes is not there."""
    for root in roots:
        for directory, _, names in os.walk(root):
            for path in (Path(directory, name) for name in names):
                with suppress(OSError):
                    if path.is_file() and not path.is_symlink():
                        yield path, path.read_bytes()


def read_received(log_dir: Path, agent: str) -> list[Message]:
    """What a scripted agent itself noted down."""
    found = json_lines(Path(StatePlaces(str(log_dir)).received) / f"{agent}.jsonl")
    return [Message(m["kind"], m["id"], m["text"], int(m["incarnation"])) for m in found]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Scratch:
    """One scratch project."""

    def __init__(self, root: Path) -> None:
        """Prepare an empty project below *root*; `write` makes it a real one."""
        self.root = root
        self.prefix = f"gate-{uuid.uuid4().hex[:8]}-"
        # Sockets have 107 bytes: their directory must not depend on how deep TMPDIR is.
        self.runtime_root = tempfile.mkdtemp(prefix="lg-", dir="/tmp")
        self.log_dir = root / ".loops"
        self.config_path = root / "agents.toml"
        self.home = root / "home"
        self.home.mkdir(parents=True)
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
        self.environment = {
            **kept,
            "TERM": "xterm-256color",
            "HOME": str(self.home),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": SOURCE_ROOT,
        }
        self.runtime = self._runtime()
        self.said: list[str] = []
        """The transcript: each command with what it answered."""
        self._events: list[Event] = []
        self._sequence = 0
        self._journal_size = 0

    def _runtime(self) -> Runtime:
        before = os.environ.get("LOOPS_RUNTIME_DIR")
        os.environ["LOOPS_RUNTIME_DIR"] = self.runtime_root
        try:
            return Runtime(str(self.config_path.resolve()))
        finally:
            if before is None:
                del os.environ["LOOPS_RUNTIME_DIR"]
            else:
                os.environ["LOOPS_RUNTIME_DIR"] = before

    # ---- making it -------------------------------------------------------------------------------------------------

    def create(
        self,
        phases: Sequence[PlannedPhase] = (),
        *,
        script: Mapping[str, Any] | None = None,
        working: bool = True,
        more: str = "",
        interval: float = 5.0,
        park_after: int = 10,
        hang_after: float = 600.0,
    ) -> Scratch:
        """Write the project.

        *phases* empty: no loop at all.  *script*: of the demo agents.  *working* False: the loop's agents only note
        what reaches them, and the test pushes in their stead.  *more*: further TOML.
        """
        script_path = self.root / "script.json"
        script_path.write_text(json.dumps({"pace": 0, "wait": 600, **(script or {})}))
        text = HEAD.format(
            prefix=self.prefix,
            log_dir=self.log_dir,
            interval=interval,
            park_after=park_after,
            hang_after=hang_after,
            script=json.dumps(str(script_path)),
        )
        if phases:
            self._repository(phases)
            (self.root / "report.md").write_text("Write a short report.\n")
            roles = ("builder", "adversary") if working else ("scribe", "scribe")
            text += LOOP.format(builder=roles[0], adversary=roles[1])
            text += "".join(phase.toml() for phase in phases)
            prompts = self.root / "prompts"
            prompts.mkdir()
            (prompts / "kickoff.md").write_text(KICKOFF)
        self.config_path.write_text(text + more)
        return self

    def _repository(self, phases: Sequence[PlannedPhase]) -> None:
        remote, seed = self.root / "remote.git", self.root / "seed"
        self.git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
        self._clone(seed, "operator")
        (seed / "check.sh").write_text(CHECK)
        (seed / "check.sh").chmod(0o755)
        for folder in ("plans", "machine-docs"):
            (seed / folder).mkdir()
        for phase in phases:
            (seed / "plans" / phase.plan).write_text(f"# Phase {phase.id}\n\nWrite src/{phase.id}.py.\n")
        (seed / "machine-docs" / "DECISIONS.md").write_text("# Decisions\n")
        self.push(seed, "chore: begin")
        for name in CLONES:
            self.make_clone(name)

    def make_clone(self, name: str) -> None:
        """Clone the remote for an agent."""
        self._clone(self.clone(name), name)

    def _clone(self, directory: Path, who: str) -> None:
        self.git(self.root, "clone", "--quiet", str(self.root / "remote.git"), str(directory))
        self.git(directory, "symbolic-ref", "HEAD", "refs/heads/main")
        self.git(directory, "config", "user.name", who)
        self.git(directory, "config", "user.email", f"{who}@example.invalid")
        self.git(directory, "config", "branch.main.remote", "origin")
        self.git(directory, "config", "branch.main.merge", "refs/heads/main")

    def clone(self, name: str) -> Path:
        """The clone of an agent."""
        return self.root / "work" / name

    def git(self, directory: Path, *words: str, **environment: str) -> str:
        """Run git in *directory*; return what it said."""
        done = subprocess.run(
            ["git", "-C", str(directory), *words],
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
            check=False,
        )
        assert done.returncode == 0, f"git {' '.join(words)} in {directory}: {done.stderr}"
        return done.stdout.strip()

    def push(self, clone: Path, subject: str, **environment: str) -> str:
        """Commit everything in *clone* on top of what others pushed, and push it; return the commit."""
        self.git(clone, "add", "--all")
        self.git(clone, "commit", "--quiet", "--allow-empty", "--message", subject, **environment)
        with suppress(AssertionError):  # an empty remote has nothing to pull
            self.git(clone, "pull", "--quiet", "--rebase")
        self.git(clone, "push", "--quiet", "origin", "HEAD:main")
        return self.git(clone, "rev-parse", "HEAD")

    # ---- the command line ------------------------------------------------------------------------------------------

    @property
    def python(self) -> list[str]:
        """The interpreter of the tests."""
        return [sys.executable]

    def command(self, *words: str) -> list[str]:
        """The argv of ``loops WORDS`` for this project."""
        return [*self.python, "-m", "loops", *words, "--config", str(self.config_path)]

    def loops(self, *words: str, code: int = 0, timeout: float = PATIENCE, **environment: str) -> Outcome:
        """Run ``loops WORDS``; it must end with *code*."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env={**self.environment, **environment},
            cwd=self.root,
            timeout=timeout,
            check=False,
        )
        self.said.append(f"$ loops {' '.join(words)}\n{done.stdout}{done.stderr}[exit {done.returncode}]\n")
        assert done.returncode == code, f"`loops {' '.join(words)}`: not {code}\n{self.said[-1]}{self.story()}"
        return Outcome(done.returncode, done.stdout, done.stderr)

    # ---- looking at it ---------------------------------------------------------------------------------------------

    def status(self, timeout: float = 30.0) -> dict[str, Any] | None:
        """The supervisor's own status; None when none answers."""
        try:
            return ask(self.runtime.control_socket, {"verb": "status"}, timeout=timeout)
        except (TimeoutError, OSError, ValueError):
            return None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the status; none when nobody answers."""
        status = self.status()
        return list(status["agents"]) if status is not None else []

    @property
    def notes(self) -> list[str]:
        """The notes below the status."""
        status = self.status()
        return list(status["notes"]) if status is not None else []

    def agent(self, name: str) -> dict[str, Any]:
        """The row of one agent; empty when nobody answers."""
        return next((row for row in self.rows if row["name"] == name), {})

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Return the first true result of *condition*; fail, saying what was seen, after *seconds*."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.story()}")
            time.sleep(GLANCE)

    def wait_running(self, *names: str, seconds: float = PATIENCE) -> dict[str, int]:
        """Wait until these agents run; return their pids."""
        return self.wait_for(lambda: self._running(names), f"{', '.join(names)} RUNNING", seconds)

    def _running(self, names: Iterable[str]) -> dict[str, int]:
        rows = {row["name"]: row for row in self.rows}
        found = {name: int(rows[name]["pid"]) for name in names if rows.get(name, {}).get("state") == "RUNNING"}
        return found if len(found) == len(tuple(names)) else {}

    def wait_event(
        self,
        kind: type[AnEvent],
        what: str,
        where: Callable[[AnEvent], bool] = lambda _: True,
        seconds: float = PATIENCE,
    ) -> AnEvent:
        """Wait until the journal holds an event of *kind* for which *where* is true; return the first."""

        def found() -> AnEvent | None:
            return next((event for event in self.events(kind) if where(event)), None)

        event = self.wait_for(found, what, seconds)
        assert event is not None
        return event

    @property
    def journal_directory(self) -> str:
        return StatePlaces(str(self.log_dir)).journal

    def journal(self) -> list[Event]:
        """All events so far; only what is new is read."""
        directory = Path(self.journal_directory)
        size = sum(path.stat().st_size for path in directory.glob("*.jsonl"))
        if size < self._journal_size:
            self.forget_journal()
        if size != self._journal_size:
            for record, event in history(str(directory), self._sequence):
                self._sequence = record.sequence
                self._events.append(event)
            self._journal_size = size
        return list(self._events)

    def forget_journal(self) -> None:
        """Read the journal anew the next time: the test has changed it."""
        self._events, self._sequence, self._journal_size = [], 0, 0

    def events(self, kind: type[AnEvent]) -> list[AnEvent]:
        """All events of one kind so far."""
        return [event for event in self.journal() if isinstance(event, kind)]

    def received(self, agent: str) -> list[Message]:
        """The agent's own record of what reached it."""
        return read_received(self.log_dir, agent)

    def log(self, name: str) -> bytes:
        """What a session's log holds."""
        path = Path(StatePlaces(str(self.log_dir)).session_log(name))
        return path.read_bytes() if path.exists() else b""

    @property
    def complaints(self) -> str:
        """What the supervisor and the holder told the operator."""
        return self.log("holder").decode("utf-8", "replace")

    # ---- its processes ---------------------------------------------------------------------------------------------

    @property
    def supervisor(self) -> int:
        """The pid of the supervisor that answers; 0: none."""
        status = self.status()
        return int(status["pid"]) if status is not None else 0

    @property
    def holder(self) -> int:
        """The pid of the holder, from its lock file."""
        text = Path(self.runtime.root, "holder.lock").read_text().strip()
        return int(text) if text and Path(f"/proc/{text}").exists() else 0

    @property
    def tmux_server(self) -> int:
        """The pid of the project's tmux server; 0: none."""
        done = subprocess.run(
            ["tmux", "-S", self.runtime.tmux_socket, "display-message", "-p", "#{pid}"],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
            timeout=PATIENCE,
        )
        return int(done.stdout.strip() or 0) if done.returncode == 0 else 0

    def pids(self) -> dict[int, str]:
        """Every living process of this project with its command line: known by our directories."""
        wanted = (self.runtime_root.encode(), str(self.root).encode())
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            if pid == os.getpid():
                continue
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if not line:  # a zombie, or a kernel thread
                    continue
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if any(mark in line or mark in environment for mark in wanted):
                    found[pid] = line.replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return found

    # ---- the end ---------------------------------------------------------------------------------------------------

    def story(self) -> str:
        """All that helps to understand a failure."""
        status = self.status(timeout=2.0)
        rows = status["agents"] if status is not None else []
        parts = ["--- status", *(f"{r['name']}: {r['state']} pid={r['pid']} {r['doing']}" for r in rows)]
        parts += [f"{status['phase']} {status['notes']}" if status is not None else "no supervisor answers"]
        with suppress(Exception):  # a journal that is broken on purpose
            parts += ["--- journal (newest)", *(repr(event)[:400] for event in self.journal()[-25:])]
        parts += ["--- holder.log (newest)", *self.complaints.splitlines()[-25:]]
        parts += ["--- commands", *self.said[-6:]]
        return "\n".join(parts)

    def teardown(self) -> None:
        """End the project; fail when ending took force, or something is left."""
        forced: dict[int, str] = {}
        try:
            self._down()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            forced = self.pids()
            self._kill()
            raise AssertionError(f"`loops down` did not end the project: {error}\nkilled: {forced}") from None
        finally:
            left = self._settled()
            self._kill()
            shutil.rmtree(self.runtime_root, ignore_errors=True)
        assert not left, f"these outlived `loops down`: {left}\n{self.story()}"
        assert sorted(os.listdir(self.home)) == [], f"files in HOME: {os.listdir(self.home)}"

    def _down(self) -> None:
        if not self.pids():
            return
        for pid in self.pids():  # a test that failed may have left something stopped
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.loops("down")

    def _settled(self) -> dict[int, str]:
        """What is left when ended processes had their time to go."""
        deadline = time.monotonic() + LINGER
        while (left := self.pids()) and time.monotonic() < deadline:
            time.sleep(GLANCE)
        return left

    def _kill(self) -> None:
        """End by pid whatever is left, holder and supervisor first, so that nothing is started again."""
        for _ in range(50):
            left = self.pids()
            if not left:
                return
            for pid in sorted(left, key=lambda pid: "loops" not in left[pid]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(GLANCE)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def start_time(pid: int) -> int:
    """The process's start in clock ticks: with the pid, its identity."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def polled(condition: Callable[[], T], seconds: float = PATIENCE) -> Iterator[T]:
    """Yield each result of *condition* until the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield condition()
        time.sleep(GLANCE)
