"""One project's supervisor: it comes, has its turns, and goes.  observe -> decide -> journal -> act.

Its parts are composed in `loops.supervisor.parts`; what is seen is decided upon in `loops.supervisor.deciding`.  What turns
it, alone or beside others, is `loops.supervisor.crew`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from loops.errors import LoopsError, SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.supervisor import processes
from loops.supervisor.clock import Clock
from loops.supervisor.config_file import compiled_or_last_good
from loops.supervisor.ledger import Ledger
from loops.supervisor.observation import Departs, Told
from loops.supervisor.parts import Parts, Shared
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import State


def supervisor_command(config_path: str) -> list[str]:
    """The command by which the holder starts, and starts again, the supervisor."""
    return [sys.executable, "-m", "loops.supervisor", config_path]


def _make_directories(places: StatePlaces) -> None:
    try:
        for directory in places.directories():
            os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"{error.filename}: cannot be made: {error.strerror}; log_dir in agents.toml names the place, which must be "
            "a directory that this user may write"
        ) from error


class Supervisor:
    """One project's supervisor.  From `begin` to `close` it has a `turn` whenever `fileno` is readable, or `wait` is over."""

    def __init__(
        self, config_path: str, *, up: bool = False, holder: bool = True, shared: Shared | None = None
    ) -> None:
        """Open the journal and adopt what runs.

        *up*: the operator asked for the project (else it is as the journal left it).  *holder*: start one if none runs,
        and let it start us again when we die; without it a service manager does both.  Then a project that never ran
        begins to, one that was put down stays down, and so does this process with nothing to do, until it is asked for.
        *shared*: other projects' supervisors live in this process; None: it is ours alone.

        Raises:
            LoopsError: it cannot be supervised; nothing was kept open.
        """
        self.config_path = config_path
        self.leaving: int | None = None
        """The exit code once it wants to end; 0: it was asked to."""
        self._service = not holder
        self._shared = shared
        self._open = ExitStack()
        self._listening = self._open.enter_context(ExitStack())  # last: for whoever waits for our end, its end is ours
        try:
            self._begin_to_be(config_path, up)
        except BaseException:
            self._open.close()
            raise

    def _begin_to_be(self, config_path: str, up: bool) -> None:
        self._runtime = Runtime(config_path)
        self._runtime.create()
        config, broken = compiled_or_last_good(config_path)
        places = StatePlaces(config.log_dir)
        _make_directories(places)
        self._ledger = Ledger(places.journal, f"urn:loops:project:{config.session_prefix}")
        self._open.callback(self._ledger.close)
        state = self._ledger.state
        if broken is not None and (state.config is None or not (state.up or self._service)):
            raise broken
        begins = self._service or (self._shared is not None and self._shared.begins)
        self._up = up or (begins and state.config is None)
        self._clock = Clock(state.steady)
        self._reactor = Reactor(self._clock.now)
        self._open.callback(self._reactor.close)
        self._parts = Parts(
            config_path,
            config,
            self._ledger,
            self._reactor,
            self._clock,
            opened=self._open,
            listening=self._listening,
            up=self._up,
            command=None if self._service else self._command(),
            shared=self._shared,
            leave=self._leave,
            leaving=lambda: self.leaving is not None,
        )

    def _command(self) -> Sequence[str]:
        return supervisor_command(self.config_path) if self._shared is None else self._shared.command

    @property
    def state(self) -> State:
        """The state of the moment."""
        return self._parts.state

    def begin(self, ready: Callable[[], None] = lambda: None) -> None:
        """Read, watch and connect; *ready* is called when the holder is found and what its sessions need is decided."""
        parts = self._parts
        parts.adopting.ready = ready
        for report in self._ledger.reports:
            parts.saying.say(report)
        parts.config_file.read()
        parts.deciding.decide()
        parts.files.watch()
        parts.holding.start()
        self._reactor.watch(parts.inotify.fileno(), parts.files.changed)
        self._reactor.watch(parts.view.fileno(), parts.showing.poll)
        parts.net.begin()
        parts.deciding.flush()

    def fileno(self) -> int:
        return self._reactor.fileno()

    def wait(self) -> float:
        """Seconds until it must have a turn although `fileno` is not readable."""
        return self._reactor.wait()

    def turn(self) -> None:
        """Serve what is ready, decide and act; never wait."""
        self._reactor.turn(waiting=False)
        if not self._parts.adopting.superseded:
            self._parts.deciding.flush()

    def look_again(self) -> None:
        """Look at every file anew, as after SIGHUP; the next turn decides."""
        self._parts.files.rescan()

    def leave(self) -> None:
        """Want to end; the agents live on."""
        self._leave(0)

    def _leave(self, code: int) -> None:
        self.leaving = code

    def put_down(self) -> None:
        """End the agents, as `loops down` does; the next turn begins with it."""
        self._parts.deciding.see(Told(self._clock.now(), "down"))

    @property
    def rests(self) -> bool:
        """Whether the project is down, as the journal has it, and no holder keeps a session of it."""
        idle = not (self._up or self.state.up or any(agent.alive for agent in self.state.agents.values()))
        return idle and not processes.holder(self._runtime)

    def abandon(self) -> None:
        """Let go of everything before `begin`: as if we had never come."""
        self._open.close()

    def close(self) -> None:
        """Let go of everything, whatever has happened; the agents live on, unless the project is down."""
        with self._open:  # each part of us is closed, though another fails
            self._depart()

    def _depart(self) -> None:
        parts = self._parts
        project_is_down = not self.state.up and not any(agent.alive for agent in self.state.agents.values())
        parts.errands.close()
        if not parts.adopting.superseded:
            if self.leaving == 0:  # else the next one says that we ended without a word
                parts.deciding.see(Departs(self._clock.now(), "asked to"))
                parts.deciding.decide()
            parts.deciding.close()
        if project_is_down and not parts.adopting.superseded:
            parts.view.close()
            if not self._service:
                with suppress(LoopsError):
                    parts.holder.quit()
