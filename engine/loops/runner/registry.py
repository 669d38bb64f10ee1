"""Which data, dialogue and link belong to a backend.  A runner loads one of each, and nothing of the others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from loops.errors import ConfigError
from loops.known.model import Known
from loops.runner.dialogue import Dialogue
from loops.runner.link import Link
from loops.runner.order import RunOrder


class _Parts(NamedTuple):
    """Module and class of the dialogue and of the link."""

    dialogue: tuple[str, str]
    link: tuple[str, str] = ("stdio", "StdioLink")


_PARTS: Mapping[str, _Parts] = {
    "claude": _Parts(("claude", "ClaudeDialogue")),
    "codex": _Parts(("codex", "CodexDialogue")),
    "opencode": _Parts(("opencode", "OpencodeDialogue"), ("http_link", "HttpLink")),
    "pi": _Parts(("pi", "PiDialogue")),
    "acp": _Parts(("acp", "AcpDialogue")),
}


def known(backend: str) -> Known:
    """Return what is known of *backend*'s program.

    Raises:
        ConfigError: there is no such backend.
    """
    _parts(backend)
    found: Known = _module(f"loops.known.{backend}").KNOWN
    return found


def dialogue(order: RunOrder, known: Known) -> Dialogue:
    """Return the protocol of *order*'s backend, at its beginning."""
    module, name = _parts(order.backend).dialogue
    made: Dialogue = getattr(_module(f"loops.runner.{module}"), name)(order, known)
    return made


def link(backend: str) -> Link:
    """Return the way to *backend*'s program, not started."""
    module, name = _parts(backend).link
    made: Link = getattr(_module(f"loops.runner.{module}"), name)()
    return made


def _parts(backend: str) -> _Parts:
    try:
        return _PARTS[backend]
    except KeyError:
        raise ConfigError(f"backend {backend!r}: the runner drives {', '.join(_PARTS)}") from None


def _module(name: str) -> Any:
    __import__(name)  # not importlib: one more import before the agent starts
    return sys.modules[name]
