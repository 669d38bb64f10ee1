"""A deployment flattened to single facts, each with its place: what parity compares, line by line.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from loops.projects.deployment.model import Deployment, Document, Member, Step


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a fact stands: ``agent builder: model``, ``phase 2w: plan``, ``kickoff 2w/builder: text``."""

    subject: str
    """agent, phase, phases, handoff, backend, times, role, kickoff, loop."""
    name: str
    field: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.subject} {self.name}: {self.field}" if self.name else f"{self.subject}: {self.field}"


def facts(deployment: Deployment) -> dict[Place, str]:
    """Every fact that the deployment's source tells, by its place.  What it does not tell has no entry.

    The order of phases is a fact of its own (``phases: order``); so is that an agent, service or phase
    is there at all (``present``).
    """
    return dict(_all(deployment))


def _all(d: Deployment) -> Iterator[tuple[Place, str]]:
    if d.prefix is not None:
        yield Place("loop", "", "session_prefix"), d.prefix
    if d.log_dir is not None:
        yield Place("loop", "", "log_dir"), d.log_dir
    if d.on_complete is not None:
        yield Place("loop", "", "on_complete"), d.on_complete
    if d.done_marker is not None:
        yield Place("loop", "", "done_marker"), d.done_marker
    if d.at is not None:
        yield Place("loop", "", "phase index"), str(d.at)
    if d.complete is not None:
        yield Place("loop", "", "complete"), _word(d.complete)
    for key, value in (d.further or {}).items():
        yield Place("loop", "", key), value
    for member in d.members:
        yield from _member(member)
    if d.steps is not None:
        yield Place("phases", "", "order"), " ".join(step.id for step in d.steps)
        for step in d.steps:
            yield Place("phase", step.id, "present"), "yes"
            yield from _step(step, d.members)
    elif d.count is not None:
        yield Place("phases", "", "count"), str(d.count)
    if d.steps is None and d.now is not None:
        yield Place("phase", d.now.id, "present"), "yes"
        yield from _step(replace(d.now, models=None), d.members)
        for name, model in (d.now.models or {}).items():
            yield Place("phase", d.now.id, f"model of {name}"), model
    if d.relay is not None:
        for key in ("repo", "branch", "remote", "claim", "review", "inbox"):
            value = getattr(d.relay, key)
            if value is not None:
                yield Place("handoff", "", key), value
        for key in ("builder", "adversary"):
            names = getattr(d.relay, key)
            if names is not None:
                yield Place("handoff", "", key), " ".join(names)
    for name, settings in (d.clis or {}).items():
        for key, value in settings.items():
            yield Place("backend", name, key), value
    for key, seconds in (d.times or {}).items():
        yield Place("times", "", key), f"{number(seconds)} s"
    for role, document in (d.roles or {}).items():
        yield Place("role", role, "sha256"), _digest(document)
    for (phase, agent), text in (d.kickoffs or {}).items():
        yield (
            Place("kickoff", f"{phase}/{agent}", "sha256"),
            sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )


def _member(m: Member) -> Iterator[tuple[Place, str]]:
    yield Place("agent", m.name, "present"), "yes"
    for key in ("kind", "session", "dir", "role", "backend", "model", "watch", "schedule", "state", "conversation"):
        value = getattr(m, key)
        if value is not None:
            yield Place("agent", m.name, key), value
    for key in ("enabled", "resume"):
        flag = getattr(m, key)
        if flag is not None:
            yield Place("agent", m.name, key), _word(flag)
    if m.prompt is not None:
        yield Place("agent", m.name, "prompt sha256"), _digest(m.prompt)
    if m.wakes is not None:
        yield Place("agent", m.name, "wake interval"), f"{number(m.wakes.interval)} s"
        if m.wakes.prompt is not None:
            yield Place("agent", m.name, "wake prompt sha256"), _digest(m.wakes.prompt)
    for key, value in (m.further or {}).items():
        yield Place("agent", m.name, key), value
    if m.command is not None:
        yield Place("agent", m.name, "command"), " ".join(m.command)


def _step(step: Step, members: tuple[Member, ...]) -> Iterator[tuple[Place, str]]:
    for key in ("plan", "status"):
        value = getattr(step, key)
        if value is not None:
            yield Place("phase", step.id, key), value
    for key, value in (step.further or {}).items():
        yield Place("phase", step.id, key), value
    if step.models is None:
        return
    for member in members:  # the effective model: what will run, however it was written down
        if member.kind == "loop" and (member.model is not None or effective_model(step.models, member)):
            yield Place("phase", step.id, f"model of {member.name}"), effective_model(step.models, member)


def effective_model(models: Mapping[str, str], member: Member) -> str:
    """The model of *member* in a phase with the overrides *models*."""
    return models.get(member.name) or models.get(member.role or "") or member.model or ""


def _digest(document: Document) -> str:
    return document.digest or "missing"


def number(value: float) -> str:
    """Write a number so that no two look alike."""
    return str(int(value)) if value == int(value) else repr(value)


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
