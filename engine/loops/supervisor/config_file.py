"""agents.toml as it changes: a good file counts at once, a bad one only when it stays bad.

Editors write in several steps (truncate, write; rename away, rename back): what is seen between two of them is no edit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256

from loops import config as configuration
from loops.config import compiled as check
from loops.config.cache import refusal
from loops.config.model import Config
from loops.errors import ConfigError, LoopsError, SessionError
from loops.places import Runtime
from loops.supervisor.clock import Clock
from loops.supervisor.errands import Errands, Result
from loops.supervisor.inotify import Inotify
from loops.supervisor.observation import ConfigBroken, ConfigRead, Observation
from loops.supervisor.reactor import Reactor

CHECKED_WITHIN = 60.0
"""Seconds for a check that takes a quarter of one."""
SETTLED = 1.0
"""Seconds for which a missing or broken file must stay as it is before it is told."""

Stamp = tuple[int, int, int] | None


class ConfigFile:
    """Watches the file at *path*.  *log_dir*: where the open journal lies, which no edit can change."""

    def __init__(
        self,
        path: str,
        log_dir: str,
        reactor: Reactor,
        clock: Clock,
        inotify: Inotify,
        see: Callable[[Observation], None],
        errands: Errands | None = None,
    ) -> None:
        """*errands*: a file that has to be checked is so beside the loop; None: nobody else waits for it meanwhile."""
        self._errands = errands
        self._checking = False
        self._checked: Stamp = (0, 0, 0)
        self._path = path
        self._log_dir = log_dir
        self._reactor = reactor
        self._clock = clock
        self._inotify = inotify
        self._see = see
        self._known: Stamp = (0, 0, 0)
        self._doubted: Stamp = (0, 0, 0)

    def watch(self) -> None:
        """Watch the file's directory, and the one of the file that it is a link to."""
        self._inotify.watch(os.path.dirname(self._path))
        self._inotify.watch(os.path.dirname(os.path.realpath(self._path)))

    def is_at(self, directory: str, name: str) -> bool:
        """Whether a change of *name* in *directory* may be one of this file."""
        return os.path.join(directory, name) in (self._path, os.path.realpath(self._path))

    def read(self) -> None:
        """Take the file in if it changed.  A bad one changes nothing, and is told if it is the same a little later."""
        stamp = _stamp(self._path)
        if stamp in (self._known, self._doubted):
            return
        if self._errands is not None and stamp != self._checked and not _is_known(self._path):
            self._check(self._errands, stamp)
            return
        self._doubted = (0, 0, 0)
        try:
            config = self._compiled()
        except LoopsError as error:
            self._doubted = stamp
            judge = partial(self._judge, stamp, tuple(str(error).splitlines()))
            self._reactor.at("config", self._clock.now() + SETTLED, judge)
            return
        self._known = stamp
        self._reactor.cancel("config")
        self.watch()
        self._see(ConfigRead(self._clock.now(), config))

    def _check(self, errands: Errands, stamp: Stamp) -> None:
        """Have the file checked, and come back when it is known."""
        if not self._checking:
            self._checking = True
            errands.run(check.command(self._path), partial(self._take, stamp), timeout=CHECKED_WITHIN)

    def _take(self, stamp: Stamp, result: Result) -> None:
        self._checking = False
        self._checked = stamp
        with suppress(LoopsError):  # `read` finds it
            check.take(self._path, _cache_path(self._path), result.code, result.output, result.error)
        self.read()

    def _compiled(self) -> Config:
        why = why_refused(self._path) if self._errands is not None else ""
        if why:
            raise ConfigError(why)
        config = compiled(self._path)
        if config.log_dir != self._log_dir:
            raise ConfigError(
                f"{self._path}: log_dir was changed to {config.log_dir}, but this project runs with its journal in "
                f"{self._log_dir}: `loops down` first, move the directory, then change log_dir"
            )
        return config

    def _judge(self, stamp: Stamp, problems: tuple[str, ...]) -> None:
        self._doubted = (0, 0, 0)
        if _stamp(self._path) != stamp:
            self.read()
            return
        self._known = stamp
        self._see(ConfigBroken(self._clock.now(), _digest(self._path), problems))


def compiled(path: str) -> Config:
    """The configuration, from the compiled cache where that is fresh: no TOML or JSON Schema library is imported here.

    ConfigError: the file is bad.
    """
    with suppress(SessionError, OSError):  # then nothing is kept, which only costs time
        Runtime(path).create()
    return configuration.compile(path, _cache_path(path))


def why_refused(path: str) -> str:
    """Why the file at *path* was refused, if it is still as it was then; else nothing."""
    return refusal(path, _cache_path(path))


def last_good(path: str) -> Config | None:
    """The configuration that was last compiled of the file at *path*, whatever stands in it now; None: there is none."""
    try:
        with open(_cache_path(path), "rb") as file:
            config = configuration.decode(json.loads(file.read())["config"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return config if config.path == path else None


def compiled_or_last_good(path: str) -> tuple[Config, ConfigError | None]:
    """The configuration to begin with: of a bad file the last good one, and what is wrong with it now.

    A supervisor that is started again in the middle of an edit must not leave its agents alone.
    """
    try:
        return compiled(path), None
    except ConfigError as error:
        known = last_good(path)
        if known is None:
            raise
        return known, error


def _cache_path(config_path: str) -> str:
    """Where the compiled configuration lies: beside the sockets, for log_dir is only known once it has been read."""
    return os.path.join(Runtime(config_path).root, "config.json")


def _is_known(path: str) -> bool:
    return not os.path.exists(path) or check.is_fresh(path, _cache_path(path))


def _stamp(path: str) -> Stamp:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _digest(path: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
