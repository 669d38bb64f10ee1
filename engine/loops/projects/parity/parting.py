"""Where two values begin to differ: orders, texts, bytes.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from loops.projects.parity.comparison import Parting

END = "(nothing more)"


def of_orders(live: Sequence[str], staged: Sequence[str]) -> Parting | None:
    """The first position, from 1, at which two lists differ; None: they are equal."""
    for position, (mine, other) in enumerate(zip_longest(live, staged, fillvalue=END), 1):
        if mine != other:
            return Parting(f"position {position}", mine, other)
    return None


def of_texts(live: str, staged: str) -> Parting | None:
    """The first line that differs, with what cannot be seen made visible; None: the texts are equal."""
    lines = zip_longest(_lines(live), _lines(staged))
    for number, (mine, other) in enumerate(lines, 1):
        if mine != other:
            return Parting(f"line {number}", *_seen(mine, other))
    return None


def of_bytes(live: bytes, staged: bytes) -> Parting | None:
    """The same for files, with the byte, from 0, as well: they may be no text at all."""
    if live == staged:
        return None
    both = min(len(live), len(staged))
    first = next((index for index in range(both) if live[index] != staged[index]), both)
    start = live.rfind(b"\n", 0, first) + 1
    line = live.count(b"\n", 0, first) + 1
    mine, other = (_line_at(data, start) for data in (live, staged))
    return Parting(f"line {line}, byte {first}", *_seen(mine, other))


def _line_at(data: bytes, start: int) -> str | None:
    if start >= len(data):
        return None
    end = data.find(b"\n", start)
    line = data[start:] if end < 0 else data[start : end + 1]
    return line.decode("utf-8", "backslashreplace")


def _lines(text: str) -> list[str]:
    """With their ends, and only the newline as an end: a form feed or a carriage return is a difference of its own."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _seen(live: str | None, staged: str | None) -> tuple[str, str]:
    """Both lines; without their newline, unless it is what they differ in, and with marks where blanks are."""
    shown = [END if line is None else line.removesuffix("\n") for line in (live, staged)]
    if shown[0] == shown[1]:  # one ends without a newline
        shown = [END if line is None else line.replace("\n", "⏎") for line in (live, staged)]
    if "".join(shown[0].split()) == "".join(shown[1].split()):
        shown = [_marked(line) for line in shown]
    return shown[0], shown[1]


def _marked(line: str) -> str:
    """Blanks that are all that differs: without marks the two lines would look the same."""
    return line.replace(" ", "·").replace("\t", "→").replace("\r", "␍")
