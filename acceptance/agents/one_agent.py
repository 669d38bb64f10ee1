"""What the gates of single agents share: a project with one agent, called one, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from loops.supervisor import events as ev
from real_project import Real, RealProject, Times
from scratch import PATIENCE

NewReal = Callable[..., RealProject]


def begin(new_real: NewReal, backend: str, *, times: Times | None = None, **facts: Any) -> RealProject:
    """A project with one agent that was started."""
    project = new_real(backend)
    project.write([Real("one", backend, **facts)], times=times)
    project.loops("up")
    return project


def worked(new_real: NewReal, backend: str, *, seconds: float = PATIENCE, **facts: Any) -> RealProject:
    """The same, when the agent's first turn has ended."""
    project = begin(new_real, backend, **facts)
    turns(project, 1, seconds)
    return project


def turns(project: RealProject, count: int, seconds: float = PATIENCE) -> list[ev.TurnCompleted]:
    """Wait until so many turns have ended."""

    def ended() -> list[ev.TurnCompleted]:
        found = project.events(ev.TurnCompleted)
        return found if len(found) >= count else []

    return project.wait_for(ended, f"{count} turns ended", seconds)


def sent(project: RealProject) -> list[dict[str, Any]]:
    """Every line that was ever sent to the agent's program."""
    lines = [line for path in project.run_files("one", "raw/in.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    return [json.loads(line) for line in lines]


def conversations(project: RealProject) -> list[tuple[str, str]]:
    """How each run named its conversation: (started or resumed, id)."""
    kinds = ("session.started", "session.resumed")
    events = [event for event in project.normalized("one") if event["type"] in kinds]
    return [(event["type"].removeprefix("session."), event["data"]["conversation"]) for event in events]


def wrote(project: RealProject, name: str = "one") -> bool:
    """Whether the agent has done its work."""
    return (project.clone(name) / "hello.txt").exists()
