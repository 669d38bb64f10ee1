"""The encoded form of an event: the same bytes for the same facts, on every machine."""

from __future__ import annotations

import json
import json.encoder
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

SMALL = 16_384
"""Bytes of a raw line below which nothing in its events can be too long."""
_TEXT = 8_000
"""Characters of one text in an event."""
_TOTAL = 64_000
"""Characters of all texts in an event."""
_MEMBERS = 200
_VALUES = 4_000
_CUTS = 50
"""Of which it is told what was cut."""
_DEPTH = 16

_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _fast() -> Callable[[Any], str]:
    """Return an encoder that is made once: `JSONEncoder.encode` makes the part of it that is written in C each time."""
    made = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    maker = getattr(json.encoder, "c_make_encoder", None)
    if maker is None:
        return made.encode
    parts = maker(None, made.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(parts(value, 0))


compact = _fast()
"""Encode as JSON.  Raises ValueError or RecursionError; half surrogates come through."""


class Clock:
    """Writes times as RFC 3339 with milliseconds; most lines of a stream share their second, and all their day."""

    def __init__(self) -> None:
        self._day = self._second = -1
        self._date = self._written = self._text = ""
        self._epoch = -1.0

    def write(self, epoch: float) -> str:
        """Return *epoch* (seconds, from 1970 to the year 9999) as text."""
        if epoch == self._epoch:
            return self._text
        self._epoch = epoch
        millis = int(epoch * 1000 + 0.5)
        second, rest = divmod(millis, 1000)
        if second != self._second:
            self._second = second
            day, second = divmod(second, 86400)
            if day != self._day:
                self._day, self._date = day, time.strftime("%Y-%m-%dT", time.gmtime(day * 86400))
            self._written = f"{self._date}{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}."
        self._text = f"{self._written}{rest:03d}Z"
        return self._text


def encoded_somehow(data: dict[str, Any]) -> str:
    """Return *data* as JSON, what JSON cannot say (half a surrogate, a number without end, endless depth) put near it."""
    try:
        return _ascii(data)
    except (ValueError, RecursionError):
        return _ascii(shortened(data))


def shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data* with long texts cut, and ``cut``: for each the path, its length and the digest of all of it."""
    shortening = _Shortening()
    short = {name: shortening.value(value, f"/{name}", _DEPTH) for name, value in data.items()}
    return {**short, "cut": shortening.cuts} if shortening.cuts else short


class _Shortening:
    """What is left of an event's room while its data are copied."""

    def __init__(self) -> None:
        self.cuts: list[dict[str, Any]] = []
        self._characters = _TOTAL
        self._values = _VALUES

    def value(self, value: Any, path: str, depth: int) -> Any:
        """Return a copy of *value* for which there is room."""
        self._values -= 1
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, float):
            return value if -1e300 < value < 1e300 else None
        if not isinstance(value, dict | list):
            return value
        room = min(_MEMBERS, max(0, self._values)) if depth else 0
        if len(value) > room:
            self._cut({"at": path, "members": len(value)})
        if isinstance(value, list):
            return [self.value(row, f"{path}/{index}", depth - 1) for index, row in enumerate(value[:room])]
        some = [(name[:200], row) for name, row in list(value.items())[:room]]
        return {name: self.value(row, f"{path}/{name}", depth - 1) for name, row in some}

    def _text(self, value: str, path: str) -> str:
        most = min(_TEXT, self._characters)
        self._characters -= min(len(value), most)
        if len(value) <= most:
            return value
        digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        self._cut({"at": path, "characters": len(value), "sha256": digest})
        return value[:most]

    def _cut(self, cut: dict[str, Any]) -> None:
        if len(self.cuts) < _CUTS:
            self.cuts.append(cut)
