"""The processes that a project has beside its sessions, found without their help; and waiting until they are gone.

A process that is stopped or stuck answers nobody, and is just the one that has to be found.  Names are not enough for that:
the kernel says who listens on a socket, and whose descriptor a lock file is.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress

from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import wire
from loops.sessions.place import lock_path
from loops.supervisor.control import listener

CONNECT_WITHIN = 2.0
"""Seconds; connecting waits only where a backlog is full."""


def lock_owner(path: str) -> int:
    """The pid that the lock file at *path* names, when that process really has it open; else 0."""
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read(32))
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except (OSError, ValueError):
        return 0
    for number in descriptors:
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{number}") == os.path.realpath(path):
                return pid
    return 0


def holder(runtime: Runtime) -> int:
    """The pid of the project's holder, be it stopped; 0: none lives."""
    return lock_owner(lock_path(runtime.holder_socket))


def supervisors(runtime: Runtime, places: StatePlaces | None, *, ask_holder: bool = True) -> set[int]:
    """The pids of the project's supervisor: who listens, who writes the journal, whom the holder has started.

    They are one process, except in the moments in which one comes and another goes.
    """
    found = {listener(runtime.control_socket), _started_by_holder(runtime) if ask_holder else 0}
    if places is not None:
        found.add(lock_owner(os.path.join(places.journal, "lock")))
    return found - {0, os.getpid()}


def _started_by_holder(runtime: Runtime) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(CONNECT_WITHIN)
        try:
            sock.connect(runtime.holder_socket)
            wire.send(sock, wire.pack("hello", role="launcher"))
            answer = wire.receive(sock)
        except (OSError, wire.WireError):
            return 0
    return int(answer[0]["supervisor"]) if answer is not None else 0


def tmux_server(runtime: Runtime) -> int:
    """The pid of the project's tmux server; 0: none lives."""
    return listener(runtime.tmux_socket)


class Departure:
    """Waits, by pidfd, until processes that were found alive are gone.  Close it."""

    def __init__(self) -> None:
        self._going: dict[int, tuple[str, int]] = {}
        self._poll = select.poll()

    def expect(self, what: str, pid: int) -> None:
        """Wait for *pid* too, which is called *what*; one that is gone already is not waited for."""
        if not pid or any(pid == known for _, known in self._going.values()):
            return
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        self._going[pidfd] = (what, pid)
        self._poll.register(pidfd, select.POLLIN)

    def wait(self, seconds: float) -> tuple[str, ...]:
        """Wait at most *seconds*; return what still lives, as words with the pid."""
        deadline = time.monotonic() + seconds
        while self._going:
            for pidfd, _ in self._poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                self._poll.unregister(pidfd)
                os.close(pidfd)
                del self._going[pidfd]
            if time.monotonic() >= deadline:
                break
        return self.remaining

    @property
    def remaining(self) -> tuple[str, ...]:
        """What was not seen to end yet."""
        return tuple(f"{what} (pid {pid})" for what, pid in self._going.values())

    def kill(self) -> None:
        """Kill all that is left, exactly these processes."""
        for pidfd in self._going:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def close(self) -> None:
        for pidfd in self._going:
            os.close(pidfd)
        self._going.clear()

    def __enter__(self) -> Departure:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
