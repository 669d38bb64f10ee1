"""The journal's writer is killed with -9, again and again: is every event there whose commit it acknowledged?

And every way to damage a small journal by one cut or one flipped bit: is each told for what it is?  A kill leaves the
page cache alone, so this proves nothing about a power cut; there fdatasync has to do what it promises.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from loops.journal import Event, Journal, read, verify

from bench.journal import SOURCE, facts
from bench.table import Row, Table

ROUNDS = 25
"""Kills of one journal, before the next one is begun: each start verifies it from its first record on."""


def tables(quick: bool) -> list[Table]:
    """Measure and return the tables."""
    kills = 50 if quick else 1000
    table = Table("acknowledged: kill -9 of the journal's writer", ["lost", "acknowledged", "torn tails", "kills"], "")
    table.scenario = "acknowledged"
    table.rows.append(Row("loops journal", tuple(map(float, _killed(kills)))))
    damage = Table("damage: every cut and every flipped bit of a small journal", ["told wrongly", "cases"], "")
    damage.scenario = "damage"
    with tempfile.TemporaryDirectory(prefix="loops-bench-") as directory:
        path, data = _sample(directory)
        damage.rows.append(Row("cut at every byte", _cut(path, data)))
        damage.rows.append(Row("every bit flipped", _flipped(path, data)))
    return [table, damage]


def _killed(kills: int) -> tuple[int, int, int, int]:
    chance = random.Random(1)
    lost = acknowledged = torn = 0
    for begin in range(0, kills, ROUNDS):
        with tempfile.TemporaryDirectory(prefix="loops-bench-") as directory:
            known: set[int] = set()
            for number in range(begin, min(begin + ROUNDS, kills)):
                known |= _one_kill(directory, number * 1_000_000, chance.uniform(0.001, 0.02))
            there = {record.data["incarnation"] for record in read(directory) if record.type == "session.ended"}
            opened = [record.data for record in read(directory) if record.type == "journal.opened"]
            torn += sum(bool(data["repaired"]) for data in opened)
            lost += len(known - there)
            acknowledged += len(known)
    return lost, acknowledged, torn, kills


def _one_kill(directory: str, first: int, after: float) -> set[int]:
    """Fork a writer of the numbers from *first* on, kill it *after* seconds; return what it acknowledged."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _write(directory, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as acknowledgements:
        begun = acknowledgements.readline()  # the journal is open
        time.sleep(after if begun else 0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lines = acknowledgements.read().splitlines()
    return {number for line in lines for number in range(*map(int, line.split()))}


def _write(directory: str, first: int, acknowledge: int) -> None:
    journal = Journal.open(directory, source=SOURCE)
    os.write(acknowledge, b"open\n")
    number = first
    while True:
        size = 1 + number % 7
        journal.append(Event("session.ended", "builder", facts(n)) for n in range(number, number + size))
        journal.commit()
        os.write(acknowledge, b"%d %d\n" % (number, number + size))
        number += size


def _sample(directory: str) -> tuple[Path, bytes]:
    with Journal.open(directory, source=SOURCE) as journal:
        journal.append(Event("session.ended", "builder", facts(n)) for n in range(2))
    path = Path(directory, "00000001.jsonl")
    return path, path.read_bytes()


def _cut(path: Path, data: bytes) -> tuple[float, float]:
    """A journal cut anywhere is sound, has the whole lines, and a torn tail unless the cut fell between two of them."""
    wrong = 0
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found = verify(str(path.parent))
        whole, tail = data[:length].count(b"\n"), length - (data.rfind(b"\n", 0, length) + 1)
        wrong += (found.sound, found.records, found.torn) != (True, whole, tail)
    return float(wrong), float(len(data))


def _flipped(path: Path, data: bytes) -> tuple[float, float]:
    """A journal with one wrong bit anywhere is not sound, and the lines before it still count."""
    wrong = 0
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            path.write_bytes(bytes(flipped))
            found = verify(str(path.parent))
            wrong += (found.sound, found.records) != (False, data[:position].count(b"\n"))
    return float(wrong), float(8 * len(data))
