"""Cuts secret keys out of what is kept for people: transcripts, events, logs.  Standard library only, pure.

It knows the shapes of `loops.secrets.key_shapes` and no value: the same text gives the same text again.  A key that is
broken by a line end, a colour or a chunk of an answer is not recognised: this is a net, not a lock.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from loops.secrets.key_shapes import KEY_SHAPES

if TYPE_CHECKING:
    import re

STARTS = tuple(start for shape in KEY_SHAPES for start in shape.starts)
_STARTS = tuple(start.encode() for start in STARTS)
_MARKED = tuple((mark, tuple(start for start in _STARTS if mark in start)) for mark in (b"-", b"_"))
_UNMARKED = tuple(start for start in _STARTS if b"-" not in start and b"_" not in start)
"""By the one letter that most of them have: looking for that costs a tenth, and a gigabyte of output has to go through."""
_LONGEST_START = max(map(len, STARTS))
_LEAST = 2
"""Letters at the end of a chunk that may begin a key: one letter alone would hold back too many prompts."""
_CUT_STARTS = frozenset(start[:length] for start in _STARTS for length in range(_LEAST, len(start)))
_SHORT = 1024
"""Bytes up to which one pattern is faster than a look for each start."""
MOST_HELD = 16_384
"""Bytes that wait for the end of their key."""


def redact(text: str) -> str:
    """Return *text* with each key replaced by ``[redacted: KIND]``."""
    return _pattern().sub(_name, text) if any(start in text for start in STARTS) else text


def holds_start(raw: bytes) -> bool:
    """Return whether the start of a key stands in *raw*: the quick look before the thorough one, for very many bytes."""
    if len(raw) < _SHORT:
        return _start_pattern().search(raw) is not None
    for mark, starts in _MARKED:
        if mark in raw:
            for start in starts:  # no generator: it would take longer than the looking
                if start in raw:
                    return True
    for start in _UNMARKED:  # noqa: SIM110
        if start in raw:
            return True
    return False


def redacted(value: Any) -> Any:
    """Return a JSON value with `redact` done to each text in it; names of members are left."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(each) for each in value]
    if isinstance(value, dict):
        return {name: redacted(each) for name, each in value.items()}
    return value


class Redactor:
    """The same for a stream of bytes that comes in pieces: a key may begin in one and end in another."""

    __slots__ = ("_held",)

    def __init__(self, held: bytes = b"") -> None:
        """*held*: what an earlier one still had."""
        self._held = held

    @property
    def held(self) -> bytes:
        """What waits for its rest."""
        return self._held

    def feed(self, data: bytes) -> bytes:
        """Return what can be written now; the beginning of a key waits for its end."""
        if not self._held and not holds_start(data) and not _may_begin(data):
            return data
        data = self._held + data
        cut = _open_at(data)
        if len(data) - cut > MOST_HELD:
            cut = len(data)
        self._held = data[cut:]
        return _sub(data[:cut])

    def flush(self) -> bytes:
        """Return the rest: nothing more comes."""
        data, self._held = self._held, b""
        return _sub(data)


def _sub(data: bytes) -> bytes:
    return _bytes_pattern().sub(_name_bytes, data) if holds_start(data) else data


def _may_begin(data: bytes) -> bool:
    return _partial(data) < len(data)


def _partial(data: bytes) -> int:
    """Where a start begins that the end of *data* cuts off; else its length."""
    for length in range(min(_LONGEST_START, len(data)), _LEAST - 1, -1):
        if data[-length:] in _CUT_STARTS:
            return len(data) - length
    return len(data)


def _open_at(data: bytes) -> int:
    """Where a key begins that may go on behind the end of *data*; else its length."""
    found = _open_pattern().search(data)
    if found:
        return found.start()
    cut = _partial(data)
    whole = (key.end() for key in _bytes_pattern().finditer(data) if key.start() < cut < key.end())
    return next(whole, cut)  # the dashes behind a private key could begin another one


def _name(found: re.Match[str]) -> str:
    return f"[redacted: {KEY_SHAPES[(found.lastindex or 1) - 1].name}]"


def _name_bytes(found: re.Match[bytes]) -> bytes:
    return f"[redacted: {KEY_SHAPES[(found.lastindex or 1) - 1].name}]".encode()


def _written() -> str:
    return "|".join(f"(?<![A-Za-z0-9_])({shape.pattern})" for shape in KEY_SHAPES)


# Compiled when they are needed: most runs see no key.


@cache
def _pattern() -> re.Pattern[str]:
    import re

    return re.compile(_written(), re.ASCII)


@cache
def _bytes_pattern() -> re.Pattern[bytes]:
    import re

    return re.compile(_written().encode())


@cache
def _start_pattern() -> re.Pattern[bytes]:
    import re

    return re.compile(b"|".join(map(re.escape, _STARTS)))


@cache
def _open_pattern() -> re.Pattern[bytes]:
    import re

    starts = "|".join(re.escape(start) for start in STARTS if not start.startswith("-"))
    unended = r"-----BEGIN (?![\s\S]*-----END [A-Z0-9 ]*-----)[\s\S]*"
    return re.compile(rf"(?<![A-Za-z0-9_])(?:(?:{starts})[\w.-]*|{unended})\Z".encode())
