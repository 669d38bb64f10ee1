"""Read a deployment that is described by agents.toml: the earlier engine's, or this one's."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from loops import resources
from loops.config import loading
from loops.config.codec import plain
from loops.config.model import Agent, Backend, Config, Kind, Loop
from loops.config.problems import DocPath, Problem
from loops.errors import LoopsError
from loops.projects.deployment import engine_state, forms, further
from loops.projects.deployment.facts import number
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Deployment, Document, Form, Member, Relay, Step, Untranslated, Wakes
from loops.supervisor.texts import kickoff

_TIMES = (*forms.TIMES, "hang_after", "stop_grace", "approval_timeout")
_SETTINGS = (*forms.SETTINGS, "adapter", "resume_flags", "session_flags", "ready_re", "dialog_re", "mode")


def read(path: str, form: Form | None = None) -> Deployment:
    """Read the agents.toml at *path* and what it names.  *form*: whose it is, where that is known.

    Raises:
        ConfigProblems: every mistake in it; or a file that it names is no file that can be read.
    """
    loaded, strange = loading.read_foreign(path)
    config = loaded.built.config
    form = form or forms.form(config, strange)
    if strange and form is Form.LOOPS:
        loading.read(path)  # raises: what we do not know in a file of our own is a mistake
    files = Files(config.root)
    files.bytes(config.path)
    reached = _reached(config, files, form)
    kickoffs, missing = _kickoffs(config, files)
    own = form is Form.LOOPS
    return Deployment(
        source=path,
        form=form,
        root=config.root,
        prefix=config.session_prefix,
        log_dir=config.log_dir,
        members=tuple(
            replace(
                _member(agent, files),
                conversation=reached.conversations.get(agent.name),
                further=dict(further.of_agent(agent, config, form)),
            )
            for agent in config.agents.values()
        ),
        steps=tuple(
            Step(phase.id, phase.plan, phase.status, dict(phase.models), dict(further.of_phase(phase)) if own else None)
            for phase in config.loop.phases
        ),
        at=reached.at,
        complete=reached.complete,
        relay=_relay(config.loop, own),
        further=dict(further.of_loop(config, form)),
        on_complete=config.loop.on_complete,
        done_marker=config.loop.done.marker,
        clis={
            name: dict(_all_settings(backend) if own else _settings(backend, forms.SETTINGS))
            for name, backend in config.backends.items()
        },
        times={key: float(getattr(config.watchdog, key)) for key in (_TIMES if own else forms.TIMES)},
        roles=dict(_roles(config, files)),
        kickoffs=kickoffs,
        template=files.text(config.loop.kickoff_template or resources.prompt("kickoff")),
        origins=dict(_origins(loaded)),
        strange=tuple(strange),
        untranslated=(*_strange(strange), *missing, *reached.untranslated),
        documents=files.documents,
    )


def _strange(strange: Mapping[DocPath, Problem]) -> Iterator[Untranslated]:
    for problem in strange.values():
        why = f"{problem.message.partition(';')[0]} here: it is left out of the staged file; see what it is for"
        yield Untranslated(f"{os.path.basename(problem.path)}:{problem.line}", f"the key {problem.key}", why)


def _origins(loaded: loading.Loaded) -> Iterator[tuple[str, str]]:
    """Where the file gives a value, by the value's place among the facts; what is not here is a default."""
    config = loaded.built.config
    file = os.path.basename(config.path)
    rows = [("loop: session_prefix", "defaults.session_prefix"), ("loop: on_complete", "loop.on_complete.run")]
    rows += [("loop: done_marker", "loop.done.marker")]
    for agent in config.agents.values():
        table = "service" if agent.kind is Kind.SERVICE else "agent"
        for key in ("kind", "session", "dir", "role", "backend", "model", "watch", "enabled", "resume", "command"):
            rows.append((f"agent {agent.name}: {key}", f"{table}.{agent.name}.{key}"))
        rows.append((f"agent {agent.name}: prompt sha256", f"agent.{agent.name}.prompt_file"))
        rows.append((f"agent {agent.name}: wake interval", f"agent.{agent.name}.wake.interval"))
        rows.append((f"agent {agent.name}: wake prompt sha256", f"agent.{agent.name}.wake.prompt_file"))
    for phase in config.loop.phases:
        rows += [(f"phase {phase.id}: {key}", f"loop.phases.{phase.id}.{key}") for key in ("plan", "status")]
        rows += [(f"phase {phase.id}: model of {name}", f"loop.phases.{phase.id}.models") for name in phase.models]
    rows += [
        (f"handoff: {key}", f"loop.handoff.{key}")
        for key in ("repo", "branch", "claim", "review", "inbox", "builder", "adversary")
    ]
    rows += [(f"times: {key}", f"watchdog.{key}") for key in _TIMES]
    rows += [(f"backend {name}: {key}", f"backend.{name}.{key}") for name in config.backends for key in _SETTINGS]
    for place, row in rows:
        line = loaded.line(row)
        if line:
            yield place, f"{file}:{line}"


