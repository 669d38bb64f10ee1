"""The supervisor is killed with -9, again and again, while every session prints: how soon is all adopted, what is lost?

A sample ends when the new supervisor's own table says RUNNING for every session.  Lost and doubled are counted over all
processes of the arena, lost bytes by comparing each log with what its session says that it printed.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress

from loops.journal import read
from loops.places import State

from bench.arena import Arena
from bench.measure import median, quantile
from bench.project import Project, printing
from bench.table import Row, Table

COLUMNS = ["ms", "p95", "worst", "lost", "doubled", "bytes lost", "bytes at stake", "kills"]
HEALTHY = 10.3
"""Seconds that a supervisor must have lived to be started again at once (`loops.sessions.respawn.HEALTHY_AFTER`)."""
PATIENCE = 20.0


def tables(sizes: list[int], quick: bool) -> list[Table]:
    """Measure and return a table a size."""
    found = []
    for size in sizes:
        table = Table(f"adopt: kill -9 of the supervisor, until all {size} are adopted", COLUMNS, "", scenario="adopt")
        table.sessions = size
        table.rows.append(_row(size, 3 if quick else 20))
        table.rows.append(Row("all others", skipped="none adopts: a restarted one starts second copies of what runs"))
        found.append(table)
    return found


def _row(size: int, kills: int) -> Row:
    names = [f"s{n}" for n in range(size)]
    hertz = "10" if size <= 100 else "1"
    with printing(names, hertz) as run:
        run.up(names)
        born = time.monotonic()
        run.place.births(["nobody"], born + (6.0 if size >= 1000 else 2.0))
        first, epoch = dict(run.place.alive), _epoch(run)
        taken = []
        for _ in range(kills):
            run.place.births(["nobody"], born + HEALTHY)  # notes whoever is started a second time
            pid = run.supervisor()
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            taken.append(_until_all_run(run, size, begin))
            born = time.monotonic()
        run.place.births(["nobody"], time.monotonic() + 1.0)
        living = _children(run.place)
        lost = sum(pid not in living for pid in first.values())
        doubled = len(living) - (size - lost)
        missing, stake = _bytes_lost(run, names)
        if _epoch(run) != epoch + kills:
            return Row("loops", skipped=f"{kills} kills, but the epoch went from {epoch} to {_epoch(run)}")
    if None in taken:
        return Row("loops", skipped=f"not all were adopted within {PATIENCE:.0f} s")
    ms = [1e3 * seconds for seconds in taken if seconds is not None]
    counts = (float(lost), float(doubled), float(missing), float(stake), float(kills))
    return Row("loops", (median(ms), quantile(ms, 0.95), max(ms), *counts))


def _until_all_run(run: Project, size: int, begin: float) -> float | None:
    """Return the seconds from *begin* until a supervisor answers with *size* sessions that run."""
    while time.monotonic() < begin + PATIENCE:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(run.runtime.control_socket)
            sock.sendall(b"status plain\n")
            chunks = []
            while chunk := sock.recv(1 << 18):
                chunks.append(chunk)
            if b"".join(chunks).count(b" RUNNING ") == size + 1:  # the supervisor itself has a line
                return time.monotonic() - begin
        time.sleep(0.001)
    return None


def _epoch(run: Project) -> int:
    directory = State(os.path.join(run.place.directory, "log")).journal
    return max(record.epoch for record in read(directory))


def _children(place: Arena) -> set[int]:
    found = set()
    for pid in place.processes():
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(place.child):
                found.add(pid)
    return found


def _bytes_lost(run: Project, names: list[str]) -> tuple[int, int]:
    """Have all sessions stop printing and say how much they printed; return what their logs lack, and the whole."""
    for pid in run.place.alive.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
    said = {birth.name: birth.at for birth in run.place.births(names, time.monotonic() + PATIENCE)}
    time.sleep(0.5)  # for the holder to take the last line
    missing = whole = 0
    for name in names:
        lines = [b"%s %d\r\n" % (name.encode(), number) for number in range(said.get(name, 0))]
        whole += sum(map(len, lines))
        log = run.log(name)
        if log != b"".join(lines):
            there = set(log.splitlines(keepends=True))
            missing += max(1, sum(len(line) for line in lines if line not in there))  # 1: out of order, or torn
    return missing, whole
