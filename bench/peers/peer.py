"""What a contestant is to the benchmark."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from bench.arena import Arena

CACHE = os.environ.get("LOOPS_CACHE") or os.path.expanduser("~/.cache/loops")


class Peer:
    """One contestant in one arena: the sessions are named s0, s1, … and each runs ``arena.child NAME``.

    ``reaction`` is how long it may take, by design, to notice a death (seconds); ``settled`` is how old a child must be
    to be healed without a penalty for dying young.
    """

    name = ""
    reaction = 0.0
    settled = 1.2
    limit = 1_000_000
    """Most sessions it is asked for: beyond, it would take longer than the whole rest of the benchmark."""

    def __init__(self, arena: Arena) -> None:
        """Stand ready in *arena*; nothing runs yet."""
        self.arena = arena

    @classmethod
    def missing(cls) -> str:
        """Return why this contestant cannot take part here, or ""."""
        return ""

    @classmethod
    def install(cls) -> None:
        """Install it by the ordinary client of its registry; nothing when that is not how it comes."""

    def prepare(self, names: Sequence[str]) -> None:
        """Write what it reads (configuration, programs); not part of the measured start."""

    def start(self, names: Sequence[str]) -> None:
        """Begin to supervise *names*; return without waiting for them."""
        raise NotImplementedError

    def kill(self, name: str) -> int:
        """Kill the child *name*; return the nanoseconds of CLOCK_MONOTONIC just before."""
        return self.arena.kill(name)

    def stop(self) -> None:
        """End what a kill by pid (`Arena.clear`, which follows) would not end."""

    def supervisors(self) -> list[int]:
        """Return the processes that are the price of the supervision: all but the children themselves."""
        children = set(self.arena.alive.values())
        return [pid for pid in self.arena.processes() if pid not in children]

    def status_command(self) -> Sequence[str]:
        """Return the command that lists all sessions; empty when it has none."""
        return ()


def apt(*packages: str) -> None:
    """Install Debian packages."""
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], check=True)


def pip(environment: str, *packages: str) -> None:
    """Install from PyPI into a virtual environment of its own below the cache."""
    place = os.path.join(CACHE, "bench", environment)
    subprocess.run(["python3", "-m", "venv", place], check=True)
    subprocess.run([os.path.join(place, "bin", "pip"), "install", "-q", *packages], check=True)


def npm(environment: str, *packages: str) -> None:
    """Install from npm into a prefix of its own below the cache."""
    place = os.path.join(CACHE, "bench", environment)
    os.makedirs(place, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, *packages], check=True)


def cached(*path: str) -> str:
    """Return a path below the benchmark's cache."""
    return os.path.join(CACHE, "bench", *path)