def _reached(config: Config, files: Files, form: Form) -> engine_state.Reached:
    if form is Form.LOOPS:
        return engine_state.of_journal(config.log_dir)
    names = tuple(name for name, agent in config.agents.items() if agent.kind is not Kind.SERVICE)
    return engine_state.of_engine(files, config.log_dir, names, len(config.loop.phases))


def _member(agent: Agent, files: Files) -> Member:
    service = agent.kind is Kind.SERVICE
    common = Member(
        agent.name,
        kind=agent.kind.value,
        session=agent.session,
        dir=agent.dir,
        watch=agent.watch.value,
        enabled=agent.enabled,
    )
    if service:
        return replace(common, command=agent.command)
    wake = agent.wake
    return replace(
        common,
        role=agent.role or None,
        backend=agent.backend,
        model=agent.model,
        resume=agent.resume,
        prompt=files.document(agent.prompt_file) if agent.prompt_file else None,
        wakes=Wakes(wake.interval, files.document(wake.prompt_file)) if wake is not None else None,
        schedule=agent.schedule or None,
    )


def _relay(loop: Loop, own: bool) -> Relay | None:
    hand = loop.handoff
    if hand is None:
        return None
    relay = Relay(hand.repo, hand.branch, hand.claim, hand.review, hand.inbox, hand.builder, hand.adversary)
    return replace(relay, remote=hand.remote) if own else relay


def _all_settings(backend: Backend) -> Iterator[tuple[str, str]]:
    yield from _settings(backend, _SETTINGS)
    yield from further.of_backend(backend)


def _settings(backend: Backend, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key in keys:
        value = plain(getattr(backend, key))
        if isinstance(value, bool):
            yield key, "yes" if value else "no"
        elif isinstance(value, list):
            yield key, shlex.join(value)
        else:
            yield key, number(value) if isinstance(value, float) else str(value)


def role_path(config: Config, role: str) -> str:
    """Return the path of the role's standing text, as a start would find it; empty: it has none."""
    own = os.path.join(config.loop.roles_dir, f"{role}.md") if config.loop.roles_dir else ""
    if own and os.path.isfile(own):
        return own
    try:
        return resources.prompt(role)
    except LoopsError:
        return ""


def roles(config: Config) -> tuple[str, ...]:
    """Return the roles whose standing text some agent is started with."""
    agents = [agent for agent in config.agents.values() if agent.kind is not Kind.SERVICE and not agent.prompt_file]
    return tuple(dict.fromkeys(agent.role or agent.name for agent in agents if agent.role or agent.kind is Kind.LOOP))


def _roles(config: Config, files: Files) -> Iterator[tuple[str, Document]]:
    for role in roles(config):
        path = role_path(config, role)
        if path:
            yield role, files.document(path)
        elif config.loop.roles_dir:
            yield role, Document(files.shown(os.path.join(config.loop.roles_dir, f"{role}.md")), "")


def _kickoffs(config: Config, files: Files) -> tuple[dict[tuple[str, str], str], list[Untranslated]]:
    found: dict[tuple[str, str], str] = {}
    missing: dict[str, None] = {}
    for phase in config.loop.phases:
        for agent in config.agents.values():
            if agent.kind is not Kind.LOOP:
                continue
            try:
                found[phase.id, agent.name] = kickoff(config, agent, phase, "kickoff")
            except LoopsError as error:
                missing[str(error)] = None
    why = "without it no agent of the loop can be started, and there is no kickoff to compare"
    return found, [Untranslated(config.path, problem, why) for problem in missing]
