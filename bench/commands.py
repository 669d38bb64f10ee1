"""Whole processes, as a person or a script starts them: in a pipe and on a terminal, beside an empty Python."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from bench.measure import median, quantile
from bench.project import printing
from bench.table import Row, Table

PYTHON = "python3 -c pass"


def tables(sizes: list[int], quick: bool) -> list[Table]:
    """Measure and return a table a size."""
    found = []
    for size in sizes:
        title = f"commands: the whole process; {size} sessions"
        table = Table(title, ["ms", "p95", "bytes"], PYTHON, scenario="commands")
        table.sessions = size
        names = [f"s{n}" for n in range(size)]
        with printing(names) as run:
            run.up(names)
            time.sleep(4.0 if size >= 1000 else 2.0)
            status, explain = run.words("status"), run.words("explain", "s0")
            ways: dict[str, tuple[Way, list[str]]] = {
                PYTHON: (in_a_pipe, [sys.executable, "-c", "pass"]),
                "loops status, in a pipe": (in_a_pipe, status),
                "loops status, on a terminal": (on_a_terminal, status),
                "loops status --json": (in_a_pipe, [*status, "--json"]),
                "loops explain, in a pipe": (in_a_pipe, explain),
                "loops explain, on a terminal": (on_a_terminal, explain),
                "loops --version": (in_a_pipe, [sys.executable, "-m", "loops", "--version"]),
            }
            table.rows += compare(ways, {**run.environment, "TERM": "xterm-256color"}, 5 if quick else 21)
        found.append(table)
    return found


Way = Callable[[Sequence[str], Mapping[str, str]], int]


def compare(ways: Mapping[str, tuple[Way, Sequence[str]]], environment: Mapping[str, str], rounds: int) -> list[Row]:
    """Run them in turns, so that a noisy neighbour hits all alike; a row each."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    size = dict.fromkeys(ways, 0)
    for number in range(rounds + 1):
        for name, (way, words) in ways.items():
            begin = time.perf_counter()
            size[name] = way(words, environment)
            if number:  # the first round writes what is then cached
                taken[name].append((time.perf_counter() - begin) * 1e3)
    rows = []
    for name in ways:
        if size[name] < 0:
            rows.append(Row(name, skipped="it failed"))
        else:
            rows.append(Row(name, (median(taken[name]), quantile(taken[name], 0.95), float(size[name]))))
    return rows


def in_a_pipe(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run *words*; return how many bytes came, -1 when it failed."""
    done = subprocess.run(words, env=dict(environment), capture_output=True, timeout=60)
    return -1 if done.returncode else len(done.stdout)


def on_a_terminal(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """The same on a terminal of 50 lines that reads as fast as it can."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        process = subprocess.Popen(words, env=dict(environment), stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        size = 0
        while True:
            try:
                chunk = os.read(master, 1 << 16)
            except OSError:  # EIO: nobody has it open any more
                break
            size += len(chunk)
        return -1 if process.wait(60) else size
    finally:
        os.close(master)
