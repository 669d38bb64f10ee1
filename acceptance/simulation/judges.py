"""Judges who know the truth of the simulated world, and hold the supervisor to what was promised.

They read the brain's events and acts; what they compare them with is the world's own record, never the brain's state,
except where the promise is about that state.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING

from loops.agents import port
from loops.supervisor import action as act
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor.state import NudgeKind, State

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.world import Simulation

HOUR, DAY = 3600.0, 86400.0
RESTARTS_AN_HOUR = 62
"""One that lives just long enough to count as healthy is started about once a minute; nothing is started more often."""
SLACK = 2.0
"""Seconds by which the end of a window may be told differently from one time to the next."""
REQUEST = 1100
"""Tokens of one request in this world."""
OWN_WORDS = (ob.Told, ob.ConfigRead)
"""After these a start or an end is somebody's will, not healing."""


class Judges:
    """`Simulation` tells them everything; they raise when a promise is broken."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.windows: dict[str, float] = {}
        """By agent: until when its provider said that it is limited, as far as the supervisor could know."""
        self._decided: set[str] = set()
        """Whose start or end the last step decided upon; others are repeated for a new supervisor."""
        self._endings: dict[str, ev.SessionEnding] = {}
        self._since: dict[str, float] = {}
        self._starts: dict[str, deque[float]] = defaultdict(deque)
        self._received: Counter[tuple[str, int, str]] = Counter()
        self._ever: set[str] = set()
        self._queued: dict[str, str] = {}
        self._ended_well: dict[str, str] = {}
        self._checked: dict[str, bool] = {}
        self._head = ""
        """The last commit that the supervisor has read, as the events go by."""
        self._index = -1
        self._done: list[str] = []
        self._complete = False
        self._over: set[str] = set()
        """Who is stopped for a budget."""
        self._answers: dict[str, bool] = {}
        self.completions = 0
        self._boot = 0
        """The last boot in which the supervisor wrote its journal."""
        self.reboots = 0
        self._woken: set[tuple[str, str]] = set()
        """Who was woken for which reboot."""
        self._reports = 0
        self._cut_off = False
        """A budget ended the report, which is run again when there is more."""
        self._dues: dict[float, float] = {}
        """The due times of the nightly task that were taken up, and when."""
        self._nightly = 0
        self.counts: Counter[str] = Counter()

    # ---- what is decided -------------------------------------------------------------------------------------------

    def decided(self, before: State, seen: ob.Observation, events: list[ev.Event], actions: list[act.Action]) -> None:
        sim = self.sim
        rules = {e.agent: e.rule for e in events if isinstance(e, ev.SessionStarting | ev.SessionEnding)}
        self._decided = set(rules)
        self._endings.update({e.agent: e for e in events if isinstance(e, ev.SessionEnding)})
        self._head = before.loop.head
        phase_moved = any(isinstance(e, ev.PhaseStarted | ev.SequenceCompleted) for e in events)
        for event in events:
            self.counts[getattr(event, "rule", event.type)] += 1
            self._event(event)
        if isinstance(seen, ob.Began):
            self._began(before, events)
        if isinstance(seen, ob.Pushed) and any(isinstance(e, ev.EvidenceTaken) for e in events):
            self._handed_over(seen, {(e.kind, e.cause) for e in events if isinstance(e, ev.NudgeQueued)})
        for action in actions:
            if isinstance(action, act.Start | act.End | act.Send):
                wanted = (
                    isinstance(seen, OWN_WORDS) or rules.get(action.agent) in ("not-wanted", "stray") or phase_moved
                )
                self._in_window(action, wanted)
            if isinstance(action, act.Start):
                self._start(action)
        self.spent(sim.state)
        for name, agent in sim.state.agents.items():
            if agent is before.agents.get(name):
                continue
            if sum(1 for nudge in agent.nudges if nudge.sending) > 1:
                sim.fail(f"two nudges at once are typed into {name}")

    def _began(self, before: State, events: list[ev.Event]) -> None:
        """A reboot is written down when the machine was rebooted, and whoever keeps an eye on the project is woken, once."""
        sim = self.sim
        rebooted = self._boot not in (0, sim.boot)
        self._boot = sim.boot
        self.reboots += rebooted
        written = [(e.count, e.phase, e.down_since) for e in events if isinstance(e, ev.MachineRebooted)]
        phase = "" if before.loop.complete else before.loop.phase
        if [each[:2] for each in written] != ([(self.reboots, phase)] if rebooted else []):
            sim.fail(f"reboot {self.reboots} ({rebooted}) in phase {phase!r} is written down as {written}")
        woken = {(e.agent, e.cause) for e in events if isinstance(e, ev.NudgeQueued) and e.kind == "reboot"}
        if woken & self._woken or (woken and not rebooted):
            sim.fail(f"woken once more for a reboot: {woken}")
        self._woken |= woken
        operator, name = sim.operator, "orchestrator"
        up = operator.project_up and before.up  # a person may have told a supervisor that died at once
        wanted = up and sim.config.agents[name].enabled and name not in operator.down | self._over
        if rebooted and wanted and (name, f"reboot {self.reboots}") not in woken:
            sim.fail(f"{name} was not woken for reboot {self.reboots}")

    def _handed_over(self, seen: ob.Pushed, queued: set[tuple[str, str]]) -> None:
        """Each claim of the phase wakes the reviewer, each verdict the Builder; of history, the claim that is still open."""
        sim = self.sim
        mine = f"({sim.state.loop.phase.upper()}-"
        for place, (commit, _) in enumerate(seen.commits):
            kind = "claim" if commit.subject.startswith("claim(") else ""
            if commit.subject.startswith("review(") and commit.subject.endswith(("PASS", "FAIL")):
                kind = "verdict"
            if mine not in commit.subject:  # an agent that waits for its restart still speaks of the last phase
                continue
            later = seen.commits[place + 1 :]
            if seen.quiet and (kind != "claim" or any(c.subject.startswith(("claim(", "review(")) for c, _ in later)):
                continue
            if kind and (kind, commit.sha) not in queued:
                sim.fail(f"nobody was told of {commit.subject!r} ({commit.sha[:10]})")

    def _in_window(self, action: act.Start | act.End | act.Send, wanted: bool) -> None:
        """Neither nudge nor heal in a limit window, the probe excepted."""
        sim = self.sim
        if sim.now >= self.windows.get(action.agent, 0.0) - SLACK or wanted:
            return
        if isinstance(action, act.Send):
            if action.nudge.kind is not NudgeKind.PROBE:
                sim.fail(f"{action.agent} is nudged ({action.nudge.kind.value}) in its limit window")
        elif not isinstance(action, act.End) or action.agent in self._decided:
            sim.fail(
                f"{action} in the limit window of {action.agent}, {self.windows[action.agent] - sim.now:.0f} s to go"
            )

    def _start(self, action: act.Start) -> None:
        """What was stopped stays stopped."""
        sim, name = self.sim, action.agent
        if sim.operator.stopped:
            sim.fail(f"{name} is started after the emergency stop")
        if name in sim.operator.down:
            sim.fail(f"{name} is started, though the operator stopped it")
        if name in self._over:
            sim.fail(f"{name} is started, though its budget is used up")

    def _event(self, event: ev.Event) -> None:
        sim = self.sim
        match event:
            case ev.NudgeQueued(id=id, agent=name):
                if id in self._queued:
                    sim.fail(f"a second nudge {id}")
                self._queued[id] = name
            case ev.NudgeDelivered(id=id):
                if id not in self._ever:
                    sim.fail(f"nudge {id} counts as delivered, and nobody got it")
                self._ended_well[id] = "delivered"
            case ev.BudgetExceeded(agent=name):
                self._over.add(name)
            case ev.BudgetRenewed(agent=name):
                self._over.discard(name)
            case ev.OperatorAsked(verb="up" | "run", names=names):
                self._over -= set(names or self._over)
            case ev.NudgeDropped(id=id, why=why):
                self._ended_well[id] = why
            case ev.SessionStarting(agent="report", rule="wanted"):
                self._reports += 1
                self._cut_off = False
            case ev.SessionEnded(agent="report", rule="not-wanted") if "report" in self._over:
                self._reports -= 1
                self._cut_off = True
            case ev.EvidenceTaken(head=head):
                self._head = head
            case ev.TaskDue(due=due):
                self._due(due)
            case ev.TaskAsked():
                self._asked()
            case ev.PhaseDone():
                self._phase_done(event)
            case ev.PhaseStarted():
                self._phase_started(event)
            case ev.SequenceCompleted():
                if self._complete:
                    sim.fail("completed twice")
                self._complete = True
                report = sim.held.get("report")
                if (report is None or not report.alive) and not self._cut_off:  # else it is run once more anyhow
                    self.completions += 1
            case _:
                pass

    # ---- phases ------------------------------------------------------------------------------------------------------

    def _due(self, due: float) -> None:
        """A night comes once, unless the clock was wrong by more than a day."""
        now = self.sim.now
        if now - self._dues.get(due, -10 * DAY) < DAY / 2:
            self.sim.fail(f"the nightly task is due twice at {due}")
        self._dues[due] = now

    def _asked(self) -> None:
        """A run of it begins: none goes on, and somebody wants it."""
        process = self.sim.held.get("upgrader")
        if process is not None and process.alive:
            self.sim.fail("the nightly task is begun beside a run of it")
        self._nightly += 1
        if self.sim.operator.stopped or not self.sim.state.up:
            self.sim.fail("the nightly task is begun though nobody wants it")

    def _phase_started(self, event: ev.PhaseStarted) -> None:
        if event.rule == "phase-moved":
            return
        if event.index != self._index + 1:
            self.sim.fail(f"phase number {event.index} follows number {self._index}")
        if self._index >= 0 and len(self._done) != event.index:
            self.sim.fail(f"phase {event.phase} began before its predecessor was done")
        self._index = event.index
        self._complete = False

    def _phase_done(self, event: ev.PhaseDone) -> None:
        """Done means: marker, a complete claim, a fresh PASS on each item, no veto, and checks that succeeded there."""
        sim = self.sim
        truth = sim.remote.truth[event.phase]
        phase = next(p for p in sim.config.loop.phases if p.id == event.phase)
        stale = [i.id for i in phase.items if sim.now - truth.passed_at.get(i.id, 0.0) > DAY + 120]
        wrong = [
            reason
            for reason, holds in (
                ("no marker", not truth.marker),
                ("an incomplete claim", not truth.complete),
                (f"no fresh PASS on {stale}", bool(stale)),
                ("a veto", truth.veto),
                ("its checks did not succeed", bool(phase.checks) and not self._checked.get(truth.candidate)),
            )
            if holds
        ]
        # What was pushed and not read yet may have changed the truth since.
        if wrong and self._head == sim.remote.head:
            sim.fail(f"phase {event.phase} is called done with {', '.join(wrong)}")
        self._done.append(event.phase)

    def checked(self, commit: str, ok: bool) -> None:
        self._checked[commit] = ok

    # ---- sessions ----------------------------------------------------------------------------------------------------

    def started(self, name: str, incarnation: int) -> None:
        """The holder starts a process."""
        now = self.sim.now
        recent = self._starts[name]
        recent.append(now)
        while recent[0] < now - HOUR:
            recent.popleft()
        if len(recent) > RESTARTS_AN_HOUR:
            self.sim.fail(f"{name} was started {len(recent)} times within an hour")

    def ending(self, process: Process) -> None:
        """The supervisor ends a living process: a healthy one only when somebody wants it."""
        sim = self.sim
        why = self._endings.get(process.name)
        if why is None or why.rule not in ("stall-restart", "hang") or why.incarnation != process.incarnation:
            return
        began = process.turn_began
        if began and not process.hung and not process.question and sim.now - began > 10:
            output = process.output_at(sim.now)
            if sim.now - output < 600:
                sim.fail(
                    f"{process.name} is healed by {why.rule} in a healthy turn that began {sim.now - began:.0f} s ago"
                )

    def answered(self, process: Process, action: act.Answer) -> None:
        """An answer may come twice, and then says the same; it comes from the operator alone."""
        said = self._answers.setdefault(action.approval, action.allow)
        if said is not action.allow or self.sim.operator.said.get(action.approval) is not action.allow:
            self.sim.fail(f"{action} is not what the operator said")

    # ---- budgets -----------------------------------------------------------------------------------------------------

    def spent(self, state: State) -> None:
        """Several agents do not overrun what they share: one request is under way where one is looked at."""
        config = state.config
        limit = config.watchdog.budget.tokens if config is not None else 0
        if limit and state.spent.tokens - state.base.tokens > limit + REQUEST:
            self.sim.fail(f"{state.spent.tokens - state.base.tokens} tokens of {limit} are used")

    # ---- nudges --------------------------------------------------------------------------------------------------------

    def received(self, process: Process, nudge: str) -> None:
        key = (process.name, process.incarnation, nudge)
        self._received[key] += 1
        self._ever.add(nudge)
        if self._received[key] > 1:
            self.sim.fail(f"{process.name} number {process.incarnation} got nudge {nudge} twice")

    def heard(self, name: str, signals: tuple[port.Signal, ...]) -> None:
        """What the supervisor is about to hear of limits."""
        for signal in signals:
            if isinstance(signal, port.LimitReached):
                until = signal.resets_at if signal.resets_at is not None else 0.0
                self.windows[name] = until + 45.0 if until > self.sim.now else self.sim.now + 300.0
                self._since[name] = 0.0
            elif isinstance(signal, port.TurnStarted):
                self._since[name] = self.sim.now
            elif isinstance(signal, port.TurnEnded) and self._since.get(name):
                self.windows.pop(name, None)

    def _every_night(self) -> None:
        """In the calm days at the end nobody is in the way of the nightly task."""
        sim, agent = self.sim, self.sim.state.agents["upgrader"]
        if sim.wall - agent.due_last > 2 * DAY and agent.over is None:
            sim.fail(f"the nightly task was due last {(sim.wall - agent.due_last) / DAY:.1f} days ago")
        if not self._nightly:
            sim.fail("the nightly task never ran")

    # ---- the end -----------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        sim = self.sim
        if self._done != [p.id for p in sim.config.loop.phases]:
            sim.fail(f"the phases came to their end as {self._done}")
        self._every_night()
        if not self.completions:
            sim.fail("the plan was never complete")
        if self._reports != self.completions:
            sim.fail(f"on_complete ran {self._reports} times for {self.completions} completions")
        waiting = {nudge.id for agent in sim.state.agents.values() for nudge in agent.nudges}
        lost = set(self._queued) - set(self._ended_well) - waiting
        if lost:
            sim.fail(f"nudges are lost: {sorted(lost)}")

    def standing(self) -> str:
        """Where everything stands, for the report of a plan that does not end."""
        sim = self.sim
        agents = "; ".join(
            f"{name}: {a.life.value} {a.turn.value} asked={a.asked.value} hold={a.hold} question={a.question!r} "
            f"nudges={[n.kind.value for n in a.nudges]} why={a.why!r}"
            for name, a in sim.state.agents.items()
        )
        loop = sim.state.loop
        return (
            f"phase {loop.phase}, refused {loop.refused}, truth {sim.remote.truth.get(loop.phase)}, up={sim.state.up}, "
            f"stopped={sim.state.stopped}, supervisor alive={sim.alive}; {agents}"
        )
