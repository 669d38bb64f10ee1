"""The mapping of each backend, imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from loops.streams.texts import Texts

if TYPE_CHECKING:
    from loops.streams.reader import Reader

_CLASSES = {
    "claude": ("claude", "Claude"),
    "codex": ("codex", "Codex"),
    "opencode": ("opencode", "Opencode"),
    "pi": ("pi", "Pi"),
    "acp": ("acp", "Acp"),
}


def reader(engine: str, run: str, conversation: str = "", utc_offset: int | None = None) -> Reader:
    """Return the mapping of *engine* for one run.

    Raises:
        KeyError: there is none of that name.
    """
    module, name = _CLASSES[engine]
    known = import_module(f"loops.known.{module}").KNOWN
    made: Reader = getattr(import_module(f"loops.streams.{module}"), name)(
        run, Texts(known.texts, utc_offset), conversation
    )
    return made
