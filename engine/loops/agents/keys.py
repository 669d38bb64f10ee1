"""What the keys that submit a message send."""

from __future__ import annotations

from types import MappingProxyType

from loops.errors import ConfigError

KEYS = MappingProxyType(
    {
        "Enter": b"\r",
        "C-m": b"\r",
        "C-j": b"\n",
        "M-Enter": b"\x1b\r",
        "Tab": b"\t",
        "Escape": b"\x1b",
        "Space": b" ",
        "C-d": b"\x04",
        "C-s": b"\x13",
    }
)
"""By tmux's names."""


def key_bytes(name: str, place: str) -> bytes:
    """Return what the key *name* sends.

    Raises:
        ConfigError: the name is unknown; the text begins with *place*.
    """
    try:
        return KEYS[name]
    except KeyError:
        raise ConfigError(f"{place}: unknown key {name!r}; known: {', '.join(KEYS)}") from None
