"""What it costs when every session prints a line a second: all parts of the supervision, the writing of the logs included."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress

from bench.arena import Arena, arena
from bench.measure import cost
from bench.project import printing, process_tree
from bench.table import Row, Table

COLUMNS = ["% of a core", "us a line", "MB"]
PIPES = 100
"""Most sessions for tmux with pipe-pane: it takes a process more for each."""
TMUX = "tmux, one server, pipe-pane"


def tables(sizes: list[int], quick: bool) -> list[Table]:
    """Measure and return a table a size."""
    found = []
    for size in sizes:
        table = Table(f"chatter: {size} sessions print a line a second, logs included", COLUMNS, "loops")
        table.scenario, table.sessions = "chatter", size
        seconds = 5.0 if quick else 20.0
        table.rows += [_loops(size, seconds), _tmux(size, seconds)]
        table.rows.append(Row("all others", skipped="give their sessions no terminal"))
        found.append(table)
    return found


def _loops(size: int, seconds: float) -> Row:
    names = [f"s{n}" for n in range(size)]
    with printing(names, "1") as run:
        run.up(names)
        time.sleep(6.0 if size >= 1000 else 3.0)  # the views are being made
        before = sum(run.log(name).count(b"\n") for name in names)
        row = _row("loops", run.supervisors(), seconds, size)
        printed = sum(run.log(name).count(b"\n") for name in names) - before
    if printed < 0.8 * size * seconds:
        return Row("loops", skipped=f"the logs hold {printed} lines where {size * seconds:.0f} were printed")
    return row


def _tmux(size: int, seconds: float) -> Row:
    if not shutil.which("tmux"):
        return Row(TMUX, skipped="tmux is not installed")
    if size > PIPES:
        return Row(TMUX, skipped=f"measured up to {PIPES} sessions: it takes a process more for each")
    with arena() as place:
        names = [f"s{n}" for n in range(size)]
        for name in names:
            script = f"{place.child} {name} 1"
            _ask(place, "new-session", "-d", "-s", name, script)
            _ask(place, "pipe-pane", "-t", f"={name}:", f"exec cat >> {place.directory}/{name}.log")
        place.births(names, time.monotonic() + 30)
        server = int(_ask(place, "list-sessions", "-F", "#{pid}").split()[0])
        try:
            time.sleep(2.0)
            children = set(place.alive.values())
            return _row(TMUX, [pid for pid in process_tree(server) if pid not in children], seconds, size)
        finally:
            with suppress(ProcessLookupError):
                os.kill(server, 9)


def _ask(place: Arena, *words: str) -> str:
    argv = ["tmux", "-S", f"{place.directory}/tmux.sock", "-f", "/dev/null", *words]
    return subprocess.run(argv, env=dict(place.environment), capture_output=True, text=True, timeout=30).stdout


def _row(name: str, pids: list[int], seconds: float, size: int) -> Row:
    before, begin = cost(pids), time.monotonic()
    time.sleep(seconds)
    after, taken = cost(pids), time.monotonic() - begin
    share = (after.cpu - before.cpu) / taken
    return Row(name, (share * 100, share / size * 1e6, after.pss / 1e6))
