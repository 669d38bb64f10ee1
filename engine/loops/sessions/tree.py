"""The processes of a session, and how to end all of them.

A process group is not enough: of a tree of 1001 in which one in ten calls setsid, killpg leaves a hundred alive.  The
holder is a subreaper, so a daemonised grandchild becomes its child; the marker in its environment says whose it was.
A process that was daemonised with an emptied environment cannot be told from others, and is left alone.

Every process is named by pid and start time, and is signalled through a pidfd that was checked against them: a pid
that was reused meanwhile is never signalled.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple

MARKER = "LOOPS_SESSION"
"""In the environment of every process of a session: PROJECT/NAME/INCARNATION."""
ROUNDS = 20
"""Looks at most in one step.  Each finds what the processes that were not yet stopped forked meanwhile."""
CALM_LOOKS = 2
"""Calm looks in a row before nothing counts as left: both readings of one look can skip the same process."""
STEP_PAUSE = 0.02
"""Seconds that are worth waiting between two steps of an `Ending`."""


class Process(NamedTuple):
    """One process for ever: ``start_time`` is field 22 of /proc/PID/stat, in clock ticks after boot."""

    pid: int
    start_time: int


@dataclass(frozen=True, slots=True)
class _Status:
    state: str
    parent: int
    start_time: int


def _status(pid: int) -> _Status | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return _Status(fields[0].decode("ascii"), int(fields[1]), int(fields[19]))


def identify(pid: int) -> Process | None:
    """Return the process that has *pid* now, or None when there is none that lives (a zombie does not)."""
    status = _status(pid)
    return Process(pid, status.start_time) if status is not None and status.state not in "ZX" else None


def send(process: Process, number: int) -> bool:
    """Signal exactly this process; False when it is gone, whoever has its pid now.  PermissionError: not ours."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        status = _status(process.pid)
        if status is None or status.start_time != process.start_time:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def heirs() -> frozenset[int]:
    """Who inherits a session's orphans when its holder is gone: pid 1, or a person's service manager.

    The latter is found as our own parent, for only what it has started can meet such orphans.
    """
    return frozenset({1, os.getppid()})


def children(pid: int) -> list[int]:
    """Return the pids of the children of *pid*, dead ones included.  A child belongs to the thread that forked it."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[Process]:
    """Return the living processes below *pid*, itself not included, parents before children."""
    found: list[Process] = []
    todo = [pid]
    for parent in todo:
        for child in children(parent):
            status = _status(child)
            # A pid that was reused between the two looks belongs to somebody with another parent.
            if status is not None and status.parent == parent and status.state not in "ZX":
                found.append(Process(child, status.start_time))
                todo.append(child)
    return found


def orphans(reapers: Iterable[int], marker: str, leaders: Container[int] = ()) -> list[Process]:
    """Return the living children of *reapers* that have ``LOOPS_SESSION=marker`` in their environment.

    *leaders*: pids of the sessions' first processes, which are not looked at (a thousand would cost 15 ms).
    """
    return _marked((pid for reaper in reapers for pid in children(reaper) if pid not in leaders), marker)


def _marked(pids: Iterable[int], marker: str) -> list[Process]:
    return [
        process
        for pid in pids
        if (process := identify(pid)) is not None and carries(pid, marker) and identify(pid) == process
    ]


def carries(pid: int, marker: str) -> bool:
    """Whether *pid* was started with ``LOOPS_SESSION=marker``; False as well if its environment may not be read."""
    return mark_of(pid) == marker


def mark_of(pid: int) -> str:
    """Return the ``LOOPS_SESSION`` that *pid* was started with; empty if there is none, or if it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return ""
    _, found, rest = (b"\0" + environment).partition(f"\0{MARKER}=".encode())
    return rest.partition(b"\0")[0].decode("utf-8", "surrogateescape") if found else ""


class Ending:
    """The end of one session's whole tree: SIGTERM, a grace, then freeze and SIGKILL until nothing is left.

    It never waits: call `step` about every `STEP_PAUSE` seconds until it says that it is done.
    """

    __slots__ = (
        "_calm",
        "_deadline",
        "_known",
        "_leader",
        "_marker",
        "_others",
        "_reapers",
        "_spared",
        "_told",
        "killed",
    )

    def __init__(
        self,
        leader: Process | None,
        reapers: Iterable[int],
        marker: str,
        *,
        grace: float,
        now: float,
        leaders: Container[int] = (),
    ) -> None:
        """Begin; nothing is signalled before the first `step`.

        Args:
            leader: the session's first process, or None when it is gone already.
            reapers: who inherits its orphans: the holder, and pid 1 for sessions that outlived an earlier holder.
            marker: the value of ``LOOPS_SESSION`` in its processes.
            grace: seconds between SIGTERM and SIGKILL; 0 means no SIGTERM at all.
            now: any clock that does not jump, in seconds; the same for every `step`.
            leaders: pids of the sessions' first processes: no orphans of this one.
        """
        self._leader = leader
        self._reapers = tuple(reapers)
        self._marker = marker
        self._others = leaders
        self._deadline = now + grace
        self._known: set[Process] = set()
        self._calm = False
        self._told = grace <= 0
        self._spared = {os.getpid(), *self._reapers}
        self.killed = 0
        """How many processes were sent SIGKILL."""

    def step(self, now: float) -> bool:
        """Do what is to be done now; True when no process of the tree is left.

        PermissionError: one of them belongs to somebody else, and cannot be ended by us.
        """
        alive = self._find()
        if not alive:
            return self._calm
        if not self._told:
            self._told = True
            for process in alive:
                send(process, signal.SIGTERM)
                send(process, signal.SIGCONT)  # a stopped process would never hear of it
        elif now >= self._deadline:
            self._kill(alive)
        return False

    def _kill(self, alive: list[Process]) -> None:
        frozen: set[Process] = set()
        for _ in range(ROUNDS):
            running = [process for process in alive if process not in frozen]
            if not running:
                break
            for process in running:
                send(process, signal.SIGSTOP)
            frozen.update(running)
            alive = self._find()
        for process in frozen:
            self.killed += send(process, signal.SIGKILL)

    def _find(self) -> list[Process]:
        """Look until something is found, or until several looks in a row were calm."""
        calm = 0
        for _ in range(ROUNDS):
            found, quiet = self._look()
            calm = calm + 1 if quiet else 0
            if found or calm == CALM_LOOKS:
                break
        self._calm = calm == CALM_LOOKS
        self._known = found
        return list(found)

    def _look(self) -> tuple[set[Process], bool]:
        """Walk down from the leader, the marked orphans, and everything found earlier; say whether that was calm.

        A process that dies under our eyes leaves its children to a reaper whose list was read already, and the kernel
        may skip one in that list when another leaves it: a lineage that forks and dies every millisecond escapes many
        a look.  Either shows as a difference between the reapers' lists before and after.
        """
        before = [children(reaper) for reaper in self._reapers]
        roots = {*self._known}
        roots.update(_marked((pid for pids in before for pid in pids if pid not in self._others), self._marker))
        if self._leader is not None:
            roots.add(self._leader)
        found: set[Process] = set()
        for root in roots:
            if root not in found and identify(root.pid) == root:
                found.add(root)
                found.update(process for process in descendants(root.pid) if process.pid not in self._spared)
        return found, before == [children(reaper) for reaper in self._reapers]
