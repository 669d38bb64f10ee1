"""One session prints 100 MB as fast as it can: how fast is that taken, and does a neighbour notice?

The neighbour's latency is that of a key: pressed in one window, until its echo is seen there.  It passes the holder twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress

from bench.arena import Arena, arena
from bench.measure import cost, median, quantile
from bench.project import HEAD, process_tree, project, service
from bench.table import Row, Table
from bench.window import Window

BYTES = 100_000_000
COLUMNS = ["MB/s", "neighbour's key, ms", "p95", "worst", "the same before", "MB, all parts", "MB of log"]
PATIENCE = 120.0
TMUX = "tmux, one server, pipe-pane"


def tables() -> list[Table]:
    """Measure and return the table."""
    table = Table(f"flood: one session prints {BYTES // 1_000_000} MB", COLUMNS, "", scenario="flood")
    table.rows += [_loops(), _tmux()]
    return [table]


def _printer(place: Arena) -> str:
    """Return a script that waits at a fifo, prints, and then tells that it is through."""
    os.mkfifo(f"{place.directory}/go")
    line = "0123456789" * 7 + "abcdefghi"
    return f"read go < {place.directory}/go; yes {line} | head -c {BYTES}; exec {place.child} flood"


def _go(place: Arena) -> None:
    with open(f"{place.directory}/go", "w", encoding="ascii") as fifo:
        fifo.write("go\n")


def _loops() -> Row:
    with arena() as place:
        services = service("flood", "/bin/sh", "-c", _printer(place)) + service("echo", place.child, "echo")
        with project(place, HEAD + services) as run:
            run.up(["echo"])
            time.sleep(2.0)
            window = Window(run, "echo")
            before = [window.echo() for _ in range(100)]
            _go(place)
            begin, during = time.monotonic(), []
            place.channel.setblocking(False)
            ended = None
            while ended is None and time.monotonic() < begin + PATIENCE:
                during.append(window.echo())
                ended = _birth(place)
                time.sleep(0.002)
            memory = cost(run.supervisors()).pss / 1e6
            kept = sum(_size(f"{place.directory}/log/flood.log{end}") for end in ("", *(f".{n}" for n in range(1, 10))))
    if ended is None:
        return Row("loops", skipped=f"it was not through within {PATIENCE:.0f} s")
    rate = BYTES / 1e6 / (ended / 1e9 - begin)
    return Row("loops", (rate, median(during), quantile(during, 0.95), max(during), median(before), memory, kept / 1e6))


def _tmux() -> Row:
    if not shutil.which("tmux"):
        return Row(TMUX, skipped="tmux is not installed")
    with arena() as place:
        script = place.write("flood.sh", _printer(place) + "\n")
        _ask(place, "new-session", "-d", "-s", "flood", f"sh {script}", ";", "pipe-pane", f"exec cat > {script}.log")
        server = int(_ask(place, "list-sessions", "-F", "#{pid}").split()[0])
        try:
            time.sleep(0.5)
            _go(place)
            begin = time.monotonic()
            born = place.births(["flood"], begin + PATIENCE)
            pids = [pid for pid in process_tree(server) if pid not in place.alive.values()]
            memory = cost(pids).pss / 1e6
            if not born:
                return Row(TMUX, skipped=f"it was not through within {PATIENCE:.0f} s")
            time.sleep(0.5)
            kept = _size(f"{script}.log") / 1e6
            return Row(TMUX, (BYTES / 1e6 / (born[0].at / 1e9 - begin), None, None, None, None, memory, kept))
        finally:
            with suppress(ProcessLookupError):
                os.kill(server, 9)


def _birth(place: Arena) -> int | None:
    with suppress(BlockingIOError):
        name, _pid, at = place.channel.recv(256).decode().split()
        return int(at) if name == "flood" else None
    return None


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _ask(place: Arena, *words: str) -> str:
    argv = ["tmux", "-S", f"{place.directory}/tmux.sock", "-f", "/dev/null", *words]
    return subprocess.run(argv, env=dict(place.environment), capture_output=True, text=True, timeout=30).stdout
