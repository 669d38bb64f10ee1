"""The parts of one project's supervisor, and what each of them is told of the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from loops.config.model import Config
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import attach
from loops.sessions.client import HolderClient
from loops.sessions.view import View
from loops.supervisor import watching
from loops.supervisor.acting import Acting
from loops.supervisor.acts import Sessions
from loops.supervisor.adopting import Adopting
from loops.supervisor.announcing import Announcer
from loops.supervisor.blinding import Blindfolds
from loops.supervisor.clock import Clock
from loops.supervisor.config_file import ConfigFile
from loops.supervisor.control import Control
from loops.supervisor.deciding import Deciding
from loops.supervisor.errands import Errands
from loops.supervisor.events import ConfigLoaded, Event, EvidenceTaken, PhaseStarted, SessionEnded, TurnCompleted
from loops.supervisor.holding import Holding
from loops.supervisor.inotify import Inotify
from loops.supervisor.ledger import Ledger, history
from loops.supervisor.net import Net
from loops.supervisor.reactor import Reactor
from loops.supervisor.repository import Repository
from loops.supervisor.requests import Requests
from loops.supervisor.saying import Saying
from loops.supervisor.schedules import Schedules
from loops.supervisor.showing import Showing, views
from loops.supervisor.state import State
from loops.supervisor.writing import Writing


@dataclass(frozen=True, slots=True)
class Shared:
    """What a supervisor must know that shares its process with others, which it must not keep waiting.

    ``command``: by which a holder starts the process again; ``lock``: the file that it keeps locked.  ``say``: takes its
    words to the operator.  ``begins``: a project that never ran is up from the beginning.
    """

    command: Sequence[str]
    lock: str
    say: Callable[[str], None]
    begins: bool = False


class Parts:
    """All of them, composed once; nothing is read, watched or asked for before the supervisor begins."""

    def __init__(
        self,
        config_path: str,
        config: Config,
        ledger: Ledger,
        reactor: Reactor,
        clock: Clock,
        *,
        opened: ExitStack,
        listening: ExitStack,
        up: bool,
        command: Sequence[str] | None,
        shared: Shared | None,
        leave: Callable[[int], None],
        leaving: Callable[[], bool],
    ) -> None:
        """*opened* and *listening* let go of what is opened here.

        *up*: the operator asked for the project.  *command*: by which a holder starts us again; None: a service manager
        does.  *shared*: other projects' supervisors live in this process; None: it is ours alone.  *leave* takes the exit
        code with which the supervisor is to end; *leaving*: it wants to.
        """
        self._reactor = reactor
        self._clock = clock
        self._leaving = leaving
        places, runtime = StatePlaces(config.log_dir), Runtime(config_path)
        log = os.path.join(places.log_dir, "holder.log")
        saying = self.saying = Saying(log, shared.say if shared is not None else None)
        self.deciding = Deciding(
            ledger,
            reactor,
            clock,
            act=lambda act: acting.act(act),
            decided=self._decided,
            touched=self._touched,
            is_looking=lambda name: sessions.is_looking(name),
            leave=leave,
            say=saying.say,
        )
        see = self.deciding.see
        self.inotify = Inotify()
        opened.callback(self.inotify.close)
        writing = Writing(places, config.root, reactor, clock, past=lambda: _past(places), say=saying.once)
        self.errands = Errands(reactor, clock.now)
        opened.callback(self.errands.close)
        announcer = Announcer(self.errands, clock, state=lambda: self.state, see=see)
        self.holder = HolderClient(runtime.holder_socket, ledger.epoch)
        opened.callback(self.holder.close)
        self._blindfolds = Blindfolds(self.errands, clock, runtime, state=lambda: self.state, see=see, say=saying.say)
        sessions = Sessions(
            reactor,
            clock,
            runtime,
            self.holder,
            prepare=self._blindfolds.renew,
            state=lambda: self.state,
            see=see,
            before_exit=lambda name: self.files.read_signals(name),
        )
        repository = Repository(
            self.errands,
            self.inotify,
            os.path.join(places.root, "mirror.git"),
            ask=lambda: self.files.subject(),
            tell=see,
            say=saying.say,
            clock=clock,
        )
        self.config_file = ConfigFile(
            config_path,
            config.log_dir,
            reactor,
            clock,
            self.inotify,
            see,
            None if shared is None else self.errands,
        )
        self.files = watching.Files(
            self.config_file,
            clock,
            self.inotify,
            repository,
            sessions,
            state=lambda: self.state,
            see=see,
        )
        acting = Acting(
            sessions,
            writing,
            repository,
            announcer,
            touch=self.deciding.touch,
            leave=lambda: leave(0) if command is not None else None,
            say=saying.say,
        )
        self.adopting = Adopting(
            reactor,
            clock,
            runtime,
            self.holder,
            sessions,
            epoch=ledger.epoch,
            up=up,
            state=lambda: self.state,
            see=see,
            read_signals=self.files.read_signals,
            lost=lambda: self.holding.lost(),
            leave=leave,
            say=saying.say,
        )
        self.holding = Holding(
            runtime,
            self.holder,
            reactor,
            clock,
            command=command,
            log=log,
            adopt=self.adopting.adopt,
            may_go_on=lambda: ledger.writable,
            leave=leave,
            say=saying.say,
            lock=shared.lock if shared is not None else "",
        )
        self._schedules = Schedules(reactor, clock, state=lambda: self.state, see=see, say=saying.once)
        relay = [sys.executable, "-I", "-S", "-E", attach.__file__, "--no-detach", runtime.holder_socket]
        self.view = View(runtime.tmux_socket, relay)
        opened.callback(self.view.release)
        self.showing = Showing(self.view, reactor, clock, wanted=self._views, say=saying.say)
        requests = Requests(
            clock,
            state=lambda: self.state,
            see=see,
            settle=self.deciding.flush,
            leave=lambda: leave(0),
            started=clock.now(),
            trouble=lambda: self.deciding.trouble,
            service=command is None,
            shared=shared is not None,
        )
        control = Control(reactor, runtime.control_socket, requests.answer, clock.now)
        listening.callback(control.close)
        self.net = Net(
            reactor,
            clock,
            self.inotify,
            control,
            self.files,
            self._schedules,
            self.showing,
            state=lambda: self.state,
            say=saying.once,
        )

    @property
    def state(self) -> State:
        """The state of the moment."""
        return self.deciding.state

    def _decided(self, event: Event) -> None:
        if isinstance(event, ConfigLoaded):  # it may name other clones, or another branch
            self._reactor.at("rescan", self._clock.now(), self.files.rescan)
        if isinstance(event, EvidenceTaken | PhaseStarted | TurnCompleted | SessionEnded):
            self._reactor.at("blindfolds", self._clock.now(), self._blindfolds.settle)

    def _touched(self, names: set[str]) -> None:
        self._schedules.settle(names)
        self.showing.soon()

    def _views(self) -> dict[str, str] | None:
        return None if self._leaving() else views(self.state)


def _past(places: StatePlaces) -> Iterator[Event]:
    """All events of the journal, read anew."""
    return (event for _, event in history(places.journal))
