"""Which projects share one supervisor process: where that process has its own sockets, and how a project finds it.

A project's files know nothing of any fleet.  Its runtime directory does: a file in it names the fleet.toml by which its
supervisor was started, so that `loops up` finds the way back to that process, and nobody starts a second supervisor.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress

from loops.places import Runtime

NAME = "crew"
_TRIES, _PAUSE = 5, 0.01


class CrewPlace:
    """Where the process that supervises the projects of the fleet.toml at *path* has its lock, its socket and its log."""

    __slots__ = ("fleet", "runtime")

    def __init__(self, path: str) -> None:
        self.fleet = os.path.realpath(path)
        self.runtime = Runtime(self.fleet)

    def create(self) -> None:
        """Make the directory.  SessionError: it cannot be ours."""
        self.runtime.create()

    @property
    def control_socket(self) -> str:
        return self.runtime.control_socket

    @property
    def lock(self) -> str:
        """Held by the process as long as it lives."""
        return os.path.join(self.runtime.root, "crew.lock")

    @property
    def log(self) -> str:
        """What the process says when nobody else takes it."""
        return os.path.join(self.runtime.root, "crew.log")

    @property
    def roster(self) -> str:
        """The cache of fleet.toml."""
        return os.path.join(self.runtime.root, "roster.json")

    @property
    def members(self) -> str:
        """The projects that the process took charge of, also those that are no longer in fleet.toml."""
        return os.path.join(self.runtime.root, "members.json")

    def take_lock(self) -> int | None:
        """Become the one process of this fleet; return the descriptor to keep open, None when another one lives."""
        self.create()
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)  # holders look at it, for an instant each
        else:
            os.close(lock)
            return None
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        return lock

    def remembered(self) -> list[str]:
        """The agents.toml of each project that the last process had taken charge of."""
        with suppress(OSError, ValueError), open(self.members, "rb") as file:
            return [str(each) for each in json.loads(file.read())]
        return []


def join(runtime: Runtime, place: CrewPlace) -> None:
    """Note in a project's runtime directory that the process at *place* supervises it."""
    path = os.path.join(runtime.root, NAME)
    with suppress(OSError), open(path, encoding="utf-8") as file:
        if file.read() == place.fleet:
            return
    part = f"{path}.new"
    with open(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(place.fleet)
    os.replace(part, path)


def leave(runtime: Runtime) -> None:
    """Note that the project has a supervisor of its own, or none, from now on."""
    with suppress(OSError):
        os.unlink(os.path.join(runtime.root, NAME))


def of(runtime: Runtime) -> CrewPlace | None:
    """Where the process is that supervises this project beside others; None: the project is for itself."""
    try:
        with open(os.path.join(runtime.root, NAME), encoding="utf-8") as file:
            path = file.read()
    except (OSError, ValueError):
        return None
    return CrewPlace(path) if path else None
