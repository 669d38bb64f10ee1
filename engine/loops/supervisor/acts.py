"""Carries the supervisor's actions out on sessions, and turns what the holder says into observations.

Every act can be asked for again after a crash: the holder knows sessions by (name, incarnation) and writes by their id.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from loops.agents import port
from loops.errors import LoopsError, SessionError
from loops.isolation.confine import Confinement
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import client as held
from loops.sessions import send as verified
from loops.sessions import tree
from loops.supervisor import commission, past_runs
from loops.supervisor.action import End, Look, RunChecks, Send, Start
from loops.supervisor.clock import Clock
from loops.supervisor.decide import CHECK_SESSION
from loops.supervisor.endings import Endings
from loops.supervisor.looking import Looking, in_steady_time
from loops.supervisor.observation import CheckEnded, Confined, Exited, Observation, Spawned, SpawnRefused
from loops.supervisor.reactor import Reactor
from loops.supervisor.sending import Sending
from loops.supervisor.state import NudgeKind, State


class Sessions:
    """The supervisor's hands.  *state* gives the state of the moment, *see* takes an observation."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        runtime: Runtime,
        holder: held.HolderClient,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
        before_exit: Callable[[str], None],
        prepare: Callable[[str, Callable[[], None]], None] = lambda _, then: then(),
    ) -> None:
        """*prepare* makes an agent's clone ready for a start, or for a claim to judge, and calls back."""
        self._reactor = reactor
        self._clock = clock
        self._runtime = runtime
        self.holder = holder
        self.holder_pid = 0
        self._state = state
        self._see = see
        self._before_exit = before_exit
        self._prepare = prepare
        self._sending = Sending(reactor, clock, runtime, holder, state=state, see=see)
        self._looking = Looking(reactor, clock, holder, self._sending, state=state, see=see)
        self._endings = Endings(reactor, clock, runtime, self._tree_ended)
        self._exits: dict[tuple[str, int], held.Exited] = {}

    def adopted(self, holder_pid: int, sessions: Sequence[held.Held]) -> None:
        """Take in what the holder holds."""
        self.holder_pid = holder_pid
        self._looking.begin_anew()
        self._endings.adopted(holder_pid, sessions)

    # ---- starting --------------------------------------------------------------------------------------------------

    def start(self, act: Start) -> None:
        """Ask the holder for the session whose intent is in the state."""
        start = partial(self._in_peace, partial(self._start, act))
        self._prepare(act.agent, partial(self._endings.alone, act.agent, start))

    def _in_peace(self, act: Callable[[], None]) -> None:
        """Without a holder nothing can be done: its successor is asked for everything again."""
        with suppress(SessionError):
            act()

    def _start(self, act: Start) -> None:
        state = self._state()
        agent = state.agents.get(act.agent)
        assert state.config is not None, "an intent exists only after a configuration"
        spec = state.config.agents.get(act.agent)
        if agent is None or agent.incarnation != act.incarnation or not agent.alive:
            return
        if spec is None:  # agents.toml has changed since the intent
            reason = "it is no longer in agents.toml"
            self._see(SpawnRefused(self._clock.now(), act.agent, act.incarnation, reason))
            return
        try:
            confined = commission.confinement(state.config, self._runtime, spec, agent)
            wrap = confined.wrap if confined is not None and not confined.around_session else ()
            ready = commission.launch(state.config, self._runtime, spec, agent, wrap)
            commission.write_files(ready)
            order = commission.spawn_order(state.config, self._runtime, spec, agent, ready, confined)
        except (LoopsError, OSError) as error:
            self._see(SpawnRefused(self._clock.now(), act.agent, act.incarnation, str(error)))
            return
        if confined is not None:
            self._see(_confined(self._clock.now(), act, confined))
        past_runs.drop(StatePlaces(state.config.log_dir), act.agent, act.incarnation, self._clock.now())
        self.holder.spawn(order)

    # ---- ending ----------------------------------------------------------------------------------------------------

    def end(self, act: End) -> None:
        """End the session's whole tree, step by step."""
        session = self.holder.sessions().get(act.agent)
        leader = None
        if session is not None and session.incarnation == act.incarnation and session.alive:
            leader = tree.Process(session.pid, session.start_time)
        elif session is None or session.incarnation != act.incarnation:
            self._see(Exited(self._clock.now(), act.agent, act.incarnation, None, None))
            return
        self._endings.begin(act.agent, act.incarnation, leader, act.grace)

    def _tree_ended(self, name: str, incarnation: int) -> None:
        exit = self._exits.pop((name, incarnation), None)
        if exit is not None:
            self._tell_exit(exit)

    def _exited(self, event: held.Exited) -> None:
        """A leader ended.  Where the end was asked for, it is told only when the whole tree has ended."""
        if self._endings.exited(event):
            self._tell_exit(event)
        else:
            self._exits[event.name, event.incarnation] = event

    def _tell_exit(self, event: held.Exited) -> None:
        at = self._clock.now()
        self._sending.forget(event.name)
        self._looking.over(event.name)
        if event.name.startswith(CHECK_SESSION):
            self._check_ended(event)
            return
        self._before_exit(event.name)  # what it said last counts before that it ended
        self._see(Exited(at, event.name, event.incarnation, event.code, event.signal))

    # ---- checks ----------------------------------------------------------------------------------------------------

    def run_checks(self, act: RunChecks) -> None:
        """Run the phase's checks; a run that the holder already has is left alone."""
        config = self._state().config
        assert config is not None, "an intent exists only after a configuration"
        session = self.holder.sessions().get(f"{CHECK_SESSION}{act.number}")
        if session is not None and not session.alive:
            code, signal = session.code, session.signal
            self._check_ended(held.Exited(session.name, 1, session.pid, code, signal, session.core))
        elif session is None:
            try:
                os.makedirs(StatePlaces(config.log_dir).checks, exist_ok=True)
                order = commission.check_order(config, self._runtime, act.phase, act.commit, act.number)
            except (LoopsError, OSError) as error:  # fail closed, and say why
                self._see(CheckEnded(self._clock.now(), act.phase, act.commit, False, str(error)))
                return
            self.holder.spawn(order)

    def _check_ended(self, event: held.Exited) -> None:
        state = self._state()
        check = state.loop.check
        with suppress(SessionError):
            self.holder.forget(event.name)
        if state.config is None or check is None or event.name != f"{CHECK_SESSION}{check.number}":
            return
        path = commission.check_answer(StatePlaces(state.config.log_dir), check.number)
        try:
            with open(path, encoding="utf-8") as file:
                answer = json.load(file)
            ok, text = answer["ok"] is True and answer["commit"] == check.commit, str(answer["text"])
            os.unlink(path)
        except (OSError, ValueError, KeyError, TypeError):  # fail closed: no answer is a failed check
            ok, text = False, f"the checks gave no answer (exit {event.code}, signal {event.signal})"
        self._see(CheckEnded(self._clock.now(), check.phase, check.commit, ok, text))

    # ---- sending and looking ---------------------------------------------------------------------------------------

    def send(self, act: Send) -> None:
        """Type a nudge and verify it; asked again for the same nudge and incarnation, nothing is typed twice."""
        if act.nudge.kind is NudgeKind.CLAIM:
            self._prepare(act.agent, partial(self._in_peace, partial(self._sending.send, act)))
        else:
            self._sending.send(act)

    def sending_saw(self, name: str, seen: verified.Seen) -> None:
        """Tell the send that is under way in this session, if any."""
        self._sending.saw(name, seen)

    def look(self, act: Look) -> None:
        """Ask for the newest output; the screen is rendered when it comes."""
        self._looking.look(act)

    def is_looking(self, name: str) -> bool:
        """Whether the answer to a look is under way."""
        return self._looking.is_looking(name)

    def watch_screen(self, name: str) -> None:
        """Follow the output's edges where the screen is a witness."""
        self._looking.watch(name)

    def in_steady_time(self, signals: tuple[port.Signal, ...]) -> tuple[port.Signal, ...]:
        """Turn the wall times that an agent or a provider named into steady ones."""
        return in_steady_time(self._clock, signals)

    # ---- what the holder says --------------------------------------------------------------------------------------

    def heard(self, events: Sequence[held.Event]) -> None:
        """Take in what the holder said (the loop itself handles `HolderGone` and `Superseded`)."""
        for event in events:
            with suppress(SessionError):  # the holder went right after it had said this: `adopted` begins anew
                self._hear(event)

    def _hear(self, event: held.Event) -> None:
        at = self._clock.now()
        match event:
            case held.Spawned(name=name, incarnation=incarnation, pid=pid):
                self._endings.began(name, pid)
                if not name.startswith(CHECK_SESSION):
                    self._see(Spawned(at, name, incarnation, pid))
                    self.watch_screen(name)
            case held.SpawnFailed(name=name, incarnation=incarnation, reason=reason):
                if name.startswith(CHECK_SESSION):
                    self._check_ended(held.Exited(name, 1, 0, None, None, False))
                else:
                    self._see(SpawnRefused(at, name, incarnation, reason))
            case held.Exited():
                self._exited(event)
            case held.Written():
                self._sending.written(event)
            case held.NotWritten(name=name, id=write_id, reason=reason):
                self.sending_saw(name, verified.Refused(write_id, reason))
            case held.Tail():
                self._looking.tail(event)
            case held.Activity(name=name) | held.Quiet(name=name):
                self._looking.soon(name)


def _confined(at: float, act: Start, how: Confinement) -> Confined:
    return Confined(at, act.agent, act.incarnation, how.reads, how.writes, how.network, how.lack)
