"""Runs a phase's checks in a fresh clone of one commit: a program of its own, in a session of the holder.

So it has a log, its tree is ended like any other, and it outlives a killed supervisor.  Its answer is one JSON file,
written whole or not at all; exit code 0 says that the file is there, whatever it says.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What to check.

    ``repo`` is a clone whose ``remote`` is cloned anew, so that nothing unpushed is ever checked; ``work`` is a directory
    of our own, made for this; ``timeout`` is seconds for all of it.
    """

    repo: str
    remote: str
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
    # In the clone, for a remote may be a path relative to it.
    clone = 'url=$(git remote get-url "$0") && exec git clone --quiet --no-checkout -- "$url" "$1"'
    steps = [
        ["sh", "-c", clone, order.remote, order.work],
        ["git", "-C", order.work, "-c", "advice.detachedHead=false", "checkout", "--quiet", order.commit, "--"],
    ]
    for step in steps:
        said = _call(step, order.repo, deadline, {**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        if said:
            return False, f"no fresh clone of {order.commit[:10]}: {step[0]} {said}"
    for command in order.commands:
        print(f"[loops] $ {command}", flush=True)
        said = _call(["sh", "-c", command], order.work, deadline, dict(os.environ))
        if said:
            return False, f"`{command}` {said} in a fresh clone of {order.commit[:10]}"
    return True, f"{len(order.commands)} checks succeeded in a fresh clone of {order.commit[:10]}"


def _call(argv: list[str], directory: str, deadline: float, env: dict[str, str]) -> str:
    """Run *argv* in a session of its own, where nothing can ask a terminal; return "" or how it failed."""
    try:
        process = subprocess.Popen(argv, cwd=directory, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return f"could not be run ({error.strerror})"
    try:
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what left the group ends with our session
        process.wait()
        return "took too long"
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended with exit {code}" if code else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
