"""Sessions that outlived both their holder and their supervisor: without a terminal, known to nobody, and still at work.

Most end by the SIGHUP of their lost terminal.  One that does not would live beside the copy that is started in its stead.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from loops.sessions import tree

MOST = 5.0
"""Seconds that are spent on ending leftovers before the start goes on all the same."""
_NAME = b"LOOPS_SESSION="


def end_leftovers(
    project: str, reapers: Collection[int], living: Collection[str], leaders: Collection[int]
) -> list[str]:
    """End every process tree of *project* below *reapers* that belongs to no living session; return the trees' marks.

    *project*: the first part of its sessions' marks.  *living*: marks of the sessions that the holder has, whose own
    background processes are theirs to keep; *leaders*: the pids of those sessions, which are not looked at.
    """
    marks = sorted(set(_marks(project, reapers, leaders)) - set(living))
    for mark in marks:
        now = time.monotonic()
        ending = tree.Ending(None, reapers, mark, grace=0.0, now=now, leaders=frozenset(leaders))
        deadline = now + MOST
        while not ending.step(now) and now < deadline:
            time.sleep(tree.STEP_PAUSE)
            now = time.monotonic()
    return marks


def _marks(project: str, reapers: Collection[int], leaders: Collection[int]) -> Iterator[str]:
    prefix = _NAME + f"{project}/".encode()
    for reaper in reapers:
        for pid in tree.children(reaper):
            if pid in leaders:
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            for entry in environment.split(b"\0"):
                if entry.startswith(prefix):
                    yield entry[len(_NAME) :].decode("utf-8", "surrogateescape")
