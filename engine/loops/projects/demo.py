"""``loops demo``: the main job, from an empty directory to a verified end, in under half a minute, leaving one report.

Everything is real: a bare git remote, clones, sessions under a holder, a supervisor, tmux views.  Only the agents are
scripted.  On the way the demo itself kills an agent, and then the supervisor.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loops.errors import LoopsError, SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects.demo_project import DemoProject, create
from loops.projects.demo_screen import Screen, screen_for
from loops.supervisor.control import ask
from loops.supervisor.explain import sentence
from loops.supervisor.ledger import history

DEADLINE = 180.0
"""Seconds after which a demo that has not reached its end is a failed one: a machine that is busy may take a minute."""
UNTOLD = (
    "signals.read",
    "evidence.taken",
    "config.loaded",
    "session.conversation",
    "session.started",
    "session.ending",
    "nudge.sending",
    "turn.started",
    "turn.completed",
    "tokens.measured",
    "wake.scheduled",
)
"""Events that are bookkeeping, or so frequent that they would hide the story; the report has them all."""
GLANCE = 0.1
"""Seconds between two looks at the project."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demo came to.  ``problems``: what was not as it should be; empty = all is well."""

    summary: str
    problems: tuple[str, ...]
    report_path: str
    seconds: float


@dataclass(slots=True)
class _Watch:
    """What the demo has seen of its project so far."""

    sequence: int = 0
    claims: int = 0
    complete: bool = False
    agent_killed: bool = False
    supervisor_killed: bool = False
    sentences: list[str] = field(default_factory=list)


def run(report_path: str = "", *, keep: bool = False, plain: bool = False, aside: bool = False) -> Outcome:
    """Run the demo; return what came of it.

    *keep*: leave the project's directory in place and name it.  *plain*: lines, no live view; *aside*: on standard error.

    Raises:
        LoopsError: it could not even begin (no git, no space).
    """
    began = time.monotonic()
    with _scratch(keep) as root:
        project = create(root, f"demo-{os.getpid()}-")
        environment = _environment(root)
        screen = screen_for(plain, aside)
        watch = _Watch()
        failure = ""
        try:
            _loops(project, environment, "up")
            with screen:
                failure = _follow(project, watch, screen, began)
        finally:
            _end(project, environment)
        return _report(project, watch, report_path, failure, time.monotonic() - began)


# ---- the course of the demo --------------------------------------------------------------------------------------------


def _follow(project: DemoProject, watch: _Watch, screen: Screen, began: float) -> str:
    """Show what happens, and make two things go wrong; return "" or why it did not come to its end."""
    runtime = Runtime(project.config_path)
    while time.monotonic() - began < DEADLINE:
        fresh = list(_news(project, watch))
        status = _status(runtime)
        if status is not None:
            screen.show(status, fresh)
            _disturb(status, watch)
            agents = {agent["name"]: agent for agent in status["agents"]}
            if status["phase"]["complete"] and agents["report"]["state"] in ("ended", "FAILED"):
                screen.show(status, list(_news(project, watch)))
                return ""
        time.sleep(GLANCE)
    return f"the project had not reached its end after {DEADLINE:.0f} s"


def _news(project: DemoProject, watch: _Watch) -> Iterator[str]:
    """What the journal says that was not yet told."""
    directory = StatePlaces(os.path.join(project.root, ".loops")).journal
    if not os.path.isdir(directory):
        return
    for record, event in history(directory, watch.sequence):
        watch.sequence = record.sequence
        watch.claims += event.type == "commit.seen" and getattr(event, "kind", "") == "claim"
        if event.type not in UNTOLD:
            yield sentence(event)


def _status(runtime: Runtime) -> dict[str, Any] | None:
    try:
        return ask(runtime.control_socket, {"verb": "status"}, timeout=2.0)
    except (TimeoutError, OSError):
        return None


def _disturb(status: dict[str, Any], watch: _Watch) -> None:
    """Kill the Adversary while it verifies the first claim; kill the supervisor in the second phase."""
    agents = {agent["name"]: agent for agent in status["agents"]}
    adversary = agents["adversary"]
    if watch.claims and not watch.agent_killed and adversary["pid"] and adversary["doing"].startswith("working"):
        os.kill(adversary["pid"], signal.SIGKILL)
        watch.agent_killed = True
    if status["phase"]["id"] == "2" and not watch.supervisor_killed and agents["builder"]["state"] == "LIMIT":
        os.kill(status["pid"], signal.SIGKILL)
        watch.supervisor_killed = True


# ---- its surroundings --------------------------------------------------------------------------------------------------


@contextmanager
def _scratch(keep: bool) -> Iterator[str]:
    root = tempfile.mkdtemp(prefix="loops-demo-")
    # Sockets have 107 bytes: their directory must not depend on how deep TMPDIR is.
    runtime = tempfile.mkdtemp(prefix="loops-", dir="/tmp")
    before = {name: os.environ.get(name) for name in ("HOME", "LOOPS_RUNTIME_DIR", "GIT_CONFIG_GLOBAL")}
    os.makedirs(os.path.join(root, "home"))
    os.environ.update(HOME=os.path.join(root, "home"), LOOPS_RUNTIME_DIR=runtime, GIT_CONFIG_GLOBAL=os.devnull)
    try:
        yield root
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(runtime, ignore_errors=True)
        if keep:
            print(f"kept: {root}", file=sys.stderr)
        else:
            shutil.rmtree(root, ignore_errors=True)


def _environment(root: str) -> dict[str, str]:
    """Only what a shell would have; nothing of the user's agents, keys or tmux."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "PYTHONPATH")}
    ours = {k: os.environ[k] for k in ("HOME", "LOOPS_RUNTIME_DIR", "GIT_CONFIG_GLOBAL")}
    return {**kept, **ours, "GIT_CONFIG_NOSYSTEM": "1"}


def _loops(project: DemoProject, environment: dict[str, str], *words: str) -> None:
    argv = [sys.executable, "-m", "loops", "--config", project.config_path, *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, errors="replace", cwd=project.root)
    if done.returncode:
        raise SessionError(f"`loops {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")


def _end(project: DemoProject, environment: dict[str, str]) -> None:
    try:
        _loops(project, environment, "down")
    except LoopsError:
        _loops(project, environment, "stop", "--all-now")


def _report(project: DemoProject, watch: _Watch, path: str, failure: str, seconds: float) -> Outcome:
    from loops.projects import report

    directory = StatePlaces(os.path.join(project.root, ".loops")).journal
    facts = report.read(directory, time.time())
    problems = [failure] if failure else []
    problems += report.problems(facts)
    if not watch.agent_killed or not watch.supervisor_killed:
        problems.append("the demo did not get to kill an agent and the supervisor")
    target = os.path.abspath(path or os.path.join(tempfile.gettempdir(), f"loops-demo-{os.getpid()}.html"))
    with open(target, "w", encoding="utf-8") as file:
        file.write(report.html(facts))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return Outcome(report.summary(facts, html=target, colour=colour), tuple(problems), target, seconds)
