"""Keystrokes: how a text is pasted, and what the named keys send."""

from __future__ import annotations

import re
from types import MappingProxyType

from loops.errors import ConfigError

_PASTE_BEGIN = b"\x1b[200~"
_PASTE_END = b"\x1b[201~"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

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
"""What each key that may submit a message sends; the names are tmux's."""


def key_bytes(name: str, place: str) -> bytes:
    """Return what the key *name* sends.

    Raises:
        ConfigError: the name is unknown; the text begins with *place*.
    """
    try:
        return KEYS[name]
    except KeyError:
        raise ConfigError(f"{place}: unknown key {name!r}; known: {', '.join(KEYS)}") from None


def plain_text(text: str) -> str:
    """Return *text* with its line ends unified and without control characters: a message is never a key."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> bytes:
    """Return *text* on one line, for a program that reads lines."""
    return " ".join(plain_text(text).split("\n")).encode("utf-8", "replace")


def bracketed_paste(text: str) -> bytes:
    """Return *text* as one bracketed paste, in which a line break (sent as CR, as terminals do) is text and not Enter.

    Without the brackets a long text arrives in pieces and its Enter is swallowed (upstream incident 16).  An end
    mark within the text could not close the paste early: its Escape is a control character.
    """
    return _PASTE_BEGIN + plain_text(text).replace("\n", "\r").encode("utf-8", "replace") + _PASTE_END
