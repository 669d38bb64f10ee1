"""Which value wins, and where it came from: a flag, the environment, the phase, the agent, the defaults; in this order.

Overrides by flag and environment hold for one call.  They are not part of the configuration and are never stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum

from loops.config.backends import BUILT_IN
from loops.config.model import Agent, Backend, Config, Kind, Phase
from loops.config.problems import Value, nearest
from loops.errors import UsageError

_MODEL, _BACKEND = "AGENT_MODEL_", "AGENT_BACKEND_"


class Source(Enum):
    """The kinds of places that a value comes from."""

    FILE = "file"
    DEFAULT = "default"
    PHASE = "phase override"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.  ``place``: path:line (or the path alone), the phase, the variable or the flag."""

    source: Source
    place: str = ""

    def __str__(self) -> str:
        """The place, after a word that says what it is."""
        if self.source is Source.FILE:
            return self.place
        return f"{self.source.value} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class Override:
    """A value that holds for this call."""

    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Overrides:
    """One-shot values of this call, by the agent's name.  ``notes``: variables that name nothing in the project."""

    models: Mapping[str, Override] = field(default_factory=dict)
    backends: Mapping[str, Override] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @staticmethod
    def from_env(env: Mapping[str, str], config: Config) -> Overrides:
        """Read ``AGENT_MODEL_<name>`` and ``AGENT_BACKEND_<name>``, with ``_`` for ``-`` if need be; empty is unset."""
        found: dict[str, dict[str, Override]] = {_MODEL: {}, _BACKEND: {}}
        notes = []
        agents = [agent.name for agent in config.agents.values() if agent.kind is not Kind.SERVICE]
        for variable, value in sorted(env.items()):
            start = next((start for start in found if variable.startswith(start) and value), None)
            if start is None:
                continue
            written = variable.removeprefix(start)
            named = [written] if written in agents else [name for name in agents if name.replace("-", "_") == written]
            for name in named:
                found[start][name] = Override(value, Origin(Source.ENVIRONMENT, variable))
            if not named:
                notes.append(f"{variable} in the environment names no agent of this project{nearest(written, agents)}")
        return Overrides(found[_MODEL], found[_BACKEND], tuple(notes))

    def with_flags(self, models: Mapping[str, str], backends: Mapping[str, str]) -> Overrides:
        """Add what was given as ``--model NAME=MODEL`` and ``--backend NAME=BACKEND``; it wins over the environment."""
        return Overrides(
            {
                **self.models,
                **{name: Override(value, Origin(Source.FLAG, "--model")) for name, value in models.items()},
            },
            {
                **self.backends,
                **{name: Override(value, Origin(Source.FLAG, "--backend")) for name, value in backends.items()},
            },
            self.notes,
        )


NONE = Overrides()


@dataclass(frozen=True, slots=True)
class Effective:
    """What an agent really runs with."""

    model: str
    backend: Backend
    model_origin: Origin
    backend_origin: Origin


@dataclass(frozen=True, slots=True)
class Row:
    """One effective value: its key, as in the file, the value as JSON would hold it, and its origin."""

    key: str
    value: object
    origin: Origin


def effective(config: Config, agent_name: str, phase: Phase | None, overrides: Overrides = NONE) -> Effective:
    """Return what *agent_name* runs with in *phase*.  Raises UsageError for an unknown agent or an unknown backend.

    A value of the file has its path as the place of its origin; `rows_with_origin` knows the lines.
    """
    agent = config.agents.get(agent_name)
    if agent is None or agent.kind is Kind.SERVICE:
        hint = nearest(agent_name, config.agents)
        raise UsageError(f'{config.path}: there is no agent "{agent_name}"{hint}')
    in_file = Origin(Source.FILE, config.path)
    model = Override(agent.model, in_file if agent.model else Origin(Source.DEFAULT))
    if phase is not None and agent_name in phase.models:
        model = Override(phase.models[agent_name], Origin(Source.PHASE, phase.id))
    model = overrides.models.get(agent_name, model)
    backend = overrides.backends.get(agent_name, Override(agent.backend, in_file))
    known = {**BUILT_IN, **config.backends}
    if backend.value not in known:
        hint = nearest(backend.value, known) or f"; known: {', '.join(sorted(known))}"
        raise UsageError(f'{backend.origin}: there is no backend "{backend.value}"{hint}')
    return Effective(model.value, known[backend.value], model.origin, backend.origin)


def rows_with_origin(path: str, phase_id: str = "", overrides: Overrides = NONE) -> list[Row]:
    """Return every effective value of the project at *path*, in the order of the file's tables.

    With *phase_id*, models are those of that phase.  Raises ConfigProblems, and UsageError for an unknown phase.
    """
    from loops.config.loading import read

    loaded = read(path)
    config = loaded.built.config
    phase = next((phase for phase in config.loop.phases if phase.id == phase_id), None)
    if phase_id and phase is None:
        hint = nearest(phase_id, [phase.id for phase in config.loop.phases])
        raise UsageError(f'{config.path}: there is no phase "{phase_id}"{hint}')

    def origin(key: str) -> Origin:
        line = loaded.line(key)
        return Origin(Source.FILE, f"{config.path}:{line}") if line else Origin(Source.DEFAULT)

    rows = []
    for key, value in _values(config):
        row = Row(key, value, origin(key))
        rows.append(_overridden(row, config, phase, overrides))
    return rows


def _overridden(row: Row, config: Config, phase: Phase | None, overrides: Overrides) -> Row:
    kind, _, rest = row.key.partition(".")
    name, _, fact = rest.partition(".")
    if kind != "agent" or fact not in ("model", "backend"):
        return row
    now = effective(config, name, phase, overrides)
    value, origin = (now.model, now.model_origin) if fact == "model" else (now.backend.name, now.backend_origin)
    return Row(row.key, value, origin) if origin.source not in (Source.FILE, Source.DEFAULT) else row


_SERVICE_FACTS = ("name", "session", "dir", "watch", "enabled", "command", "env", "credentials")
_AGENT_FACTS = tuple(item.name for item in fields(Agent) if item.name != "command")


def _values(config: Config) -> Iterator[tuple[str, object]]:
    yield "defaults.session_prefix", config.session_prefix
    yield "defaults.log_dir", config.log_dir
    yield from _facts("watchdog", config.watchdog)
    yield from _facts("notify", config.notify)
    for backend in config.backends.values():
        yield from _facts(f"backend.{backend.name}", backend, but=("name",))
    for agent in config.agents.values():
        service = agent.kind is Kind.SERVICE
        row = f"service.{agent.name}" if service else f"agent.{agent.name}"
        for name in _SERVICE_FACTS if service else _AGENT_FACTS:
            yield from _fact(f"{row}.{name}", getattr(agent, name))
    yield from _facts("loop", config.loop, but=("phases", "on_complete"))
    yield "loop.on_complete.run", config.loop.on_complete
    for phase in config.loop.phases:
        yield from _facts(f"loop.phases.{phase.id}", phase)


def _facts(row: str, record: Value, but: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    for item in fields(record):
        if item.name not in but:
            yield from _fact(f"{row}.{item.name}", getattr(record, item.name))


def _fact(key: str, value: object) -> Iterator[tuple[str, object]]:
    from loops.config.codec import plain

    if is_dataclass(value):
        yield from _facts(key, value)
    else:
        yield key, plain(value)
