"""The slow net below the events: looks again, from time to time, at what no event may have told."""

from __future__ import annotations

from collections.abc import Callable

from loops.errors import SessionError
from loops.supervisor.clock import Clock
from loops.supervisor.control import Control
from loops.supervisor.inotify import Inotify
from loops.supervisor.reactor import Reactor
from loops.supervisor.schedules import Schedules
from loops.supervisor.showing import Showing
from loops.supervisor.state import State
from loops.supervisor.watching import Files


class Net:
    """*state* gives the state of the moment; *say* tells the operator something once."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        inotify: Inotify,
        control: Control,
        files: Files,
        schedules: Schedules,
        showing: Showing,
        *,
        state: Callable[[], State],
        say: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._inotify = inotify
        self._control = control
        self._files = files
        self._schedules = schedules
        self._showing = showing
        self._state = state
        self._say = say

    def begin(self) -> None:
        """Look now, and from now on."""
        self._look()
        self._reactor.at("view net", self._clock.now(), self._look_at_views)

    def _look(self) -> None:
        config = self._state().config
        interval = config.watchdog.signal_interval if config is not None else 30.0
        try:
            self._control.keep_place()
        except SessionError as error:
            self._say(str(error))
        self._files.rescan()
        self._schedules.net()
        if self._inotify.exhausted:
            self._inotify.exhausted = False
            self._say(
                "the kernel gives no more file watches, so pushes and edits are seen late: raise "
                "/proc/sys/fs/inotify/max_user_watches"
            )
        self._files.fetch()
        self._reactor.at("net", self._clock.now() + interval, self._look)

    def _look_at_views(self) -> None:
        """Rebuild what broke in tmux without a word to us.  Seldom: a listing of a thousand views costs 20 ms."""
        config = self._state().config
        interval = config.watchdog.heavy_interval if config is not None else 300.0
        self._showing.anew()
        self._reactor.at("view net", self._clock.now() + interval, self._look_at_views)
