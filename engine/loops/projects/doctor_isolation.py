"""The doctor's look at isolation: whether it can be had, who wants it, and what each isolated agent would lack."""

from __future__ import annotations

import os
from collections.abc import Iterator

from loops.config.model import Agent, Config, Network
from loops.isolation.able import Ability, ability
from loops.isolation.confine import is_wanted
from loops.known.all import KNOWN
from loops.projects.doctor import Finding, Level

CHECK = "isolation"
_REMEDY = "install bubblewrap (apt-get install bubblewrap) where user namespaces are allowed"


def isolation(config: Config) -> Iterator[Finding]:
    """Look at the agents of *config* that are enabled."""
    wanting = [a for a in config.agents.values() if a.enabled and is_wanted(a, config.backends.get(a.backend))]
    if not wanting:
        able = ability()
        said = f"{able.program} works" if able else able.reason
        yield Finding(CHECK, Level.OK, f"no agent asks for it ({said})")
        return
    for network in Network:
        names = [agent for agent in wanting if agent.network is network]
        if names:
            yield from _judge(names, ability(own_network=network is Network.NONE))
    for agent in wanting:
        yield from _keys(config, agent)


def _judge(agents: list[Agent], able: Ability) -> Iterator[Finding]:
    if able:
        yield Finding(CHECK, Level.OK, f"{able.program} works; isolated: {_listed(agents)}")
        return
    bound = [agent for agent in agents if agent.isolate]
    others = [agent for agent in agents if not agent.isolate]
    if bound:
        text = f"{able.reason}: {_listed(bound)} will not start (isolate = true)"
        yield Finding(CHECK, Level.FAIL, text, f"{_REMEDY}, or set isolate = false")
    if others:
        text = f"{able.reason}: {_listed(others)} will run without, and see what their user sees"
        yield Finding(CHECK, Level.WARN, text, f"{_REMEDY}, or set isolate = false to say that it is meant")


def _keys(config: Config, agent: Agent) -> Iterator[Finding]:
    """A key that the agent would have had, and that its sandbox keeps from it."""
    backend = config.backends[agent.backend]
    known = KNOWN.get(backend.adapter)
    if known is None or backend.home is None:
        return
    own = {**backend.env, **agent.env}
    lost = [key for key in known.keys if os.environ.get(key) and key not in agent.env_keep and key not in own]
    if lost:
        text = f"{agent.name} does not get {', '.join(lost)}: backend.{backend.name}.home names its login instead"
        yield Finding(CHECK, Level.WARN, text, f"name it in env_keep of {agent.name} if it is the login")


def _listed(agents: list[Agent]) -> str:
    return ", ".join(agent.name for agent in agents)
