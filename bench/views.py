"""How long after `loops up` returned every session has its tmux session."""

from __future__ import annotations

import subprocess
import time

from bench.measure import median
from bench.project import printing
from bench.table import Row, Table

PATIENCE = 60.0


def tables(sizes: list[int], quick: bool) -> list[Table]:
    """Measure and return a table a size."""
    found = []
    for size in sizes:
        columns = ["ms", "up returned after"]
        table = Table(f"views: from the return of `loops up` to {size} tmux sessions", columns, "", scenario="views")
        table.sessions = size
        samples = [_sample(size) for _ in range(1 if quick else 3)]
        whole = [sample for sample in samples if sample is not None]
        if whole:
            table.rows.append(Row("loops", (median([a for a, _ in whole]), median([b for _, b in whole]))))
        else:
            table.rows.append(Row("loops", skipped=f"not all views came within {PATIENCE:.0f} s"))
        table.rows.append(Row("all others", skipped="their sessions have no terminal to look at, or die with it"))
        found.append(table)
    return found


def _sample(size: int) -> tuple[float, float] | None:
    names = [f"s{n}" for n in range(size)]
    with printing(names) as run:
        begin = time.monotonic()
        subprocess.run(run.words("up"), env=run.environment, capture_output=True, timeout=120, check=True)
        up = time.monotonic()
        while time.monotonic() < up + PATIENCE:
            if len(run.tmux("list-sessions", "-F", "#S").split()) >= size:
                return (time.monotonic() - up) * 1e3, (up - begin) * 1e3
            time.sleep(0.02)
    return None
