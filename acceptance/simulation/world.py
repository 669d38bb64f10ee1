"""The simulated world: one project, its holder, its remote and its operator, in virtual time.

It is played from one seed; the same seed gives the same world.  The supervisor in it is the real brain (`decide`) with the
real journal encoding; its acts may be cut off at any point by its own death, just as on a real machine.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any

from loops.agents import port
from loops.config import calendar
from loops.config import encode as encode_config
from loops.config.model import Config, Kind
from loops.supervisor import action as act
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor import scheduling, snapshot
from loops.supervisor.decide import CHECK_SESSION, decide, due
from loops.supervisor.fold import fold
from loops.supervisor.state import State

from simulation.judges import REQUEST, Judges
from simulation.operator import Operator
from simulation.process import Process
from simulation.project import project
from simulation.receivers import Receivers
from simulation.remote import Remote

START = 1_800_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MOST_STEPS = 2000
"""In an hour: more is a storm."""

CHANCES = {
    "crash": 0.03,
    "hang": 0.01,
    "limit": 0.03,
    "outage": 0.02,
    "block": 0.01,
    "fatal": 0.01,
    "dialog": 0.01,
    "approval": 0.01,
    "resume-failure": 0.1,
    "no-marker": 0.1,
    "oversleep": 0.1,
    "human-line": 0.1,
    "deaf": 0.03,
    "supervisor-dies-in-the-act": 0.003,
    "late-push": 0.1,
    "check-fails": 0.15,
    "check-vanishes": 0.05,
    "false-claim": 0.3,
    "false-done": 0.1,
    "forgets-done": 0.2,
    "veto": 0.1,
    "message": 0.1,
    "note": 0.05,
}


class Failure(AssertionError):
    """A judge found the supervisor at fault."""


class Simulation:
    """One world.  `run` plays it; a fault raises `Failure` with the way to see it again."""

    def __init__(self, seed: int, days: float) -> None:
        self.seed, self.days = seed, days
        self.rng = random.Random(seed)
        self.now = START
        self.jumped = 0.0
        """How far the wall clock stands from the steady one."""
        self._looked = 0.0
        """The same when the schedules were last looked at."""
        self.calm = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self.config: Config = project()
        self.remote = Remote({p.id: tuple(i.id for i in p.items) for p in self.config.loop.phases})
        self.held: dict[str, Process] = {}
        self.checks: dict[int, tuple[bool, str] | None] = {}
        self.poisoned: set[str] = set()
        self.broken_until: dict[str, float] = {}
        self.limits: dict[str, tuple[float, bool]] = {}
        self.blocked: dict[str, str] = {}
        """By agent: what blocks it until the operator mends it."""
        self.boot = 1
        self.epoch = 0
        self.alive = False
        """Whether the supervisor lives."""
        self.heard = False
        """Whether the last observation is in the journal."""
        self.state = State()
        self._folded = State()
        self._journal: list[tuple[str, str]] = []
        """What is durable since `_folded`, as JSON."""
        self._offsets: dict[str, tuple[int, int]] = {}
        self._looking: set[str] = set()
        self._timers: dict[str, tuple[object, object, object, float | None]] = {}
        self._spins = (0.0, 0)
        self._busy = (0.0, 0)
        self._reading = False
        self._waiting_acts: list[act.Action] | None = None
        """What a supervisor decided before it knew the holder: done when it does."""
        self.steps = 0
        self.last: deque[str] = deque(maxlen=60)
        self.judges = Judges(self)
        self.receivers = Receivers(self)
        self.operator = Operator(self)

    # ---- time -----------------------------------------------------------------------------------------------------

    @property
    def wall(self) -> float:
        return self.now + self.jumped

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._count), do))

    def chance(self, what: str) -> bool:
        """Whether it happens this time; in calm days nothing bad does."""
        return self.rng.random() < CHANCES[what] and not self.calm

    def run(self) -> None:
        """Days of trouble, then calm ones in which everything that was begun must come to its end."""
        try:
            self.operator.begin()
            self._disasters()
            self._play(START + self.days * DAY)
            self._settle_down()
            self.judges.at_the_end()
            self.receivers.at_the_end()
        except Failure:
            raise
        except Exception as error:
            raise Failure(self.trace(f"{type(error).__name__}: {error}")) from error

    def fail(self, why: str) -> None:
        raise Failure(self.trace(why))

    def trace(self, why: str) -> str:
        """What went wrong, the last events in words, and how to see it alone."""
        again = f"LOOPS_SIM_SEED={self.seed} LOOPS_SIM_DAYS={self.days:g} python -m pytest acceptance/test_simulation.py -n 0"
        head = f"seed {self.seed}, step {self.steps}, day {(self.now - START) / DAY:.3f}: {why}"
        return "\n".join((head, f"again: {again}", "the last events:", *self.last))

    def _play(self, end: float) -> None:
        while True:
            timer, name = self._next_timer()
            event = self._queue[0][0] if self._queue else end + 1
            if min(timer, event) > end:
                self.now = max(self.now, end)
                return
            if timer <= event:
                self._tick(max(timer, self.now), name)
            else:
                at, _, do = heapq.heappop(self._queue)
                self.now = max(self.now, at)
                do()

    def _next_timer(self) -> tuple[float, str]:
        if not self.alive:
            return float("inf"), ""
        best, whose = float("inf"), ""
        state = self.state
        told = due(state, "")
        if told is not None:
            best = told
        for name, agent in state.agents.items():
            if name in self._looking:
                continue
            kept = self._timers.get(name)
            if kept is None or kept[0] is not agent or kept[1] is not state.config or kept[2] is not state.loop:
                kept = (agent, state.config, state.loop, due(state, name))
                self._timers[name] = kept
            if kept[3] is not None and kept[3] < best:
                best, whose = kept[3], name
        return best, whose

    def _tick(self, at: float, name: str) -> None:
        spins = self._spins[1] + 1 if self._spins[0] == at else 0
        self._spins = (at, spins)
        if spins > 50:
            self.fail(f"timers of {name or 'the project'} storm: {self.state.agents.get(name, self.state.notices)}")
        self.now = at
        self.see(ob.Tick(at, (name,)))

    def _settle_down(self) -> None:
        self.calm = True
        self.limits.clear()
        self.blocked.clear()
        self.broken_until.clear()
        self.poisoned.clear()
        self.operator.sets_all_right()
        for _ in range(40):
            self._play(self.now + 12 * HOUR)
            if self.state.loop.complete:
                return
        self.fail(f"ten calm days after, the plan is not complete: {self.judges.standing()}")

    # ---- the supervisor -------------------------------------------------------------------------------------------

    def see(self, seen: ob.Observation) -> None:
        """The supervisor takes one observation in; it may die before, between or after what follows."""
        if not self.alive:
            return
        self.steps += 1
        hour = self.now // HOUR
        self._busy = (hour, self._busy[1] + 1 if self._busy[0] == hour else 0)
        if self._busy[1] > MOST_STEPS:
            self.fail(f"more than {MOST_STEPS} steps within an hour, the last: {seen}")
        before = self.state
        after, events, actions = decide(before, seen)
        dies = (events or actions) and self.chance("supervisor-dies-in-the-act")
        if dies and self.rng.random() < 0.3:
            self.supervisor_dies("before its journal was written")
            return
        self.heard = True
        self.state = after
        for event in events:
            self._journal.append((event.type, json.dumps(ev.encode(event))))
            self.last.append(f"  {(self.now - START) / HOUR:10.4f} h  {event.type} {_brief(event)}")
        self.judges.decided(before, seen, events, actions)
        done = self.rng.randint(0, len(actions)) if dies else len(actions)
        for action in actions[:done]:
            if not self.alive:
                return
            if self._waiting_acts is None:
                self._act(action)
            else:
                self._waiting_acts.append(action)
        if dies:
            self.supervisor_dies(f"after {done} of {len(actions)} acts")

    def supervisor_dies(self, when: str, down: float | None = None) -> None:
        """Only the journal is left of it."""
        if not self.alive:
            return
        self.alive = False
        self.last.append(f"  {(self.now - START) / HOUR:10.4f} h  THE SUPERVISOR DIES {when}")
        again = fold(self._folded, self._read_journal())
        if again != self.state:
            self.fail("the state is not the fold of the journal")
        if self.rng.random() < 0.2:
            kept = snapshot.decode(json.loads(json.dumps(snapshot.encode(again))))
            if kept != again:
                self.fail("the snapshot is another state")
        self._folded = self.state = again
        self._journal.clear()
        self.after(self.rng.uniform(0.05, 60) if down is None else down, self.supervisor_comes)

    def _read_journal(self) -> list[ev.Event]:
        found = [ev.decode(kind, json.loads(data)) for kind, data in self._journal]
        return [event for event in found if event is not None]

    def supervisor_comes(self, again: bool = False) -> None:
        """It comes back, or (*again*) has found another holder."""
        if self.alive and not again:
            return
        self.alive = True
        self.epoch += not again
        self._looking.clear()
        self._offsets.clear()
        unsure = () if again else tuple(n.id for n in self.state.notices.waiting if n.sending)
        since = 0.0 if again else self.state.steady
        self._waiting_acts = []
        self.see(ob.ConfigRead(self.now, self.config, encode_config(self.config))) if not again else None
        waiting, self._waiting_acts = self._waiting_acts, None
        held = [ob.Adopted(p.name, p.incarnation, p.pid, p.alive, p.code, p.signal) for p in self.held.values()]
        self.see(ob.Began(self.now, 7, self.epoch, f"boot-{self.boot}", "1", tuple(held), False, since, unsure))
        for action in waiting:
            if self.alive:
                self._act(action)
        for name in list(self.held):
            self._read_signals(name)
        self.look_at_remote()
        self._look_at_the_clock()

    # ---- acts -----------------------------------------------------------------------------------------------------

    def _act(self, action: act.Action) -> None:
        match action:
            case act.Start():
                self._start(action)
            case act.End():
                self._end(action)
            case act.Send():
                self._send(action)
            case act.Answer():
                held = self.held.get(action.agent)
                if held is not None and held.incarnation == action.incarnation:
                    self.judges.answered(held, action)
                    held.answered[action.approval] = action.allow
            case act.Look():
                self._look(action)
            case act.RunChecks():
                self._run_checks(action)
            case act.ReadHistory():
                self.look_at_remote()
            case act.Notify():
                self.receivers.send(action)
            case act.Leave():
                self.operator.supervisor_left()

    def _start(self, action: act.Start) -> None:
        name, incarnation = action.agent, action.incarnation
        held = self.held.get(name)
        if held is not None and held.alive and held.incarnation != incarnation:
            self.fail(f"a second copy of {name}: {incarnation} beside {held.incarnation}")
        agent = self.state.agents[name]
        if held is None or held.incarnation != incarnation:
            self.judges.started(name, incarnation)
            self.held[name] = held = Process(
                self,
                name,
                incarnation,
                resumed=agent.resuming,
                conversation=agent.conversation,
                phase=agent.phase,
            )
        process = held
        self.after(0.01, lambda: self.see(ob.Spawned(self.now, name, incarnation, process.pid)))

    def _end(self, action: act.End) -> None:
        held = self.held.get(action.agent)
        if held is None or held.incarnation != action.incarnation:
            seen = ob.Exited(self.now, action.agent, action.incarnation, None, None)
            self.after(0.0, lambda: self.see(seen))
        elif held.alive:
            self.judges.ending(held)
            self.after(self.rng.uniform(0, action.grace + 0.1), lambda: held.exit(signal=15))

    def _send(self, action: act.Send) -> None:
        name, incarnation, nudge = action.agent, action.incarnation, action.nudge

        def typed() -> None:
            held = self.held.get(name)
            there = held is not None and held.incarnation == incarnation and held.alive
            outcome = held.paste(nudge.id) if held is not None and there else "gone"
            wait = 0.3 if outcome == "delivered" else 15.0 if outcome == "unconfirmed" else 0.05
            epoch = self.epoch
            self.after(
                wait, lambda: self.see(ob.Sent(self.now, name, nudge.id, outcome)) if epoch == self.epoch else None
            )

        self.after(0.2, typed)

    def _look(self, action: act.Look) -> None:
        held = self.held.get(action.agent)
        if held is None or not held.alive or action.agent in self._looking:
            return
        self._looking.add(action.agent)
        epoch = self.epoch

        def looked() -> None:
            if epoch != self.epoch or not self.alive:
                return
            self._looking.discard(action.agent)
            shown: tuple[port.Signal, ...] = (
                (port.DialogShown("Trust this folder?"),) if held.question == "dialog" else ()
            )
            if held.alive:
                self._read_signals(action.agent)
                at = held.output_at(self.now)
                self.see(ob.Looked(self.now, action.agent, held.incarnation, shown, at))

        self.after(0.05, looked)

    def _run_checks(self, action: act.RunChecks) -> None:
        def ended() -> None:
            ok = not self.chance("check-fails")
            text = "" if ok else "1 of 12 failed"
            self.checks[action.number] = (ok, text)
            self.judges.checked(action.commit, ok)
            self.see(ob.CheckEnded(self.now, action.phase, action.commit, ok, text))

        if action.number in self.checks and self.checks[action.number] is None:
            return  # the holder has it
        known = self.checks.get(action.number)
        if known is not None:
            ok, text = known
            self.after(0.0, lambda: self.see(ob.CheckEnded(self.now, action.phase, action.commit, ok, text)))
            return
        self.checks[action.number] = None
        if self.chance("check-vanishes"):
            self.checks[action.number] = (False, "the checks gave no answer")
            gone = ob.CheckEnded(self.now, action.phase, action.commit, False, "the checks gave no answer")
            self.after(5.0, lambda: self.see(replace(gone, at=self.now)))
            return
        self.after(self.rng.uniform(10, 600), ended)

    # ---- what the supervisor hears ----------------------------------------------------------------------------------

    def signals_soon(self, name: str) -> None:
        self.after(self.rng.uniform(0.01, 0.5), lambda: self._read_signals(name))

    def _read_signals(self, name: str) -> None:
        held = self.held.get(name)
        agent = self.state.agents.get(name)
        if not self.alive or held is None or agent is None or not agent.alive or agent.incarnation != held.incarnation:
            return
        incarnation, taken = self._offsets.get(name, (0, 0))
        offset = taken if incarnation == held.incarnation else agent.signals_offset
        fresh = held.signals[offset:]
        if fresh:
            self._offsets[name] = (held.incarnation, len(held.signals))
            signals = tuple(self._steady(signal) for signal in fresh)
            self.judges.heard(name, signals)
            self.see(ob.Signalled(self.now, name, held.incarnation, signals, len(held.signals)))

    def _steady(self, signal: port.Signal) -> port.Signal:
        if isinstance(signal, port.TurnEnded) and signal.waiting_until is not None:
            return replace(signal, waiting_until=signal.waiting_until - self.jumped)
        if isinstance(signal, port.LimitReached) and signal.resets_at is not None:
            return replace(signal, resets_at=signal.resets_at - self.jumped)
        return signal

    def process_ended(self, process: Process) -> None:
        if self.held.get(process.name) is process:
            self._read_signals(process.name)
            self.see(ob.Exited(self.now, process.name, process.incarnation, process.code, process.signal))

    def look_at_remote(self) -> None:
        """Read what is new on the branch, as the repository does: one reading at a time, told only when it still fits."""
        loop, config = self.state.loop, self.state.config
        if (
            not self.alive
            or self._reading
            or config is None
            or loop.complete
            or not 0 <= loop.index < len(config.loop.phases)
        ):
            return
        if not self.remote.log or loop.head == self.remote.head:
            return
        phase, head, new = config.loop.phases[loop.index].id, loop.head, self.remote.head
        commits = self.remote.since(head, phase)
        inbox = self.remote.inbox_since(head) if head else ()
        self._reading = True

        def read() -> None:
            self._reading = False
            now = self.state.loop
            if (now.phase, now.head) == (phase, head):
                self.see(ob.Pushed(self.now, new, commits, inbox, quiet=not head))
            if self.state.loop.head != self.remote.head:
                self.after(1.0, self.look_at_remote)

        self.after(0.1, read)

    def pushed(self) -> None:
        late = 60.0 if self.chance("late-push") else 0.5
        self.after(self.rng.uniform(0, late), self.look_at_remote)

    # ---- the world's own events ----------------------------------------------------------------------------------------

    def _disasters(self) -> None:
        for mean, do in (
            (8 * HOUR, lambda: self.supervisor_dies("by itself")),
            (60 * HOUR, self._holder_lost),
            (80 * HOUR, self._reboot),
            (50 * HOUR, self._clock_jumps),
        ):
            self._again_and_again(mean, do)
        self._net()

    def _again_and_again(self, mean: float, do: Callable[[], None]) -> None:
        def once() -> None:
            if not self.calm:
                do()
                self._again_and_again(mean, do)

        self.after(self.rng.expovariate(1 / mean), once)

    def _net(self) -> None:
        self.look_at_remote()
        self._look_at_the_clock()
        self.after(10 * MINUTE, self._net)

    def _look_at_the_clock(self) -> None:
        """As the edge does for each schedule: what the wall clock says, and what is due after that."""
        for name, spec in self.config.agents.items():
            when = scheduling.awaited(self.state, name) if self.alive else None
            if when is None or (when > self.wall and self.jumped == self._looked):
                continue
            base = scheduling.base(self.wall, self.state.agents[name].due_last)
            following = calendar.parse(spec.schedule).next_after(base, UTC) or 0.0
            self.see(ob.Timed(self.now, name, spec.schedule, self.wall, following))
        self._looked = self.jumped

    def _holder_lost(self) -> None:
        self.last.append(f"  {(self.now - START) / HOUR:10.4f} h  THE HOLDER AND ALL SESSIONS ARE GONE")
        self._lose_sessions()
        if self.alive:
            self.supervisor_comes(again=True)

    def _reboot(self) -> None:
        self.boot += 1
        self.supervisor_dies("in a reboot", self.rng.uniform(60, 1800))
        self._lose_sessions()

    def _lose_sessions(self) -> None:
        for process in self.held.values():
            process.alive = False
        self.held.clear()
        for number, answer in list(self.checks.items()):
            if answer is None:
                self.checks.pop(number)

    def _clock_jumps(self) -> None:
        self.jumped += self.rng.choice((-DAY, -HOUR, HOUR, DAY))

    # ---- limits, usage, work -----------------------------------------------------------------------------------------

    def begin_limit(self, name: str) -> None:
        self.limits[name] = (self.now + self.rng.uniform(10 * MINUTE, 6 * HOUR), self.rng.random() < 0.7)

    def block(self, name: str) -> None:
        """Its login is gone, or its credit: a person mends that hours later, and perhaps says so."""
        self.blocked[name] = self.rng.choice(("auth", "billing", "denied"))
        says = self.rng.random() < 0.5
        self.after(self.rng.uniform(10 * MINUTE, 8 * HOUR), lambda: self.operator.mends(name, says))

    def limit_of(self, name: str) -> port.LimitReached | None:
        """What the provider answers this agent; None: it answers."""
        until, told = self.limits.get(name, (0.0, False))
        if self.calm or until <= self.now:
            self.limits.pop(name, None)
            return None
        return port.LimitReached("limit", until + self.jumped if told else None, structured=True)

    def usage(self, process: Process) -> None:
        process.signals.append(port.UsageReported(REQUEST - 100, 100, 0.01))

    def is_service(self, name: str) -> bool:
        return self.config.agents[name].kind is Kind.SERVICE if name in self.config.agents else True

    def work(self, process: Process) -> None:
        """What a turn of this agent pushes."""
        phase = process.phase
        truth = self.remote.truth.get(phase)
        if process.name in ("report", "upgrader"):
            self.after(1.0, lambda: process.exit(code=0))
        if truth is None or process.name not in ("builder", "adversary"):
            return
        before = self.remote.head
        if process.name == "builder":
            self._build(phase)
        elif truth.claim and (not truth.answered or truth.veto):
            self._review(phase)
        if self.chance("note"):
            self.remote.note(process.name, self.now, phase)
        if self.remote.head != before:
            self.pushed()

    def _build(self, phase: str) -> None:
        truth = self.remote.truth[phase]
        fresh = truth.passed_at and min(truth.passed_at.values()) > self.now - 20 * HOUR
        if truth.claim and not truth.answered and truth.complete:
            if self.chance("false-done"):
                self.remote.mark(phase, self.now)
        elif fresh and truth.complete and not truth.veto and truth.passed_at:
            refused = self.state.loop.refused and "checks fail" in " ".join(self.state.loop.refused)
            if refused or truth.marker:
                self.remote.claim(phase, self.now, complete=True)
            elif not self.chance("forgets-done"):
                self.remote.mark(phase, self.now)
        elif not truth.veto or not truth.answered:
            self.remote.claim(phase, self.now, complete=not self.chance("false-claim"))

    def _review(self, phase: str) -> None:
        if self.chance("message"):
            self.remote.judge(phase, self.now, "")
        elif self.chance("false-claim"):
            self.remote.judge(phase, self.now, "FAIL")
        else:
            self.remote.judge(phase, self.now, "PASS", veto=self.chance("veto"))


def _brief(event: Any) -> str:
    facts = {k: v for k, v in ev.encode(event).items() if k not in ("at", "document", "text", "reasons")}
    return " ".join(f"{k}={v}" for k, v in facts.items() if v not in ("", 0, False, None))


__all__ = ["CHECK_SESSION", "Failure", "Simulation"]
