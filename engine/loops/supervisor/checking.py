"""Runs a phase's checks in a fresh clone of one commit: a program of its own, in a session of the holder.

So it has a log, its tree is ended like any other, and it outlives a killed supervisor.  Its answer is one JSON file,
written whole or not at all; exit code 0 says that the file is there, whatever it says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What to check.  ``source``: URL or path to clone from; ``work``: a directory of our own, made anew."""

    source: str
    commit: str
    work: str
    answer: str
    commands: tuple[str, ...]
    timeout: float


def main(argv: list[str]) -> int:
    """Run the order in ``argv[1]`` (JSON)."""
    given = json.loads(argv[1])
    order = Order(**{**given, "commands": tuple(given["commands"])})
    ok, text = run(order)
    print(f"[loops] {'ok' if ok else 'FAILED'}: {text}", flush=True)
    shutil.rmtree(order.work, ignore_errors=True)
    temporary = f"{order.answer}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump({"commit": order.commit, "ok": ok, "text": text}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, order.answer)
    return 0


def run(order: Order) -> tuple[bool, str]:
    """Return whether every command succeeded, and what failed."""
    shutil.rmtree(order.work, ignore_errors=True)
    deadline = time.monotonic() + order.timeout
    steps = [
        ["git", "clone", "--quiet", "--no-checkout", order.source, order.work],
        ["git", "-C", order.work, "-c", "advice.detachedHead=false", "checkout", "--quiet", order.commit],
    ]
    for step in steps:
        said = _call(step, "/", deadline)
        if said:
            return False, f"no fresh clone of {order.commit[:10]}: {said}"
    for command in order.commands:
        print(f"[loops] $ {command}", flush=True)
        said = _call(["sh", "-c", command], order.work, deadline)
        if said:
            return False, f"`{command}` {said} in a fresh clone of {order.commit[:10]}"
    return True, f"{len(order.commands)} checks succeeded in a fresh clone of {order.commit[:10]}"


def _call(argv: list[str], directory: str, deadline: float) -> str:
    """Run *argv*; return "" or how it failed."""
    try:
        process = subprocess.run(
            argv, cwd=directory, stdin=subprocess.DEVNULL, timeout=max(0.1, deadline - time.monotonic()), check=False
        )
    except subprocess.TimeoutExpired:
        return "took too long"
    except OSError as error:
        return f"could not be run ({error.strerror})"
    if process.returncode < 0:
        return f"was killed by signal {-process.returncode}"
    return f"ended with exit {process.returncode}" if process.returncode else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
