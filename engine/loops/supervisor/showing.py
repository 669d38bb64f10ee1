"""Keeps the tmux views in line with the sessions, and tries again when tmux does not do as told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loops.sessions.view import Failed, ServerGone, TmuxMissing, View
from loops.supervisor.clock import Clock
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import Life, State

DELAY = 0.05
"""Seconds in which changes of the sessions are gathered."""
AGAIN = 30.0
"""Seconds until views that failed are tried again, and the longest pause between two rebuilds of a server that dies."""


class Showing:
    """*wanted* gives the views that there should be, from tmux name to session; None: none of our concern now."""

    def __init__(
        self,
        view: View,
        reactor: Reactor,
        clock: Clock,
        *,
        wanted: Callable[[], Mapping[str, str] | None],
        say: Callable[[str], None],
    ) -> None:
        self._view = view
        self._reactor = reactor
        self._clock = clock
        self._wanted = wanted
        self._say = say
        self._shown: Mapping[str, str] = {}
        self._complaint = ""
        self._pause = DELAY
        self._rebuilt = float("-inf")

    def soon(self) -> None:
        """The sessions may have changed."""
        self._reactor.at("view", self._clock.now() + DELAY, self._show)

    def anew(self) -> None:
        """Rebuild what broke in tmux without a word to us."""
        self._shown = {}
        self._show()

    def _show(self) -> None:
        wanted = self._wanted()
        if wanted is not None and wanted != self._shown:  # a restart changes nothing: the relay waits for the next one
            self._shown = wanted
            self._view.ensure(wanted, self._clock.now())
            self.poll()

    def poll(self) -> None:
        """Take in what tmux did."""
        now = self._clock.now()
        for event in self._view.poll(now):
            match event:
                case TmuxMissing(reason=reason):
                    self._tell(reason)
                case Failed(reason=reason):
                    self._tell(reason)
                    self._show_again(AGAIN)
                case ServerGone():
                    # One that dies as soon as it is made must not be made twenty times a second.
                    self._pause = DELAY if now - self._rebuilt > AGAIN else min(self._pause * 2, AGAIN)
                    self._rebuilt = now
                    self._show_again(self._pause)
        due = self._view.due()
        self._reactor.at("view poll", due if due is None else max(due, now), self.poll)

    def _show_again(self, pause: float) -> None:
        self._reactor.at("view again", self._clock.now() + pause, self.anew)

    def _tell(self, reason: str) -> None:
        if reason != self._complaint:
            self._complaint = reason
            self._say(reason)


def views(state: State) -> dict[str, str] | None:
    """The tmux views that there should be, from tmux name to session; None: no configuration has been read yet."""
    config = state.config
    if config is None:
        return None
    return {
        config.agents[name].session: name
        for name, agent in state.agents.items()
        if name in config.agents and agent.incarnation and (agent.shown or agent.life not in (Life.OFF, Life.ENDED))
    }
