"""`loops untouched` beside `find -exec sha256sum`: a tree of many small files, looked at and looked at again.

The peer only digests; the look also takes modes, owners, times, inodes and attributes, and writes all of it down.  Both
read from the page cache, which a first round has filled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from bench.measure import median
from bench.table import Row, Table

PEER = "find -exec sha256sum {} +"
ROUNDS = 3
FOLDERS = 100


def tables(quick: bool) -> list[Table]:
    """Return one table: seconds of each command, whole process."""
    count = 10_000 if quick else 100_000
    table = Table(f"untouched: a tree of {count:,} files", ["s", "us/file", "MB written"], against=PEER)
    table.scenario = "untouched"
    with tempfile.TemporaryDirectory(prefix="loops-bench-") as directory:
        tree = os.path.join(directory, "tree")
        plant(tree, count)
        times: dict[str, list[float]] = {PEER: [], "loops untouched baseline": [], "loops untouched check": []}
        size = 0
        for number in range(ROUNDS + 1):
            target = os.path.join(directory, f"{number}.json")
            spent = [
                _seconds(["find", tree, "-type", "f", "-exec", "sha256sum", "{}", "+"]),
                _seconds([sys.executable, "-m", "loops", "untouched", "baseline", tree, "--to", target]),
                _seconds([sys.executable, "-m", "loops", "untouched", "check", target]),
            ]
            size = os.path.getsize(target)
            if number:  # the first one fills the page cache
                for each, seconds in zip(times.values(), spent, strict=True):
                    each.append(seconds)
        for name, each in times.items():
            written = size / 1e6 if name.endswith("baseline") else None
            table.rows.append(Row(name, (median(each), median(each) / count * 1e6, written)))
    return [table]


def plant(tree: str, count: int) -> None:
    """Write *count* files of 1 to 4 kB in a hundred directories."""
    for folder in range(FOLDERS):
        os.makedirs(os.path.join(tree, f"folder-{folder}"))
    for number in range(count):
        path = os.path.join(tree, f"folder-{number % FOLDERS}", f"file-{number}.txt")
        with open(path, "wb") as file:
            file.write(f"{number}\n".encode() * (150 + number % 450))


def _seconds(command: Sequence[str]) -> float:
    engine = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "engine")
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": engine})
    return time.perf_counter() - begun
