"""The encoded form of an event: the same bytes for the same facts, on every machine."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import Any

SMALL = 16_384
"""Bytes of a raw line below which nothing in its events can be too long."""
_TEXT = 8_000
"""Characters of one text in an event."""
_TOTAL = 64_000
"""Characters of all texts in an event."""
_MEMBERS = 200
_DEPTH = 16

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Clock:
    """Writes times as RFC 3339 with milliseconds; most lines of a stream share their second."""

    def __init__(self) -> None:
        self._second = -1
        self._written = ""

    def write(self, epoch: float) -> str:
        """Return *epoch* (seconds, from 1970 to the year 9999) as text."""
        millis = int(epoch * 1000 + 0.5)
        second, rest = divmod(millis, 1000)
        if second != self._second:
            self._second, self._written = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._written}{rest:03d}Z"


def encoded(data: dict[str, Any]) -> str:
    """Return *data* as JSON; what JSON cannot say (no number, a half surrogate) is put as near as it can be."""
    try:
        written = _compact(data)
        written.encode()
    except UnicodeEncodeError:
        return _ascii(data)
    except (ValueError, RecursionError):
        return _ascii(shortened(data))
    return written


def shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data* with long texts cut, and ``cut``: for each the path, its length and the digest of all of it."""
    cuts: list[dict[str, Any]] = []
    short = _short(data, "", cuts, [_TOTAL], _DEPTH)
    return {**short, "cut": cuts} if cuts else dict(short)


def _short(value: Any, path: str, cuts: list[dict[str, Any]], left: list[int], depth: int) -> Any:
    if isinstance(value, str):
        return _short_text(value, path, cuts, left)
    if isinstance(value, float):
        return value if -1e300 < value < 1e300 else None
    if isinstance(value, dict | list):
        if not depth or len(value) > _MEMBERS:
            cuts.append({"at": path, "members": len(value)})
        if not depth:
            return None
        if isinstance(value, list):
            return [_short(row, f"{path}/{i}", cuts, left, depth - 1) for i, row in enumerate(value[:_MEMBERS])]
        some = list(value.items())[:_MEMBERS]
        return {name[:200]: _short(row, f"{path}/{name[:200]}", cuts, left, depth - 1) for name, row in some}
    return value


def _short_text(value: str, path: str, cuts: list[dict[str, Any]], left: list[int]) -> str:
    most = min(_TEXT, left[0])
    left[0] -= min(len(value), most)
    if len(value) <= most:
        return value
    digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    cuts.append({"at": path, "characters": len(value), "sha256": digest})
    return value[:most]
