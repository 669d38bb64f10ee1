"""Watches the project's files: the configuration, the agents' signals, the clones' refs.  Events first, a slow net below."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256

from loops import config as configuration
from loops.agents import port
from loops.config.model import Config, Kind
from loops.errors import ConfigError
from loops.places import State as StatePlaces
from loops.supervisor import commission, signals
from loops.supervisor.acts import Sessions
from loops.supervisor.clock import Clock
from loops.supervisor.inotify import Inotify
from loops.supervisor.observation import ConfigBroken, ConfigRead, Observation, Signalled
from loops.supervisor.repository import Repository, Subject
from loops.supervisor.state import State


class Files:
    """Turns changes of files into observations."""

    def __init__(
        self,
        config_path: str,
        clock: Clock,
        inotify: Inotify,
        repository: Repository,
        sessions: Sessions,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
    ) -> None:
        self._config_path = config_path
        self._clock = clock
        self._inotify = inotify
        self._repository = repository
        self._sessions = sessions
        self._state = state
        self._see = see
        self._offsets: dict[str, tuple[int, int]] = {}
        self._read_stamp: tuple[int, int, int] | None = None

    def changed(self) -> None:
        """Inotify has something."""
        for change in self._inotify.read():
            if change.lost:
                self._repository.lost(change.directory)
                self.rescan()
            elif change.directory == self._signals_directory() and (found := signals.agent_of(change.name)):
                self.read_signals(found[0])
            elif os.path.join(change.directory, change.name) == self._config_path:
                self.read_config()
            else:
                self._repository.changed(change.directory)

    def rescan(self) -> None:
        """The net: look at everything again."""
        self.watch()
        self.read_config()
        for name, agent in self._state().agents.items():
            if agent.alive:
                self.read_signals(name)
        self._repository.look_everywhere()

    def watch(self) -> None:
        """Watch what there is to be watched now."""
        self._inotify.watch(os.path.dirname(self._config_path))
        config = self._state().config
        if config is None:
            return
        self._inotify.watch(self._signals_directory())
        handoff = config.loop.handoff
        if handoff is not None:
            clones = {handoff.repo, *(a.dir for a in config.agents.values() if a.kind is Kind.LOOP)}
            self._repository.watch(sorted(clones), handoff)

    def _signals_directory(self) -> str:
        config = self._state().config
        return StatePlaces(config.log_dir).signals if config is not None else ""

    # ---- configuration ---------------------------------------------------------------------------------------------

    def read_config(self) -> None:
        """Read agents.toml if it changed.  A broken one is told and changes nothing."""
        stamp = _stamp(self._config_path)
        if stamp is not None and stamp == self._read_stamp:
            return
        self._read_stamp = stamp
        at = self._clock.now()
        try:
            config = compiled(self._config_path)
        except ConfigError as error:
            self._see(ConfigBroken(at, _digest(self._config_path), tuple(str(error).splitlines())))
            return
        self._see(ConfigRead(at, config, configuration.encode(config)))

    # ---- signals ---------------------------------------------------------------------------------------------------

    def read_signals(self, name: str) -> None:
        """Take in what the agent's hooks have written since the last time."""
        state = self._state()
        agent = state.agents.get(name)
        if state.config is None or agent is None or not agent.alive:
            return
        incarnation, taken = self._offsets.get(name, (0, 0))
        offset = taken if incarnation == agent.incarnation else agent.signals_offset
        path = commission.signals_file(StatePlaces(state.config.log_dir), name, agent.incarnation)
        lines, end = signals.new_lines(path, offset)
        if end == offset:
            return
        self._offsets[name] = (agent.incarnation, end)
        adapter = commission.adapter_of(state.config, agent)
        found = [signal for line in lines for signal in (adapter.read_line(line) if adapter is not None else ())]
        steady = self._sessions.in_steady_time(tuple(found))
        for signal in steady:
            if isinstance(signal, port.TurnStarted | port.DialogShown):
                self._sessions.sending_saw(name, signal)
        self._see(Signalled(self._clock.now(), name, agent.incarnation, steady, end))

    # ---- repository ------------------------------------------------------------------------------------------------

    def subject(self) -> Subject | None:
        """What the repository should read next."""
        state = self._state()
        config = state.config
        if config is None or config.loop.handoff is None or state.loop.complete or state.loop.index < 0:
            return None
        if state.loop.index >= len(config.loop.phases):
            return None
        phase = config.loop.phases[state.loop.index]
        return Subject(config.loop.handoff, phase.status, f"REVIEW-{phase.id}.md", state.loop.head)

    def fetch(self) -> None:
        """The net for pushes from elsewhere."""
        config = self._state().config
        if config is not None and config.loop.handoff is not None and self.subject() is not None:
            self._repository.fetch(config.loop.handoff.repo, config.loop.handoff)


def compiled(path: str) -> Config:
    """The configuration, from the compiled cache where that is fresh: no TOML or JSON Schema library is imported here."""
    return configuration.compile(path, cache_path(path))


def cache_path(config_path: str) -> str:
    """Where the compiled configuration lies: beside the sockets, for log_dir is only known once it has been read."""
    from loops.places import Runtime

    runtime = Runtime(config_path)
    runtime.create()
    return os.path.join(runtime.root, "config.json")


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
