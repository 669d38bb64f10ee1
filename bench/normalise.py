"""How fast raw streams become normalized events, in one process: processor time, a backend and a kind of line a row.

Short lines are the recorded streams of the tests, over and over; long ones carry tool outputs of 4 KB, as real work does.
The peer, in the same run on the same lines, only reads and writes JSON: ``json.dumps(json.loads(line))``.

Target: 50 MB/s or 100,000 events/s, whichever is less: a row has met it when one of both is reached.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

from loops.streams.normaliser import Normaliser

from bench.table import Row, Table

RECORDED = Path(__file__).parents[1] / "tests" / "streams" / "recorded"
BACKENDS = {
    "claude": ("claude-ok", "claude-resume"),
    "codex": ("codex-ok", "codex-accept"),
    "opencode": ("opencode-ok", "opencode-approve"),
    "pi": ("pi-ok", "pi-approve"),
    "acp": ("acp-opencode-ok",),
}
OUTPUT = "A line of what a command printed, with a path: /srv/project/engine/module.py:12\n" * 50
MEGABYTES_A_SECOND, EVENTS_A_SECOND = 50.0, 100_000.0
PEER = "json.loads + json.dumps"
COLUMNS = ["MB/s", "events/s", "lines/s", "B/line", "of target"]
SLOWEST = "the slowest of them"


class _Line(NamedTuple):
    stream: str
    raw: bytes
    recorded: float


def tables(quick: bool) -> list[Table]:
    """Measure and return the tables."""
    seconds = 0.5 if quick else 3.0
    found = []
    for kind in ("short", "long"):
        table = Table(f"normalise: raw lines to normalized events; {kind} lines", COLUMNS, "")
        table.scenario = f"normalise {kind}"
        for name, recordings in BACKENDS.items():
            lines = [line for recording in recordings for line in _lines(recording)]
            if kind == "long":
                lines = _lengthened(lines)
            table.rows.append(_normalised(name, lines, seconds))
            table.rows.append(_peer(f"{PEER}, {name}'s lines", lines, seconds))
        own = [row.figures for row in table.rows if row.name in BACKENDS]
        table.rows.append(Row(SLOWEST, min(own, key=lambda figures: figures[-1] or 0.0)))
        found.append(table)
    return found


def _lines(recording: str) -> list[_Line]:
    found = []
    for line in (RECORDED / f"{recording}.rec").read_bytes().splitlines():
        stream, seconds, raw = line.split(b" ", 2)
        if stream in (b"in", b"out"):
            found.append(_Line(stream.decode(), raw, float(seconds)))
    return found


def _lengthened(lines: list[_Line]) -> list[_Line]:
    """Give the outputs in *lines* the length that they have in real work, and leave out what is only about the start."""
    long = json.dumps(OUTPUT).encode()
    markers = (
        b'"(Bash completed with no output)"',
        b'"aggregatedOutput":null',
        b'"output":"(no output)"',
        b'"(no output)"',
    )
    places = (long, b'"aggregatedOutput":' + long, b'"output":' + long, long)
    found = []
    for line in lines:
        raw = line.raw
        for marker, place in zip(markers, places, strict=True):
            raw = raw.replace(marker, place, 1)
        found.append(line._replace(raw=raw))
    return found


def _normalised(name: str, lines: list[_Line], seconds: float) -> Row:
    normaliser = Normaliser(name, "", "bench.1", "bench", utc_offset=0)
    events = rounds = 0
    begin = time.process_time()
    while (taken := time.process_time() - begin) < seconds:
        rounds += 1
        for line in lines:
            events += len(normaliser.feed(line.stream, line.raw, line.recorded))
    return Row(name, _figures(lines, rounds, taken, events))


def _peer(name: str, lines: list[_Line], seconds: float) -> Row:
    rounds = 0
    begin = time.process_time()
    while (taken := time.process_time() - begin) < seconds:
        rounds += 1
        for line in lines:
            if line.raw.startswith(b"{"):
                json.dumps(json.loads(line.raw))
    return Row(name, _figures(lines, rounds, taken, None))


def _figures(lines: list[_Line], rounds: int, taken: float, events: int | None) -> tuple[float | None, ...]:
    size = sum(len(line.raw) + 1 for line in lines)
    megabytes, read = size * rounds / taken / 1e6, len(lines) * rounds / taken
    told = None if events is None else events / taken
    met = None if told is None else max(megabytes / MEGABYTES_A_SECOND, told / EVENTS_A_SECOND)
    return (megabytes, told, read, size / len(lines), met)
