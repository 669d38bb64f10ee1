"""The doctor's look at the credentials that agents.toml names: whether each is there, and for the user's eyes only."""

from __future__ import annotations

from collections.abc import Iterator

from loops.config.model import Config
from loops.errors import LoopsError
from loops.projects.finding import Finding, fail, ok
from loops.secrets import credentials

CHECK = "credentials"


def named(config: Config) -> Iterator[Finding]:
    """Try each one as the supervisor will; a service manager may hand it others."""
    used = 0
    for agent in config.agents.values():
        for variable, name in agent.credentials.items() if agent.enabled else ():
            used += 1
            yield from _tried(name, f"as {variable} of {agent.name}", one_line=True)
    for backend in config.backends.values():
        for place, source in (backend.home or {}).items():
            if source.startswith(credentials.PREFIX):
                used += 1
                yield from _tried(source.removeprefix(credentials.PREFIX), f"as {place} of backend {backend.name}")
    if used:
        yield ok(CHECK, f"{used} named")


def _tried(name: str, wanted: str, *, one_line: bool = False) -> Iterator[Finding]:
    try:
        if one_line:
            credentials.value(name, wanted)
        else:
            credentials.read(name, wanted)
    except LoopsError as error:
        yield fail(CHECK, str(error), "a service gets its own by `loops service install --credential NAME=FILE`")
