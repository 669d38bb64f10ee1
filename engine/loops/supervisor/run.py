"""One project's supervisor: composes the parts and has its turns.  observe -> decide -> journal -> act.

Everything seen in one turn is decided upon, then committed to the journal with one write and one fdatasync, and only then
acted on: an act without its intent on disk cannot happen.  What turns it, alone or beside others, is `loops.supervisor.crew`.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from loops import __version__
from loops.config.model import Config
from loops.errors import ConfigError, JournalError, LoopsError, SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.secrets.redaction import redact
from loops.sessions import attach, tree
from loops.sessions import client as held
from loops.sessions.view import View
from loops.supervisor import action, commission, processes, watching
from loops.supervisor.acts import Sessions
from loops.supervisor.announcing import Announcer
from loops.supervisor.blinding import Blindfolds
from loops.supervisor.clock import Clock, boot_id
from loops.supervisor.config_file import ConfigFile, compiled, last_good
from loops.supervisor.control import Control
from loops.supervisor.decide import CHECK_SESSION, decide, due
from loops.supervisor.errands import Errands
from loops.supervisor.events import (
    AboutAgent,
    AboutNotices,
    AboutPhase,
    ConfigLoaded,
    Event,
    EvidenceTaken,
    PhaseStarted,
    SessionEnded,
    TurnCompleted,
)
from loops.supervisor.holding import Found, Holding
from loops.supervisor.inotify import Inotify
from loops.supervisor.ledger import Ledger, history
from loops.supervisor.leftovers import end_leftovers
from loops.supervisor.observation import Adopted, Began, Departs, Observation, Tick, Told
from loops.supervisor.reactor import Reactor
from loops.supervisor.repository import Repository
from loops.supervisor.requests import Requests
from loops.supervisor.schedules import Schedules
from loops.supervisor.showing import Showing
from loops.supervisor.state import Life
from loops.supervisor.writing import Writing

SNAPSHOT_QUIET = 2.0
"""Seconds without an event after which a snapshot is worth its 40 ms (with a thousand agents), if enough events came."""
SNAPSHOT_WORTH = 500
JOURNAL_RETRY = 1.0
"""Seconds until a journal that could not be written (a full disk) is tried again; nothing is acted on meanwhile."""
TICK_PAUSE = 1.0
"""Seconds, at least, between two ticks of an agent whose time lies in the past even after a tick."""
MOST_ROUNDS = 100
"""Rounds of deciding and acting in one turn of the loop; then its descriptors and timers have theirs."""


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


def supervisor_command(config_path: str) -> list[str]:
    """The command by which the holder starts, and starts again, the supervisor."""
    return [sys.executable, "-m", "loops.supervisor", config_path]


def _first_config(path: str) -> tuple[Config, ConfigError | None]:
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
        self._ready = lambda: None
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
        config, broken = _first_config(config_path)
        self._places = StatePlaces(config.log_dir)
        _make_directories(self._places)
        self._log = os.path.join(self._places.log_dir, "holder.log")
        self._ledger = Ledger(self._places.journal, f"urn:loops:project:{config.session_prefix}")
        self._open.callback(self._ledger.close)
        self.state = self._ledger.state
        self._down_since = self.state.steady
        if broken is not None and (self.state.config is None or not (self.state.up or self._service)):
            raise broken
        begins = self._service or (self._shared is not None and self._shared.begins)
        self._up = up or (begins and self.state.config is None)
        self._clock = Clock(self.state.steady)
        self._reactor = Reactor(self._clock.now)
        self._open.callback(self._reactor.close)
        self._seen: deque[Observation] = deque()
        self._acts: deque[action.Action] = deque()
        self._touched: set[str] = {""}
        self._unsure = tuple(notice.id for notice in self.state.notices.waiting if notice.sending)
        self._ticked: dict[str, float] = {}
        self._superseded = False
        self._said: set[str] = set()
        self._flushing = False
        self._trouble = ""
        self._compose(config)

    def _compose(self, config: Config) -> None:
        clock, reactor = self._clock, self._reactor
        self._inotify = Inotify()
        self._open.callback(self._inotify.close)
        self._writing = Writing(self._places, config.root, reactor, clock, past=self._past, say=self.say_once)
        self._errands = Errands(reactor, clock.now)
        self._open.callback(self._errands.close)
        self._announcer = Announcer(self._errands, clock, state=lambda: self.state, see=self.see)
        self._holder = held.HolderClient(self._runtime.holder_socket, self._ledger.epoch)
        self._open.callback(self._holder.close)
        self._holding = Holding(
            self._runtime,
            self._holder,
            reactor,
            clock,
            command=None if self._service else self._command(),
            log=self._log,
            adopt=self._adopt,
            may_go_on=lambda: self._ledger.writable,
            leave=self._leave,
            say=self.say,
            lock=self._shared.lock if self._shared is not None else "",
        )
        self._blindfolds = Blindfolds(
            self._errands, clock, self._runtime, state=lambda: self.state, see=self.see, say=self.say
        )
        self._sessions = Sessions(
            reactor,
            clock,
            self._runtime,
            self._holder,
            prepare=self._blindfolds.renew,
            state=lambda: self.state,
            see=self.see,
            before_exit=lambda name: self._files.read_signals(name),
        )
        self._repository = Repository(
            self._errands,
            self._inotify,
            os.path.join(self._places.root, "mirror.git"),
            ask=lambda: self._files.subject(),
            tell=self.see,
            say=self.say,
            clock=clock,
        )
        self._config_file = ConfigFile(
            self.config_path,
            config.log_dir,
            reactor,
            clock,
            self._inotify,
            self.see,
            None if self._shared is None else self._errands,
        )
        self._files = watching.Files(
            self._config_file,
            clock,
            self._inotify,
            self._repository,
            self._sessions,
            state=lambda: self.state,
            see=self.see,
        )
        self._schedules = Schedules(reactor, clock, state=lambda: self.state, see=self.see, say=self.say_once)
        relay = [sys.executable, "-I", "-S", "-E", attach.__file__, "--no-detach", self._runtime.holder_socket]
        self._view = View(self._runtime.tmux_socket, relay)
        self._open.callback(self._view.release)
        self._showing = Showing(self._view, reactor, clock, wanted=self._views, say=self.say)
        requests = Requests(
            clock,
            state=lambda: self.state,
            see=self.see,
            settle=self.flush,
            leave=lambda: self._leave(0),
            started=clock.now(),
            trouble=lambda: self._trouble,
            service=self._service,
            shared=self._shared is not None,
        )
        self._control = Control(reactor, self._runtime.control_socket, requests.answer, clock.now)
        self._listening.callback(self._control.close)

    def _command(self) -> Sequence[str]:
        return supervisor_command(self.config_path) if self._shared is None else self._shared.command

    def _past(self) -> Iterator[Event]:
        """All events of the journal, read anew."""
        return (event for _, event in history(self._places.journal))

    # ---- the turn of the loop --------------------------------------------------------------------------------------

    def see(self, observation: Observation) -> None:
        """Take in one observation; it is decided upon in `flush`."""
        self._seen.append(observation)

    def flush(self) -> None:
        """Decide on all that was seen, make it durable, act; until nothing is left."""
        if self._flushing:
            return
        self._flushing = True
        try:
            rounds = 0
            while self._seen or self._acts or self._trouble:
                rounds += 1
                if rounds > MOST_ROUNDS:
                    self._reactor.at("flush", self._clock.now(), self.flush)
                    break
                self._decide()
                if not self._commit():
                    return
                while self._acts:
                    self._act(self._acts.popleft())
            self._set_timers()
        finally:
            self._flushing = False

    def _decide(self) -> None:
        while self._seen:
            self.state, events, actions = decide(self.state, self._seen.popleft())
            self._ledger.append(events)
            self._acts.extend(actions)
            for event in events:
                if isinstance(event, ConfigLoaded):  # it may name other clones, or another branch
                    self._reactor.at("rescan", self._clock.now(), self._files.rescan)
                if isinstance(event, EvidenceTaken | PhaseStarted | TurnCompleted | SessionEnded):
                    self._reactor.at("blindfolds", self._clock.now(), self._blindfolds.settle)
                if isinstance(event, AboutAgent):
                    self._touched.add(event.agent)
                elif isinstance(event, AboutNotices):
                    self._touched.add("")
                elif not isinstance(event, AboutPhase):
                    self._touched.update(("", *self.state.agents))

    def _commit(self) -> bool:
        try:
            if self._ledger.commit():
                self._reactor.at("snapshot", self._clock.now() + SNAPSHOT_QUIET, self._keep_snapshot)
        except JournalError as error:
            if str(error) != self._trouble:  # once, not at every retry; `loops status` goes on saying it
                self._trouble = str(error)
                self.say(self._trouble)
            if not self._ledger.writable:
                self._leave(error.exit_code)
            self._reactor.at("journal", self._clock.now() + JOURNAL_RETRY, self.flush)
            return False
        if self._trouble:
            self._trouble = ""
            self.say("the journal can be written again, and nothing that was seen meanwhile is missing from it")
        try:
            self._ledger.keep_snapshot(self.state)
        except JournalError as error:  # a start takes longer without it: no reason to keep anything waiting
            self.say(str(error))
        return True

    def _keep_snapshot(self) -> None:
        """In a quiet moment: a supervisor that is killed after it comes back without replaying much."""
        if self._acts or self._seen:
            return
        with suppress(JournalError):
            self._ledger.keep_snapshot(self.state, least=SNAPSHOT_WORTH)

    def _set_timers(self) -> None:
        now = self._clock.now()
        for name in self._touched:
            when = None if self._sessions.is_looking(name) else due(self.state, name)
            if when is not None and when <= now:
                when = max(when, self._ticked.get(name, 0.0) + TICK_PAUSE)
            self._reactor.at(f"agent {name}", when, lambda n=name: self._tick(n))  # type: ignore[misc]
        if self._touched:
            self._schedules.settle(self._touched)
            self._showing.soon()
        self._touched.clear()

    def _tick(self, name: str) -> None:
        self._ticked[name] = self._clock.now()
        self.see(Tick(self._ticked[name], (name,)))
        self._touched.add(name)

    def _act(self, act: action.Action) -> None:
        try:
            match act:
                case action.Start():
                    self._sessions.start(act)
                case action.End():
                    self._sessions.end(act)
                case action.Send():
                    self._sessions.send(act)
                case action.Answer():
                    self._writing.answer(act)
                case action.Look():
                    self._sessions.look(act)
                    self._touched.add(act.agent)
                case action.RunChecks():
                    self._sessions.run_checks(act)
                case action.ReadHistory():
                    self._repository.look_everywhere(again=True)
                case action.LogTokens():
                    self._writing.tokens(act)
                case action.LogReboots():
                    self._writing.reboots(act)
                case action.Notice(text=text):
                    self.say(text)
                case action.Notify():
                    self._announcer.send(act)
                case action.Leave():
                    if not self._service:
                        self._leave(0)
        except SessionError:
            # The holder went away, which `_heard` tells the operator: its successor is asked for everything again.
            return

    # ---- the parts speak -------------------------------------------------------------------------------------------

    def _heard(self) -> None:
        events = self._holder.read()
        self._sessions.heard(events)
        for event in events:
            match event:
                case held.HolderEnds():
                    self.say("the holder was told to end, and ends every session; the next one gets them anew")
                case held.HolderGone():
                    self._reactor.forget(self._holder.fileno())
                    self._holding.lost()
                case held.Superseded(epoch=epoch):
                    self.say(f"another supervisor (epoch {epoch}) has taken over")
                    self._superseded = True
                    self._leave(0)
                    return  # nothing more is decided: journal, sessions and views are that one's
                case held.Refused(reason=reason):
                    self.say(f"the holder refused: {reason}")

    def _adopt(self, found: Found) -> None:
        """Take in what the holder holds: what it has not is gone."""
        sessions = found.sessions
        self._sessions.adopted(found.pid, sessions)
        if not found.again:
            self._end_leftovers([session for session in sessions if session.alive])
            self._reactor.at("ready", self._clock.now(), self._ready)  # once what the sessions need is decided
        self._reactor.watch(self._holder.fileno(), self._heard)
        living = {session.name for session in sessions if session.alive}
        for name in [name for name in self.state.agents if name not in living]:
            self._files.read_signals(name)  # what it said last counts before that it is gone: no nudge comes twice
        adopted = tuple(Adopted(s.name, s.incarnation, s.pid, s.alive, s.code, s.signal) for s in sessions)
        self.see(
            Began(
                self._clock.now(),
                os.getpid(),
                self._ledger.epoch,
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
            self.say(f"ended what was left of {mark.partition('/')[2]}: it had outlived its holder")

    def _views(self) -> dict[str, str] | None:
        """The tmux views that there should be."""
        config = self.state.config
        if config is None or self.leaving is not None:
            return None
        return {
            config.agents[name].session: name
            for name, agent in self.state.agents.items()
            if name in config.agents and agent.incarnation and (agent.shown or agent.life not in (Life.OFF, Life.ENDED))
        }

    def say(self, text: str) -> None:
        """Tell the operator: our standard error is the holder's log, or the service manager's journal."""
        text = redact(text)
        with suppress(OSError):  # the log lies on the disk that is full, or its reader is gone: no reason to die
            if self._shared is None:
                print(f"[loops] {text}", file=sys.stderr, flush=True)
                return
            self._shared.say(text)  # to all projects' one log; and to our own, where it is looked for
            with open(self._log, "a", encoding="utf-8", errors="replace") as log:
                log.write(f"[loops] {text}\n")

    def say_once(self, text: str) -> None:
        """The same, unless it was said before."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    # ---- coming and going ------------------------------------------------------------------------------------------

    def begin(self, ready: Callable[[], None] = lambda: None) -> None:
        """Read, watch and connect; *ready* is called when the holder is found and what its sessions need is decided."""
        self._ready = ready
        for report in self._ledger.reports:
            self.say(report)
        self._config_file.read()
        self._decide()
        self._files.watch()
        self._holding.start()
        self._reactor.watch(self._inotify.fileno(), self._files.changed)
        self._reactor.watch(self._view.fileno(), self._showing.poll)
        self._net()
        self._reactor.at("view net", self._clock.now(), self._view_net)
        self.flush()

    def fileno(self) -> int:
        return self._reactor.fileno()

    def wait(self) -> float:
        """Seconds until it must have a turn although `fileno` is not readable."""
        return self._reactor.wait()

    def turn(self) -> None:
        """Serve what is ready, decide and act; never wait."""
        self._reactor.turn(waiting=False)
        if not self._superseded:
            self.flush()

    def look_again(self) -> None:
        """Look at every file anew, as after SIGHUP; the next turn decides."""
        self._files.rescan()

    def leave(self) -> None:
        """Want to end; the agents live on."""
        self._leave(0)

    def put_down(self) -> None:
        """End the agents, as `loops down` does; the next turn begins with it."""
        self.see(Told(self._clock.now(), "down"))

    @property
    def rests(self) -> bool:
        """Whether the project is down, as the journal has it, and no holder keeps a session of it."""
        idle = not (self._up or self.state.up or any(agent.alive for agent in self.state.agents.values()))
        return idle and not processes.holder(self._runtime)

    def abandon(self) -> None:
        """Let go of everything before `begin`: as if we had never come."""
        self._open.close()

    def _net(self) -> None:
        """The slow net below the events."""
        config = self.state.config
        interval = config.watchdog.signal_interval if config is not None else 30.0
        try:
            self._control.keep_place()
        except SessionError as error:
            self.say_once(str(error))
        self._files.rescan()
        self._schedules.net()
        if self._inotify.exhausted:
            self._inotify.exhausted = False
            self.say_once(
                "the kernel gives no more file watches, so pushes and edits are seen late: raise "
                "/proc/sys/fs/inotify/max_user_watches"
            )
        self._files.fetch()
        self._reactor.at("net", self._clock.now() + interval, self._net)

    def _view_net(self) -> None:
        """Rebuild what broke in tmux without a word to us.  Seldom: a listing of a thousand views costs 20 ms."""
        config = self.state.config
        interval = config.watchdog.heavy_interval if config is not None else 300.0
        self._showing.anew()
        self._reactor.at("view net", self._clock.now() + interval, self._view_net)

    def _leave(self, code: int) -> None:
        self.leaving = code

    def close(self) -> None:
        """Let go of everything, whatever has happened; the agents live on, unless the project is down."""
        with self._open:  # each part of us is closed, though another fails
            self._depart()

    def _depart(self) -> None:
        project_is_down = not self.state.up and not any(agent.alive for agent in self.state.agents.values())
        self._errands.close()
        if not self._superseded:
            if self.leaving == 0:  # else the next one says that we ended without a word
                self.see(Departs(self._clock.now(), "asked to"))
                self._decide()
            self._close_ledger()
        if project_is_down and not self._superseded:
            self._view.close()
            if not self._service:
                with suppress(LoopsError):
                    self._holder.quit()

    def _close_ledger(self) -> None:
        try:
            self._ledger.commit()
            self._ledger.keep_snapshot(self.state, least=0)
        except JournalError as error:
            if str(error) != self._trouble:
                self.say(str(error))
        finally:
            with suppress(LoopsError):
                self._ledger.close()
