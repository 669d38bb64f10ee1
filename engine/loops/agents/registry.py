"""Which adapter drives a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from loops.agents.port import Adapter
from loops.config.model import Backend
from loops.errors import ConfigError


def _demo(backend: Backend) -> Adapter:
    from loops.agents.demo import DemoAdapter

    return DemoAdapter(backend)


def _command(backend: Backend) -> Adapter:
    from loops.agents.command import CommandAdapter

    return CommandAdapter(backend)


def _structured(backend: Backend) -> Adapter:
    from loops.agents.structured import StructuredAdapter

    return StructuredAdapter(backend)


STRUCTURED = ("claude", "codex", "opencode", "pi", "acp")
"""The adapters whose agents have a protocol of their own."""
_ADAPTERS: Mapping[str, Callable[[Backend], Adapter]] = MappingProxyType(
    {"command": _command, "demo": _demo, **dict.fromkeys(STRUCTURED, _structured)}
)


def names_its_conversations(backend: Backend) -> bool:
    """Whether the agent itself chooses the id of a fresh conversation: then there is none to resume before it has told."""
    if backend.adapter not in STRUCTURED:
        return False
    from loops.known.all import KNOWN

    return not KNOWN[backend.adapter].fresh


def adapter(backend: Backend) -> Adapter:
    """Return the adapter that *backend* names.

    Raises:
        ConfigError: there is none of that name, or it finds its data unusable.
    """
    try:
        make = _ADAPTERS[backend.adapter]
    except KeyError:
        known = ", ".join(_ADAPTERS)
        raise ConfigError(f"[backend.{backend.name}] adapter: unknown {backend.adapter!r}; known: {known}") from None
    return make(backend)
