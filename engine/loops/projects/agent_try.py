"""``loops agent try BACKEND``: one small task in a scratch repository, by the real engine, with a verdict in the end.

Everything is as in a project of the user's: a holder, a supervisor, the runner, a private home with the user's login.
Only the project is made for this and removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator

from loops.agents.registry import STRUCTURED
from loops.config.backends import BUILT_IN
from loops.config.model import Backend, Mode
from loops.errors import UsageError
from loops.known.all import KNOWN
from loops.places import Runtime
from loops.projects import try_verdict
from loops.projects.try_project import AGENT, TryProject, program_of, scratch
from loops.projects.try_verdict import Course, Event, Verdict
from loops.streams.recording import EVENTS
from loops.supervisor.control import ask

PATIENCE = 180.0
"""Seconds for the whole task, unless the user says otherwise."""
GLANCE = 0.1


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
    course, version = Course(), ""
    program = shutil.which(program_of(backend))
    if program is None:
        found = ("not_installed", f"there is no program {program_of(backend)!r} in PATH")
    else:
        with scratch(backend, model, used) as project:
            version = project.version(program)
            try:
                project.loops("up", AGENT)
                _follow(project, course, time.time() + patience, tell)
            finally:
                project.end()
            found = try_verdict.problem(course, project.lacking(), patience)
    problem, text = found
    return Verdict(
        backend=backend.name,
        mode=used.value,
        model=course.model or model,
        problem=problem,
        text=text,
        remedy=try_verdict.remedy(problem, backend.name, backend.adapter, KNOWN[backend.adapter].package),
        version=course.version or version,
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


def _follow(project: TryProject, course: Course, until: float, tell: Callable[[str], None]) -> None:
    """Read the events until the task is over, the agent's process has ended, or *until* has come."""
    events = _Tail(project.runs)

    def catch_up() -> None:
        for event in events.fresh():
            course.see(event)
            tell(try_verdict.sentence(event))

    while not course.over and time.time() < until:
        catch_up()
        if not course.over and _has_ended(project):
            catch_up()
            course.ended = True
        time.sleep(GLANCE)
    catch_up()  # what comes with the end of a turn


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


def _has_ended(project: TryProject) -> bool:
    """Whether the supervisor says that the agent runs no more."""
    try:
        status = ask(Runtime(project.config_path).control_socket, {"verb": "status"}, timeout=2.0)
    except (TimeoutError, OSError):
        return False
    row = next((row for row in (status or {}).get("agents", ()) if row["name"] == AGENT), None)
    return row is not None and row["state"] in ("ended", "FAILED", "CRASH LOOP")
