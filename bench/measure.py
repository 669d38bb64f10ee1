"""Statistics, and what /proc knows of a process: memory, processor time, wake-ups.  Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def quantile(values: Sequence[float], part: float) -> float:
    """Return the linearly interpolated quantile; *part* is 0 to 1, *values* is not empty."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * part
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return quantile(values, 0.5)


@dataclass(frozen=True, slots=True)
class Cost:
    """What some processes have used so far (``cpu`` seconds, context ``switches``) and hold now (``pss`` bytes)."""

    cpu: float
    switches: int
    pss: int
    processes: int


def cost(pids: Iterable[int]) -> Cost:
    """Sum up the cost of *pids*; one that is gone costs nothing."""
    cpu, switches, pss, count = 0.0, 0, 0, 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                cpu += int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[0]) / 1e9  # nanoseconds, not ticks
                switches += _field_sum(f"/proc/{pid}/task/{thread}/status", "voluntary_ctxt_switches:")
            pss += _field_sum(f"/proc/{pid}/smaps_rollup", "Pss:") * 1024
            count += 1
        except (OSError, IndexError):
            continue
    return Cost(cpu, switches, pss, count)


def _field_sum(path: str, field: str) -> int:
    """Sum the numbers after *field*, also where another word stands before it (nonvoluntary_…)."""
    total = 0
    for line in _read(path).splitlines():
        name, _, value = line.partition("\t" if "ctxt" in field else " ")
        if name.endswith(field):
            total += int(value.split()[0])
    return total


def with_environment(mark: bytes) -> list[int]:
    """Return the processes whose environment holds the entry *mark* (``NAME=value``)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        found.append(int(entry))
            except OSError:
                continue
    return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
