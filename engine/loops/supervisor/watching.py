"""Watches the project's files: the configuration, the agents' signals, the clones' refs.  Events first, a slow net below."""

from __future__ import annotations

from collections.abc import Callable

from loops.agents import port
from loops.config.model import Kind
from loops.places import State as StatePlaces
from loops.supervisor import commission, signals
from loops.supervisor.acts import Sessions
from loops.supervisor.clock import Clock
from loops.supervisor.config_file import ConfigFile
from loops.supervisor.inotify import Inotify
from loops.supervisor.observation import Observation, Signalled
from loops.supervisor.repository import Repository, Subject
from loops.supervisor.state import State

MOST_READS = 64
"""Reads of one signals file at one time: who writes faster than that must not keep the loop."""


class Files:
    """Turns changes of files into observations."""

    def __init__(
        self,
        config_file: ConfigFile,
        clock: Clock,
        inotify: Inotify,
        repository: Repository,
        sessions: Sessions,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
    ) -> None:
        self._config_file = config_file
        self._clock = clock
        self._inotify = inotify
        self._repository = repository
        self._sessions = sessions
        self._state = state
        self._see = see
        self._offsets: dict[str, tuple[int, int]] = {}

    def changed(self) -> None:
        """Inotify has something."""
        for change in self._inotify.read():
            if change.lost:
                self.rescan()
            elif change.directory == self._signals_directory() and (found := signals.agent_of(change.name)):
                self.read_signals(found[0])
            elif self._config_file.is_at(change.directory, change.name):
                self._config_file.read()
            else:
                self._repository.changed(change.directory)

    def rescan(self) -> None:
        """The net: look at everything again."""
        self.watch()
        self._config_file.read()
        for name, agent in self._state().agents.items():
            if agent.alive:
                self.read_signals(name)
        self._repository.look_everywhere()

    def watch(self) -> None:
        """Watch what there is to be watched now."""
        self._config_file.watch()
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
        found: list[port.Signal] = []
        adapter = commission.adapter_of(state.config, agent)
        end = offset
        for _ in range(MOST_READS):
            before = end
            lines, end = signals.new_lines(path, before)
            if adapter is not None:
                found.extend(signal for line in lines for signal in adapter.read_line(line))
            if end == before:
                break
        if end == offset:
            return
        self._offsets[name] = (agent.incarnation, end)
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
