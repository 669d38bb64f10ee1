"""``loops agent try BACKEND``: one small task in a scratch repository, by the real engine, with a verdict in the end.

Everything is as in a project of the user's: a holder, a supervisor, the runner, a private home with the user's login.
Only the project is made for this and removed afterwards.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any

from loops.agents.registry import STRUCTURED
from loops.config.backends import BUILT_IN
from loops.config.model import Backend, Mode
from loops.errors import SessionError, UsageError
from loops.known.all import KNOWN
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects import try_verdict
from loops.projects.try_verdict import Course, Event, Verdict
from loops.streams.recording import EVENTS
from loops.supervisor.control import ask

AGENT = "try"
FILE, CONTENT = "hello.txt", "hello from loops"
TASK = f"""\
Create the file {FILE} in the present directory with exactly this one line, and commit it with git, subject "Say hello":

{CONTENT}

Do nothing else. Answer with one short sentence when it is done.
"""
PATIENCE = 180.0
"""Seconds for the whole task, unless the user says otherwise."""
GLANCE = 0.1
VERSION_PATIENCE = 20.0

AGENTS_TOML = """\
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"
watch = "none"

{backend}
[[agent]]
name = "{agent}"
kind = "task"
dir = "repo"
prompt_file = "task.md"
permissions = "skip"
backend = {name}
model = {model}
mode = "{mode}"
"""


@dataclass(frozen=True, slots=True)
class _Scratch:
    """The throwaway project."""

    root: str
    environment: dict[str, str]

    @property
    def config_path(self) -> str:
        return os.path.join(self.root, "agents.toml")

    @property
    def repository(self) -> str:
        return os.path.join(self.root, "repo")

    @property
    def runs(self) -> str:
        """Where the recordings of the agent's runs are."""
        return os.path.join(StatePlaces(os.path.join(self.root, ".loops")).root, "runs", AGENT)


