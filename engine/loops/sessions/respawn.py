"""The supervisor's own supervisor: start it, and start it again when it dies.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from loops.sessions import terminal

SLOWEST = 5.0
HEALTHY_AFTER = 10.0
"""Seconds; one that lived longer is started again at once."""
TAKEN = 75
"""The status of a process that supervises many projects and found another of its kind at work: that will come to us."""
TAKEN_PAUSE = 10.0
"""Seconds until it is started once more if that one did not come."""
SPREAD = 0.3
"""Seconds within which the holders of many projects start the process that they share: most find that one of them has."""


def is_locked(path: str) -> bool:
    """Whether a process keeps the file at *path* locked.  The look itself locks it for an instant."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
    return False


class Respawn:
    """One command, at most one process of it.  Times are seconds of the clock that the caller passes in."""

    __slots__ = ("_delay", "_started", "argv", "at", "child", "descriptor_limit", "env", "lock", "pid", "pidfd")

    def __init__(self, descriptor_limit: int) -> None:
        """Nothing to start yet; *descriptor_limit* is the limit of open files that the process gets."""
        self.argv: list[str] = []
        self.env: dict[str, str] = {}
        self.lock = ""
        """The file that the process keeps locked when it supervises other projects too; empty: it does not."""
        self.pid = 0
        self.pidfd = -1
        self.child = True
        self.at = 0.0
        """When it must be started; 0 when it need not."""
        self.descriptor_limit = descriptor_limit
        self._delay = 0.0
        self._started = 0.0

    def command(self, argv: Sequence[str], env: Mapping[str, str], lock: str = "") -> None:
        """Start this from now on; what runs is left alone."""
        self.argv = list(argv)
        self.env = dict(env)
        self.lock = lock

    def start(self, now: float) -> str:
        """Start it unless it runs; return why that failed, or nothing."""
        self.at = 0.0
        if self.pid or not self.argv:
            return ""
        self._started = now
        if self.lock and is_locked(self.lock):
            self.at = now + TAKEN_PAUSE
            return ""
        try:
            self.pid = terminal.start_detached(self.argv, self.env, self.descriptor_limit)
            self.child = True
        except OSError as error:
            self._postpone(now)
            return f"the supervisor could not be started: {terminal.explain(error, '/')}"
        return ""

    def adopt(self, pid: int, now: float) -> None:
        """It runs already, as a child of somebody else.  OSError: it does not."""
        pidfd = os.pidfd_open(pid)
        self.let_go()
        self.pidfd = pidfd
        self.pid = pid
        self.child = False
        self.at = 0.0
        self._started = now

    def let_go(self) -> None:
        """What runs is no longer ours to watch: it gives the project up and lives on for others."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
        self.pid = 0
        self.pidfd = -1

    def ended(self, ended: terminal.Ended, now: float) -> None:
        """It ended: with status 0 it was asked to, else it is started again."""
        self.let_go()
        if ended.code == 0:
            self._delay = 0.0
            return
        if ended.code == TAKEN:
            self.at, self._delay = now + TAKEN_PAUSE, 0.0
            return
        if now - self._started >= HEALTHY_AFTER:
            self._delay = 0.0
        self._postpone(now)
        how = f"signal {ended.signal}" if ended.signal else f"status {ended.code}"
        sys.stderr.write(f"holder: the supervisor ended with {how}; again in {self.at - now:.1f} s\n")

    def state(self) -> dict[str, Any]:
        """What a holder that replaces this one must know."""
        return {
            "argv": self.argv,
            "env": self.env,
            "lock": self.lock,
            "pid": self.pid,
            "pidfd": self.pidfd,
            "child": self.child,
            "due": self.at > 0,
        }

    def restore(self, state: dict[str, Any], now: float) -> None:
        """Undo `state`."""
        self.command(state["argv"], state["env"], state.get("lock", ""))
        self.pid = state["pid"]
        self.pidfd = state["pidfd"]
        self.child = state["child"]
        self._started = now
        self.at = now if state["due"] else 0.0

    def _postpone(self, now: float) -> None:
        spread = SPREAD * int.from_bytes(os.urandom(2), "big") / 65536 if self.lock else 0.0
        self.at = now + self._delay + spread
        self._delay = min(self._delay * 2 or 0.2, SLOWEST)
