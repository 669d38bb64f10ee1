"""Adopts what the holder holds, and takes in what it says afterwards: of the sessions, and of itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from loops import __version__
from loops.places import Runtime
from loops.sessions import client as held
from loops.sessions import tree
from loops.supervisor import commission
from loops.supervisor.acts import Sessions
from loops.supervisor.clock import Clock, boot_id
from loops.supervisor.decide import CHECK_SESSION
from loops.supervisor.holding import Found
from loops.supervisor.leftovers import end_leftovers
from loops.supervisor.observation import Adopted, Began, Observation
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import State


class Adopting:
    """*holder* is the connection, *sessions* what is asked for by it; *epoch* is ours.

    *up*: the operator asked for the project.  *read_signals* takes in an agent's last words.  *lost* is called when the
    holder is gone; *leave*, when another supervisor has taken over.
    """

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        runtime: Runtime,
        holder: held.HolderClient,
        sessions: Sessions,
        *,
        epoch: int,
        up: bool,
        state: Callable[[], State],
        see: Callable[[Observation], None],
        read_signals: Callable[[str], None],
        lost: Callable[[], None],
        leave: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.ready: Callable[[], None] = lambda: None
        """Called when the holder is found and what its sessions need is decided."""
        self.superseded = False
        """Another supervisor has taken over: journal, sessions and views are that one's."""
        self._reactor = reactor
        self._clock = clock
        self._runtime = runtime
        self._holder = holder
        self._sessions = sessions
        self._epoch = epoch
        self._up = up
        self._state = state
        self._see = see
        self._read_signals = read_signals
        self._lost = lost
        self._leave = leave
        self._say = say
        self._down_since = state().steady
        self._unsure = tuple(notice.id for notice in state().notices.waiting if notice.sending)

    def adopt(self, found: Found) -> None:
        """Take in what the holder holds: what it has not is gone."""
        sessions = found.sessions
        self._sessions.adopted(found.pid, sessions)
        if not found.again:
            self._end_leftovers([session for session in sessions if session.alive])
            self._reactor.at("ready", self._clock.now(), self.ready)  # once what the sessions need is decided
        self._reactor.watch(self._holder.fileno(), self.heard)
        living = {session.name for session in sessions if session.alive}
        for name in [name for name in self._state().agents if name not in living]:
            self._read_signals(name)  # what it said last counts before that it is gone: no nudge comes twice
        adopted = tuple(Adopted(s.name, s.incarnation, s.pid, s.alive, s.code, s.signal) for s in sessions)
        self._see(
            Began(
                self._clock.now(),
                os.getpid(),
                self._epoch,
                boot_id(),
                __version__,
                adopted,
                up=self._up and not found.again,
                down_since=0.0 if found.again else self._down_since,
                unsure=self._unsure,
            )
        )
        self._unsure = ()
        for session in sessions:
            if session.alive and not session.name.startswith(CHECK_SESSION):
                self._sessions.watch_screen(session.name)

    def _end_leftovers(self, sessions: list[held.Held]) -> None:
        """Before anything is started anew: no second copy beside what outlived an earlier holder."""
        living = {commission.marker(self._runtime, session.name, session.incarnation) for session in sessions}
        leaders = {os.getpid(), *(session.pid for session in sessions)}
        project = os.path.basename(self._runtime.root)
        for mark in end_leftovers(project, {self._sessions.holder_pid, *tree.heirs()}, living, leaders):
            self._say(f"ended what was left of {mark.partition('/')[2]}: it had outlived its holder")

    def heard(self) -> None:
        """The holder has said something."""
        events = self._holder.read()
        self._sessions.heard(events)
        for event in events:
            match event:
                case held.HolderEnds():
                    self._say("the holder was told to end, and ends every session; the next one gets them anew")
                case held.HolderGone():
                    self._reactor.forget(self._holder.fileno())
                    self._lost()
                case held.Superseded(epoch=epoch):
                    self._say(f"another supervisor (epoch {epoch}) has taken over")
                    self.superseded = True
                    self._leave(0)
                    return  # nothing more is decided
                case held.Refused(reason=reason):
                    self._say(f"the holder refused: {reason}")