def run(
    backend: Backend,
    *,
    model: str = "",
    mode: Mode | None = None,
    patience: float = PATIENCE,
    tell: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Have *backend* do the task; return what came of it.  *tell* is called with a line for each event as it comes.

    Raises:
        LoopsError: the scratch project could not be made or started.
    """
    began = time.time()
    used = mode or backend.mode
    course = Course()
    with _scratch(backend, model, used) as scratch:
        version = _version(backend, scratch)
        if version is None:
            program = backend.bin or KNOWN[backend.adapter].bin
            found = ("not_installed", f"there is no program {program!r} in PATH")
        else:
            try:
                _loops(scratch, "up", AGENT)
                _follow(scratch, course, began + patience, tell)
            finally:
                _end(scratch)
            found = try_verdict.problem(course, _lacking(scratch), patience)
    problem, text = found
    return Verdict(
        backend=backend.name,
        mode=used.value,
        model=course.model or model,
        problem=problem,
        text=text,
        remedy=try_verdict.remedy(problem, backend.name, backend.adapter, KNOWN[backend.adapter].package),
        version=course.version or version or "",
        conversation=course.conversation,
        first_event=course.to_first,
        seconds=round(time.time() - began, 3),
        input_tokens=course.input_tokens,
        output_tokens=course.output_tokens,
        usd=course.usd,
        asked=tuple(course.asked),
        events=tuple(course.events),
    )


def backend_of(name: str, config_path: str) -> tuple[Backend, str]:
    """Return the backend called *name*, and a model for it: as *config_path* has them, else as they are built in.

    Raises:
        ConfigError: the file is bad.
        UsageError: there is no such backend, or none that has a protocol of its own.
    """
    known, model = dict(BUILT_IN), ""
    if os.path.isfile(config_path):
        from loops.supervisor.config_file import compiled

        config = compiled(config_path)
        known.update(config.backends)
        model = next((each.model for each in config.agents.values() if each.backend == name and each.model), "")
    found = known.get(name)
    if found is None or found.adapter not in STRUCTURED:
        can = ", ".join(each for each, backend in known.items() if backend.adapter in STRUCTURED)
        raise UsageError(f"backend {name!r} cannot be tried: it has no protocol of its own; those that have: {can}")
    return found, model


# ---- the course of it --------------------------------------------------------------------------------------------------


def _follow(scratch: _Scratch, course: Course, until: float, tell: Callable[[str], None]) -> None:
    """Read the events until the task is over, the agent's process has ended, or *until* has come."""
    events = _Tail(scratch.runs)
    while not course.over and time.time() < until:
        for event in events.fresh():
            course.see(event)
            tell(try_verdict.sentence(event))
        if not course.over and _has_ended(scratch):
            for event in events.fresh():
                course.see(event)
            course.ended = True
        time.sleep(GLANCE)
    for event in events.fresh():  # what comes with the end of a turn
        course.see(event)


class _Tail:
    """The events of all runs so far, each once."""

    def __init__(self, runs: str) -> None:
        self._runs = runs
        self._read: dict[str, int] = {}

    def fresh(self) -> Iterator[Event]:
        """Return the whole lines that were added."""
        names = sorted(os.listdir(self._runs), key=lambda name: (len(name), name)) if os.path.isdir(self._runs) else []
        for name in names:
            path = os.path.join(self._runs, name, EVENTS)
            try:
                with open(path, "rb") as file:
                    file.seek(self._read.get(path, 0))
                    whole = file.read().rpartition(b"\n")[0]
            except FileNotFoundError:
                continue
            if whole:
                self._read[path] = self._read.get(path, 0) + len(whole) + 1
                yield from map(json.loads, whole.split(b"\n"))


def _has_ended(scratch: _Scratch) -> bool:
    """Whether the supervisor says that the agent runs no more."""
    try:
        status = ask(Runtime(scratch.config_path).control_socket, {"verb": "status"}, timeout=2.0)
    except (TimeoutError, OSError):
        return False
    row = next((row for row in (status or {}).get("agents", ()) if row["name"] == AGENT), None)
    return row is not None and row["state"] in ("ended", "FAILED", "CRASH LOOP")


def _lacking(scratch: _Scratch) -> str:
    """Return what of the task's result is not in git; "" when all is."""
    done = _git(scratch.repository, "show", f"HEAD:{FILE}")
    if done.returncode:
        there = os.path.exists(os.path.join(scratch.repository, FILE))
        return f"{FILE} was {'made but not committed' if there else 'not made'}"
    return "" if done.stdout.strip() == CONTENT else f"{FILE} does not hold what was asked for"


# ---- its surroundings --------------------------------------------------------------------------------------------------


@contextmanager
def _scratch(backend: Backend, model: str, mode: Mode) -> Iterator[_Scratch]:
    root = tempfile.mkdtemp(prefix="loops-try-")
    # Sockets have 107 bytes: their directory must not depend on how deep TMPDIR is.
    runtime = tempfile.mkdtemp(prefix="loops-", dir="/tmp")
    before = os.environ.get("LOOPS_RUNTIME_DIR")
    os.environ["LOOPS_RUNTIME_DIR"] = runtime
    try:
        scratch = _Scratch(root, {name: value for name, value in os.environ.items() if name != "LOOPS_CONFIG"})
        _write(os.path.join(root, "task.md"), TASK)
        _write(scratch.config_path, _agents_toml(backend, model, mode))
        _repository(scratch.repository)
        yield scratch
    finally:
        if before is None:
            os.environ.pop("LOOPS_RUNTIME_DIR", None)
        else:
            os.environ["LOOPS_RUNTIME_DIR"] = before
        for directory in (runtime, root):
            shutil.rmtree(directory, ignore_errors=True)


def _agents_toml(backend: Backend, model: str, mode: Mode) -> str:
    return AGENTS_TOML.format(
        prefix=f"loops-try-{os.getpid()}-",
        backend=_table(backend),
        agent=AGENT,
        name=json.dumps(backend.name),
        model=json.dumps(model),
        mode=mode.value,
    )


def _table(backend: Backend) -> str:
    """Return the backend's table: what differs from the built-in one of its name."""
    usual = BUILT_IN.get(backend.name)
    rows = []
    for each in fields(backend):
        default = each.default if each.default is not MISSING else None
        if each.name != "name" and (value := getattr(backend, each.name)) != getattr(usual, each.name, default):
            rows.append(f"{each.name} = {_toml(value)}")
    return "\n".join([f"[backend.{json.dumps(backend.name)}]", *rows, ""]) if rows else ""


def _toml(value: Any) -> str:
    """Write one value; texts of JSON are texts of TOML."""
    if isinstance(value, Enum):
        return json.dumps(value.value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _repository(directory: str) -> None:
    os.makedirs(directory)
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "loops try"),
        ("config", "user.email", "try@example.invalid"),
        ("config", "commit.gpgsign", "false"),
        ("commit", "--quiet", "--allow-empty", "--message", "Begin"),
    ):
        done = _git(directory, *words)
        if done.returncode:
            raise SessionError(f"git {words[0]} in {directory}: {done.stderr.strip()}")


def _git(directory: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True, errors="replace")


def _version(backend: Backend, scratch: _Scratch) -> str | None:
    """Ask the program for its version, from a home of its own; None: there is no such program."""
    program = shutil.which(backend.bin or KNOWN[backend.adapter].bin)
    if program is None:
        return None
    home = os.path.join(scratch.root, "version")
    os.makedirs(home)
    places = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), home)
    try:
        done = subprocess.run(
            [program, "--version"],
            env={**scratch.environment, **places},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout)
    return found[0] if found else ""


def _loops(scratch: _Scratch, *words: str) -> None:
    argv = [sys.executable, "-m", "loops", "--config", scratch.config_path, *words]
    done = subprocess.run(
        argv, env=scratch.environment, capture_output=True, text=True, errors="replace", cwd=scratch.root
    )
    if done.returncode:
        raise SessionError(f"`loops {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")


def _end(scratch: _Scratch) -> None:
    try:
        _loops(scratch, "down")
    except SessionError:
        _loops(scratch, "stop", "--all-now")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
