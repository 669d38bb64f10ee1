"""``python -m loops.projects.fleet.watchdog FLEET``: the one process that supervises the projects of a fleet.

Every holder starts it when it is gone.  Of so many that come at once, one gets the lock; the others are gone before they
have imported anything, and their holders are told that somebody else has come (`loops.sessions.respawn`).
"""

from __future__ import annotations

import os
import sys

from loops.sessions.respawn import TAKEN as TAKEN
from loops.supervisor.membership import CrewPlace

LARGEST_LOG = 4 << 20
"""Bytes of the log, after which a start begins it anew."""


def command(fleet: str) -> list[str]:
    """The command by which holders, and `loops fleet up`, start it."""
    return [sys.executable, "-m", "loops.projects.fleet.watchdog", fleet]


def run(path: str, *, all: bool = False, quiet: bool = False, take_over: bool = False) -> int:
    """Supervise the projects of the fleet.toml at *path*; return the exit code.

    *all*: also those that nobody brought up yet.  *quiet*: nobody reads our standard error, and the log takes it.
    *take_over*: if another process does it, that one has to leave.
    """
    from loops.errors import LoopsError

    place = CrewPlace(path)
    try:
        if take_over:
            from loops.projects.fleet import crew_process

            lock: int | None = crew_process.take_over(place)
        else:
            lock = place.take_lock()
        if lock is None:
            return TAKEN
        if quiet:
            _write_to(place.log)
        from loops.projects.fleet.running import FleetCrew

        return FleetCrew(place, command(place.fleet), all=all).run()
    except LoopsError as error:
        print(f"loops: {error}", file=sys.stderr)
        return error.exit_code


def _write_to(log: str) -> None:
    """What is said goes to *log*, and no more to the log of the one project whose holder has started us."""
    if os.path.exists(log) and os.path.getsize(log) > LARGEST_LOG:
        os.replace(log, f"{log}.1")
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)


if __name__ == "__main__":
    if os.getpid() != os.getpgrp():
        os.setsid()
    sys.exit(run(sys.argv[1], quiet=True))
