"""The journal held against the promises: what must never be found in it, looked for event by event.

Written apart from the brain, on purpose: it keeps its own small books and trusts no conclusion of `decide`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loops.config.model import Config, Item, Phase
from loops.projects.report.life import Lane, doubles
from loops.projects.report.verdicts import evidence_of
from loops.projects.report.words import shown, stamp
from loops.protocol.done import last_change, verdict_on
from loops.protocol.review import Result
from loops.supervisor import events as ev
from loops.supervisor.rules import RULES

HEALING = ("heal", "crash-loop")
_WANTED = ("asked", "config", "completed", "phase", "supervisor")
_EXPLAINED_BY = {
    "heal": ("ended", "failed"),
    "crash-loop": ("ended", "failed"),
    "phase-changed": ("phase",),
    "operator": _WANTED,
    "wanted": _WANTED,
}
"""What must have happened since an agent's last start for a start by this rule."""


class Audit:
    """Takes events in the journal's order; `finish` says what is wrong."""

    def __init__(self) -> None:
        self.config: Config | None = None
        self.found: list[str] = []
        self._alive: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._since: dict[str, set[str]] = {}
        self._holds: dict[str, tuple[float, float]] = {}
        self._kinds: dict[str, str] = {}
        self._phase: tuple[str, int] | None = None
        self._passed = False
        self._done: set[str] = set()
        self._moved = False
        self._evidence: dict[str, Any] = {}
        self._checked: set[tuple[str, str]] = set()
        self._completed: ev.SequenceCompleted | None = None
        self._task_starts = 0
        self._reboots = 0

    def take(self, event: ev.Event) -> None:
        """Take the next event in."""
        handler = getattr(self, "_" + event.type.replace(".", "_"), None)
        if handler is not None:
            handler(event)

    def finish(self, lanes: Iterable[Lane]) -> list[str]:
        """Return every problem, in words."""
        problems = list(self.found)
        if self._completed is not None:
            problems += self._completion()
        for lane in lanes:
            problems += [
                shown(f"{lane.agent}: nudge {nudge.id} ({nudge.kind}: {nudge.cause[:60]}) came through twice")
                for nudge in doubles(lane)
            ]
        return problems

    def _say(self, at: float, text: str) -> None:
        self.found.append(f"{stamp(at)} {shown(text)}")

    def _happened(self, what: str, names: Iterable[str] = ()) -> None:
        for name in names or self._since:
            self._since.setdefault(name, set()).add(what)

    # ---- one incarnation at a time, each with its reason ---------------------------------------------------------------

    def _session_starting(self, e: ev.SessionStarting) -> None:
        if e.agent in self._alive:
            self._say(e.at, f"{e.agent}: session {e.incarnation} was started while {self._alive[e.agent]} was alive")
        last = self._last.get(e.agent, 0)
        if e.incarnation <= last:
            self._say(e.at, f"{e.agent}: session {e.incarnation} came after session {last}")
        if last:
            self._explain(e)
        hold = self._holds.get(e.agent)
        if hold is not None and e.rule in HEALING and e.at < hold[1] - 0.001:
            self._say(e.at, f"{e.agent}: healed inside a limit window")
        if self._completed is not None and e.agent == self._completed.task and e.rule not in HEALING:
            self._task_starts += "asked" not in self._since.get(e.agent, set())
        self._alive[e.agent] = self._last[e.agent] = e.incarnation
        self._since[e.agent] = set()

    def _explain(self, e: ev.SessionStarting) -> None:
        reasons = _EXPLAINED_BY.get(e.rule, ())
        known = self._since.get(e.agent, set())
        if e.rule not in RULES or not e.why:
            self._say(e.at, f"{e.agent}: session {e.incarnation} was started for no reason that the journal names")
        elif not known.intersection(reasons):
            self._say(
                e.at, f"{e.agent}: session {e.incarnation} was started by rule {e.rule}, but nothing called for it"
            )

    def _session_started(self, e: ev.SessionStarted) -> None:
        """Mostly what `SessionStarting` announced; else a session that the holder had and the journal did not know."""
        alive = self._alive.get(e.agent, e.incarnation)
        self._alive[e.agent] = e.incarnation
        if alive != e.incarnation:
            self._say(e.at, f"{e.agent}: session {e.incarnation} came to life while {alive} was alive")
        self._last[e.agent] = max(self._last.get(e.agent, 0), e.incarnation)

    def _session_failed(self, e: ev.SessionFailed) -> None:
        self._over(e.agent, e.incarnation)
        self._happened("failed", (e.agent,))

    def _session_ended(self, e: ev.SessionEnded) -> None:
        self._over(e.agent, e.incarnation)
        if e.delay >= 0:
            self._happened("ended", (e.agent,))

    def _over(self, agent: str, incarnation: int) -> None:
        if self._alive.get(agent) == incarnation:
            del self._alive[agent]

    def _operator_asked(self, e: ev.OperatorAsked) -> None:
        if e.verb in ("up", "run"):
            self._happened("asked", e.names)

    def _config_loaded(self, _: ev.ConfigLoaded) -> None:
        self._happened("config")

    def _supervisor_started(self, _: ev.SupervisorStarted) -> None:
        self._happened("supervisor")

    def _machine_rebooted(self, e: ev.MachineRebooted) -> None:
        if e.count != self._reboots + 1:
            self._say(e.at, f"reboot {e.count} came after reboot {self._reboots}")
        self._reboots = e.count

    # ---- limit windows ---------------------------------------------------------------------------------------------

    def _limit_reached(self, e: ev.HoldBegan) -> None:
        begin = self._holds.get(e.agent, (e.at, 0.0))[0]
        self._holds[e.agent] = (begin, e.until)

    def _limit_cleared(self, e: ev.HoldEnded) -> None:
        self._holds.pop(e.agent, None)

    def _nudge_queued(self, e: ev.NudgeQueued) -> None:
        self._kinds[e.id] = e.kind

    def _nudge_sending(self, e: ev.NudgeSending) -> None:
        kind = self._kinds.get(e.id, "unknown")
        if e.agent in self._holds and kind != "probe":
            begin = stamp(self._holds[e.agent][0])
            self._say(e.at, f"{e.agent}: nudge {e.id} ({kind}) was typed inside the limit window that began at {begin}")

    # ---- phases ----------------------------------------------------------------------------------------------------

    def _phase_started(self, e: ev.PhaseStarted) -> None:
        if e.rule == "phase-moved":
            if self._phase is None or self._phase[0] != e.phase:
                self._say(e.at, f"phase {e.phase} was moved while it was not under way")
            self._phase = (e.phase, e.index)
            return
        before, self._moved = self._phase, self._moved or e.rule == "operator"
        if e.rule == "phase-first" and (before is not None or e.index != 0):
            self._say(e.at, f"phase {e.phase} began as the first one, and it is not")
        elif e.rule == "phase-next" and (before is None or e.index != before[1] + 1 or not self._passed):
            self._say(e.at, f"phase {e.phase} began out of order: the one before it was not done")
        elif e.rule == "phase-appended" and self._completed is None:
            self._say(e.at, f"phase {e.phase} began as an appended one before the sequence was complete")
        self._phase, self._passed = (e.phase, e.index), False
        self._evidence.pop(e.phase, None)
        self._happened("phase")
        if self._completed is not None:
            self.found += self._completion()
        self._completed = None

    def _evidence_taken(self, e: ev.EvidenceTaken) -> None:
        self._evidence[e.phase] = e.document

    def _check_completed(self, e: ev.CheckCompleted) -> None:
        if e.ok:
            self._checked.add((e.phase, e.commit))

    def _completion(self) -> list[str]:
        done = self._completed
        if done is None or not done.task or self._task_starts == 1:
            return []
        return [
            f"{stamp(done.at)} {shown(done.task, 60)} (on_complete) was run {self._task_starts} times instead of once"
        ]

    def _sequence_completed(self, e: ev.SequenceCompleted) -> None:
        if self._completed is not None:
            self._say(e.at, "the sequence was completed a second time, with no new phase")
            self.found += self._completion()
        elif not self._moved and len(self._done) < e.phases:
            self._say(e.at, f"the sequence was completed with {len(self._done)} of {e.phases} phases done")
        self._completed, self._task_starts = e, 0
        self._happened("completed")
        self._since.setdefault(e.task, set()).discard("asked")

    # ---- done ------------------------------------------------------------------------------------------------------

    def _phase_done(self, e: ev.PhaseDone) -> None:
        if self._phase is None or self._phase[0] != e.phase or self._passed:
            self._say(e.at, f"phase {e.phase} was done while it was not under way")
        self._passed = True
        self._done.add(e.phase)
        phase = self._planned(e)
        if phase.checks and (e.phase, e.commit) not in self._checked:
            self._say(e.at, f"phase {e.phase} was done although its checks never succeeded at {e.commit[:10]}")
        if not e.items:
            self._say(e.at, f"phase {e.phase} was done with no item")
        for item in phase.items:
            reason = self._lacking(e.phase, item)
            if reason:
                self._say(e.at, f"phase {e.phase} was done although {item.id[:40]} {reason}")

    def _planned(self, e: ev.PhaseDone) -> Phase:
        """The phase as the configuration has it, with the items that were counted as done."""
        phases = self.config.loop.phases if self.config is not None else ()
        known = next((phase for phase in phases if phase.id == e.phase), Phase(e.phase))
        ids = {item.id: item for item in known.items}
        items = tuple(ids.get(id, Item(id)) for id in dict.fromkeys((*ids, *e.items)))
        return Phase(known.id, items=items, checks=known.checks)

    def _lacking(self, phase: str, item: Item) -> str:
        document = self._evidence.get(phase)
        evidence = evidence_of(document)
        if evidence is None:
            return "has evidence that this version cannot read" if document else "has no evidence"
        verdict = verdict_on(evidence, item.id)
        if verdict is None or verdict.result is not Result.PASS:
            return "has no PASS"
        change = last_change(evidence, item)
        if change is not None and change.at.position >= verdict.at.position:
            return f"has no PASS after the last change ({change.path[:60]} in {change.at.sha[:10]})"
        return ""
