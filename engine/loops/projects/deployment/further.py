"""The settings of an agents.toml that have no name of their own in a deployment, as text by key: so that none is left out.

What both engines know has a value always; what only this one knows, where it is not the default.  Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from hashlib import sha256

from loops.config.codec import plain
from loops.config.model import Agent, Backend, Config, Done, Kind, Phase, Watchdog
from loops.isolation.confine import is_wanted
from loops.projects.deployment.model import Form

_MEMBER = ("effort", "permissions", "blind", "reads", "writes", "network", "env_keep", "credentials", "budget")
_PHASE = ("items", "checks", "check_timeout", "budget")
_DONE = ("verdict_max_age", "verdicts")
_WATCHDOG = ("restart_backoff", "budget")
OURS: Mapping[str, frozenset[str]] = {
    "agent": frozenset(("mode", *_MEMBER)),
    "phase": frozenset(_PHASE),
    "loop": frozenset((*_DONE, *_WATCHDOG)),
    "backend": frozenset(("home",)),
}
"""By the subject of a place: the settings that only this engine has."""
VARIABLE = "env "
"""How the key of a variable begins."""
_DIGEST = 16


def of_agent(agent: Agent, config: Config, form: Form) -> Iterator[tuple[str, str]]:
    """Yield the further settings of an agent or service.  The earlier engine isolates nobody."""
    yield from _variables(agent.env)
    backend = config.backends.get(agent.backend)
    if agent.kind is not Kind.SERVICE:
        yield "isolate", text(form is Form.LOOPS and is_wanted(agent, backend))
    if form is Form.LOOPS:
        yield from _set(agent, _MEMBER)
        if agent.mode is not None and backend is not None and agent.mode is not backend.mode:
            yield "mode", text(agent.mode)


def of_backend(backend: Backend) -> Iterator[tuple[str, str]]:
    """Yield the further settings of one of our backends."""
    yield from _variables(backend.env)
    yield from _set(backend, ("home",))


def of_phase(phase: Phase) -> Iterator[tuple[str, str]]:
    """Yield the further settings of one of our phases."""
    return _set(phase, _PHASE)


def of_loop(config: Config, form: Form) -> Iterator[tuple[str, str]]:
    """Yield what belongs to the whole project."""
    yield "done_nudge", text(config.loop.done_nudge)
    yield "log_tokens", text(config.watchdog.log_tokens)
    yield "token_granularity", text(config.watchdog.token_granularity)
    if form is Form.LOOPS:
        yield from _set(config.loop.done, _DONE)
        yield from _set(config.watchdog, _WATCHDOG)


def _set(table: Agent | Backend | Phase | Done | Watchdog, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What is not the default."""
    defaults = {each.name: each for each in fields(table)}
    for key in keys:
        value, about = getattr(table, key), defaults[key]
        default = about.default_factory() if about.default_factory is not MISSING else about.default
        if value != default:
            yield key, text(value)


def text(value: object) -> str:
    """Return a setting's value on one line; equal values give equal texts."""
    told = plain(value)
    if isinstance(told, bool):
        return "yes" if told else "no"
    if isinstance(told, float):
        return f"{told:g}"
    if isinstance(told, str):
        return told
    return json.dumps(told, sort_keys=True, ensure_ascii=False) if told not in (None, [], {}) else ""


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """By digest: nobody knows which of them is a secret."""
    for name, value in sorted(env.items()):
        digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
        yield f"{VARIABLE}{name}", f"{len(value)} characters, sha256 {digest}"
