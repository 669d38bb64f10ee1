"""The end of all sessions at once, when the holder itself is told to end.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress

from loops.sessions import tree


class Closing:
    """SIGTERM to everything, a grace, then freeze and SIGKILL until nothing is left.

    The holder is the subreaper of all that its sessions ever started, so that everything below it is meant; sessions
    that an earlier holder started are found from their *leaders*.  It never waits: call `step` about every
    `tree.STEP_PAUSE` seconds until it says that it is done.
    """

    __slots__ = ("_calm", "_deadline", "_leaders", "_told")

    def __init__(self, leaders: Iterable[tree.Process], *, grace: float, now: float) -> None:
        """*grace*: seconds between SIGTERM and SIGKILL.  *now*: any clock that does not jump, the same for `step`."""
        self._leaders = tuple(leaders)
        self._deadline = now + grace
        self._told: set[tree.Process] = set()
        self._calm = 0

    def step(self, now: float) -> bool:
        """Do what is to be done now; True when no process is left."""
        living = self._living()
        self._calm = 0 if living else self._calm + 1
        if now < self._deadline:
            for process in living - self._told:  # what is started meanwhile is told too
                _signal(process, signal.SIGTERM)
                _signal(process, signal.SIGCONT)  # a stopped process would never hear of it
            self._told |= living
        else:
            self._kill(living)
        return self._calm >= tree.CALM_LOOKS

    def _kill(self, living: set[tree.Process]) -> None:
        frozen: set[tree.Process] = set()
        for _ in range(tree.ROUNDS):
            if living <= frozen:
                break
            for process in living - frozen:
                _signal(process, signal.SIGSTOP)
            frozen |= living
            living = self._living()
        for process in frozen:
            _signal(process, signal.SIGKILL)

    def _living(self) -> set[tree.Process]:
        found = set(tree.descendants(os.getpid()))
        for leader in self._leaders:
            if leader not in found and tree.identify(leader.pid) == leader:
                found |= {leader, *tree.descendants(leader.pid)}
        return found


def _signal(process: tree.Process, number: int) -> None:
    with suppress(PermissionError):  # a program that became somebody else: it is not ours to end
        tree.send(process, number)
