"""Bytes to lines, however they are cut and however long they are."""

from __future__ import annotations


class Lines:
    """Splits on ``\\n`` alone: a program may well print ``\\r`` or U+2028 inside a line of JSON."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        """Nothing came yet."""
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Take in *data*; return the lines that it completes, without their newlines.

        A line that comes in many pieces is joined once, at its end: its cost is linear in its length.
        """
        first, newline, _ = data.partition(b"\n")
        if not newline:
            self._parts.append(data)
            return []
        if not self._parts:
            lines = data.split(b"\n")
        else:
            self._parts.append(first)
            lines = [b"".join(self._parts), *data[len(first) + 1 :].split(b"\n")]
            self._parts.clear()
        rest = lines.pop()
        if rest:
            self._parts.append(rest)
        return lines

    def rest(self) -> bytes:
        """Return, and forget, what came after the last newline."""
        rest = b"".join(self._parts)
        self._parts.clear()
        return rest
