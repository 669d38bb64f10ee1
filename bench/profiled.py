"""Where the time of a heal goes: ``python -m bench.profiled heal|mass [SESSIONS [HEALS]]`` (cProfile, processor time).

Prints, for supervisor and holder, the functions that take most of it, in microseconds a heal.
"""

from __future__ import annotations

import os
import pstats
import random
import signal
import subprocess
import sys
import time

from loops.sessions.launch import holder_command

from bench.project import Project, printing

SHOWN = 45


def main(words: list[str]) -> int:
    """Measure and print."""
    what = words[0] if words else "heal"
    size = int(words[1]) if len(words) > 1 else 1000
    count = int(words[2]) if len(words) > 2 else 300
    names = [f"s{n}" for n in range(size)]
    with printing(names) as run:
        started = [start(run, part) for part in ("holder", "supervisor")]
        run.place.births(names, time.monotonic() + 90)
        time.sleep(6)
        heals = kill(run, names, what, count)
        time.sleep(1)
        subprocess.run(run.words("down"), env=run.environment, capture_output=True, timeout=120)
        for process in started:
            process.wait(30)
        for part in ("supervisor", "holder"):
            path = os.path.join(run.place.directory, part)
            stats = pstats.Stats(path)
            print(f"--- {part}: microseconds a heal ({heals} heals; the {size} starts and the end are in it too)")
            show(stats, heals + size)
    return 0


def start(run: Project, part: str) -> subprocess.Popen[bytes]:
    """Start the holder, or the supervisor, under cProfile."""
    result = os.path.join(run.place.directory, part)
    run.runtime.create()
    python, *_flags, program = holder_command()
    words = [program, run.runtime.holder_socket] if part == "holder" else ["loops.supervisor", run.config, "--up"]
    process = run.place.spawn(python, "-c", _PROGRAM[part], result, *words, **run.more)
    while part == "holder" and not os.path.exists(run.runtime.holder_socket):
        time.sleep(0.01)
    return process


_PROGRAM = {
    part: f"""
import cProfile, sys, time
result, *sys.argv = sys.argv[1:]
profile = cProfile.Profile(time.thread_time)  # processor time: what others take of the machine is not counted
{imported}
try:
    profile.runcall({called})
finally:
    profile.dump_stats(result)
"""
    for part, imported, called in (
        ("holder", "from loops.sessions import holder", "holder.main, sys.argv[1:]"),
        ("supervisor", "from loops.supervisor.__main__ import main", "main, sys.argv"),
    )
}


def kill(run: Project, names: list[str], what: str, count: int) -> int:
    """Kill *count* sessions one after the other, or all at once; return how many were healed."""
    if what == "mass":
        for name in names:
            run.place.kill(name)
        return len(run.place.births(names, time.monotonic() + 60))
    chance = random.Random(1)
    healed, taken = 0, []
    for name in chance.choices(names, k=count):
        time.sleep(0.02)
        begin = run.place.kill(name)
        for birth in run.place.births([name], time.monotonic() + 10):
            healed += 1
            taken.append((birth.at - begin) / 1e6)
    taken.sort()
    print(f"heal: median {taken[len(taken) // 2]:.2f} ms, p95 {taken[len(taken) * 95 // 100]:.2f} ms")
    return healed


def show(stats: pstats.Stats, heals: int) -> None:
    """Print the functions by the time that they take themselves, and with what they call."""
    rows = []
    for (file, line, name), (_, calls, own, whole, _callers) in stats.stats.items():  # type: ignore[attr-defined]
        where = f"{os.path.basename(os.path.dirname(file))}/{os.path.basename(file)}:{line}" if line else ""
        rows.append((own / heals * 1e6, whole / heals * 1e6, calls / heals, f"{name} {where}"))
    print(f"{'own':>8} {'whole':>8} {'calls':>7}")
    for own, whole, calls, name in sorted(rows, reverse=True)[:SHOWN]:
        print(f"{own:8.1f} {whole:8.1f} {calls:7.1f}  {name}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
