"""The journal beside SQLite (WAL, synchronous=FULL) and beside bare lines with the same flush: events a second.

The ways take turns in short rounds, so that a noisy neighbour hits all of them alike; the median round counts.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack

from loops.journal import Event, Journal, read, verify

from bench.measure import median
from bench.table import Row, Table

SOURCE = "urn:loops:project:bench"
Write = Callable[[int], None]


def facts(n: int) -> dict[str, str | int]:
    """Return one event's data, as a supervisor writes it."""
    return {"pid": 12345, "incarnation": n, "signal": 9, "why": "killed"}


def journal_writer(directory: str, stack: ExitStack) -> Write:
    """Commit *size* events at once to our journal."""
    journal = stack.enter_context(Journal.open(os.path.join(directory, "journal"), source=SOURCE))

    def write(size: int) -> None:
        journal.append(Event("session.ended", "builder", facts(n)) for n in range(size))
        journal.commit()

    return write


def sqlite_writer(directory: str, stack: ExitStack) -> Write:
    """Commit the same events, as JSON text with sequence, time and subject, in one transaction."""
    base = sqlite3.connect(os.path.join(directory, "events.db"), isolation_level=None)
    stack.callback(base.close)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=full")
    base.execute("create table events (sequence integer primary key, time real, type text, subject text, data text)")

    def write(size: int) -> None:
        base.execute("begin")
        for n in range(size):
            row = (time.time(), "session.ended", "builder", json.dumps(facts(n)))
            base.execute("insert into events (time, type, subject, data) values (?, ?, ?, ?)", row)
        base.execute("commit")

    return write


def lines_writer(directory: str, stack: ExitStack) -> Write:
    """Write bare JSON lines and flush them: the floor for anything durable, with no chain and no check."""
    descriptor = os.open(os.path.join(directory, "lines"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stack.callback(os.close, descriptor)

    def write(size: int) -> None:
        rows = (
            {"time": time.time(), "type": "session.ended", "subject": "builder", "data": facts(n)} for n in range(size)
        )
        os.write(descriptor, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        os.fdatasync(descriptor)

    return write


WRITERS = {"loops journal": journal_writer, "SQLite WAL FULL": sqlite_writer, "bare lines": lines_writer}


def rates(size: int, rounds: int, commits: int) -> dict[str, float]:
    """Return the median events a second of each way, *size* events a commit."""
    with tempfile.TemporaryDirectory(prefix="loops-bench-") as directory, ExitStack() as stack:
        writers = {name: make(directory, stack) for name, make in WRITERS.items()}
        seconds: dict[str, list[float]] = {name: [] for name in writers}
        for _ in range(rounds):
            for name, write in writers.items():
                begin = time.perf_counter()
                for _ in range(commits):
                    write(size)
                seconds[name].append(time.perf_counter() - begin)
        return {name: size * commits / median(taken) for name, taken in seconds.items()}


def reading(records: int) -> dict[str, float]:
    """Return records a second: replayed (chain verified, decoded), verified whole, and opened (chain only)."""
    with tempfile.TemporaryDirectory(prefix="loops-bench-") as directory:
        with Journal.open(directory, source=SOURCE) as journal:
            journal.append(Event("session.ended", "builder", facts(n)) for n in range(records))
        with open(os.path.join(directory, "00000001.jsonl"), "rb") as file:
            begin = time.perf_counter()
            count = sum(1 for line in file if json.loads(line))
            plain = count / (time.perf_counter() - begin)
        begin = time.perf_counter()
        Journal.open(directory, source=SOURCE).close()
        opened = count / (time.perf_counter() - begin)
        begin = time.perf_counter()
        replayed = sum(1 for _ in read(directory)) / (time.perf_counter() - begin)
        begin = time.perf_counter()
        verified = verify(directory).records / (time.perf_counter() - begin)
    return {"replay": replayed, "open": opened, "verify": verified, "json.loads of each line": plain}


def tables(quick: bool) -> list[Table]:
    """Measure and return the tables."""
    rounds, commits = (5, 40) if quick else (9, 150)
    found = []
    for size in (1, 10, 100):
        table = Table(f"journal: {size} events a commit, flushed", ["events/s"], "SQLite WAL FULL", scenario="journal")
        table.rows = [Row(name, (rate,)) for name, rate in rates(size, rounds, max(10, commits // size)).items()]
        found.append(table)
    table = Table("journal: reading back", ["records/s"], "json.loads of each line")
    table.rows = [Row(name, (rate,)) for name, rate in reading(10_000 if quick else 50_000).items()]
    return [*found, table]
