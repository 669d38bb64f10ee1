"""From events to facts: one pass over the journal, in its order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from loops.config import decode as decode_config
from loops.config.model import Config
from loops.journal import Record
from loops.projects.report.audit import Audit
from loops.projects.report.life import (
    Cause,
    Completion,
    Entry,
    Lane,
    Line,
    Mark,
    NudgeLife,
    PhaseLife,
    Report,
    Session,
    Span,
    Watch,
    Window,
)
from loops.projects.report.verdicts import judged
from loops.projects.report.words import SILENT, group
from loops.supervisor import events as ev
from loops.supervisor.explain import sentence
from loops.supervisor.fates import status_text
from loops.supervisor.fold_usage import used
from loops.supervisor.spending import Meter, spent_of
from loops.supervisor.state import Usage

Entries = list[Entry]


class _Agent:
    """One lane in the making."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions: list[Session] = []
        self.turns: list[Span] = []
        self.windows: list[Window] = []
        self.nudges: dict[str, NudgeLife] = {}
        self.usage: dict[str, Usage] = {}
        self.turn = 0.0
        self.ending = ""

    def end_turn(self, at: float) -> None:
        if self.turn:
            self.turns.append(Span(self.turn, at))
        self.turn = 0.0

    def end_window(self, at: float) -> None:
        if self.windows and self.windows[-1].span.end < 0:
            last = self.windows[-1]
            self.windows[-1] = replace(last, span=Span(last.span.start, at))

    def end_session(self, at: float, incarnation: int, **facts: Any) -> None:
        self.end_turn(at)
        for place in range(len(self.sessions) - 1, -1, -1):
            old = self.sessions[place]
            if old.incarnation == incarnation and old.alive:
                self.sessions[place] = replace(old, span=Span(old.span.start, at), alive=False, **facts)
                return

    def nudge(self, id: str, **facts: Any) -> None:
        if id in self.nudges:
            self.nudges[id] = replace(self.nudges[id], **facts)

    def lane(self, kind: str, end: float) -> Lane:
        self.end_turn(end)
        self.end_window(end)
        sessions = tuple(replace(s, span=Span(s.span.start, end)) if s.alive else s for s in self.sessions)
        turns, windows = tuple(self.turns), tuple(self.windows)
        return Lane(self.name, kind, sessions, turns, windows, tuple(self.nudges.values()), dict(self.usage))


class Gathering:
    """The facts so far."""

    def __init__(self) -> None:
        self.config: Config | None = None
        self.agents: dict[str, _Agent] = {}
        self.phases: list[tuple[PhaseLife, Entries]] = []
        self.watches: list[Watch] = []
        self.completions: list[Completion] = []
        self.lines: list[Line] = []
        self.audit = Audit()
        self.meter = Meter()
        self.approvals: Counter[str] = Counter()
        self.records = 0
        self.begin = 0.0
        self.last = 0.0
        self.watching = False
        self.reboot = 0
        """Of which the next supervisor is the first."""
        self.complete = False
        self._open_verdicts: list[tuple[Entries, int, ev.CommitSeen]] = []

    # ---- taking in -------------------------------------------------------------------------------------------------

    def take(self, record: Record, event: ev.Event) -> None:
        """Take the next event in."""
        self.records = max(self.records, record.sequence)
        at = float(getattr(event, "at", 0.0) or 0.0)
        if at:
            self.begin = self.begin or at
            self.last = max(self.last, at)
        self.audit.take(event)
        self.meter.take(event)
        handler = getattr(self, "_" + event.type.replace(".", "_"), None)
        if handler is not None:
            handler(event)
        if not isinstance(event, SILENT):
            rule, why = getattr(event, "rule", ""), getattr(event, "why", "")
            self.lines.append(Line(at, group(event), event.subject, sentence(event), str(rule), str(why)))

    def agent(self, name: str) -> _Agent:
        return self.agents.setdefault(name, _Agent(name))

    def _supervisor_started(self, e: ev.SupervisorStarted) -> None:
        self.watches.append(Watch(e.at, e.pid, e.epoch, e.version, e.adopted, self.watching, self.reboot))
        self.watching, self.reboot = True, 0

    def _machine_rebooted(self, e: ev.MachineRebooted) -> None:
        self.reboot = e.count

    def _supervisor_ended(self, _: ev.SupervisorEnded) -> None:
        self.watching = False

    def _config_loaded(self, e: ev.ConfigLoaded) -> None:
        try:
            self.config = decode_config(e.document)
        except (TypeError, KeyError, ValueError, AttributeError):  # written by another version: keep what is known
            return
        self.audit.config = self.config
        for name in self.config.agents:
            self.agent(name)

    # ---- sessions --------------------------------------------------------------------------------------------------

    def _session_starting(self, e: ev.SessionStarting) -> None:
        agent = self.agent(e.agent)
        before = agent.sessions[-1] if agent.sessions else None
        agent.sessions.append(
            Session(
                e.incarnation,
                Span(e.at, e.at),
                _cause(e, before),
                e.why,
                e.rule,
                e.phase,
                e.model,
                e.backend,
                e.kickoff,
                alive=True,
            )
        )
        agent.ending = ""

    def _session_started(self, e: ev.SessionStarted) -> None:
        agent = self.agent(e.agent)
        if not any(session.alive and session.incarnation == e.incarnation for session in agent.sessions):
            for lost in [session for session in agent.sessions if session.alive]:
                agent.end_session(e.at, lost.incarnation, ending="another session was found in its place")
            why = "the journal does not know this session"
            stray = Session(e.incarnation, Span(e.at, e.at), Cause.STRAY, why, "stray", "", "", "", "", alive=True)
            agent.sessions.append(stray)

    def _session_failed(self, e: ev.SessionFailed) -> None:
        self.agent(e.agent).end_session(e.at, e.incarnation, failed=True, ending=f"could not be started: {e.reason}")

    def _session_ending(self, e: ev.SessionEnding) -> None:
        self.agent(e.agent).ending = e.rule

    def _session_ended(self, e: ev.SessionEnded) -> None:
        agent = self.agent(e.agent)
        status = status_text(e.code, e.signal)
        ending = e.why if status in e.why else f"{e.why} ({status})" if e.why else status
        agent.end_session(e.at, e.incarnation, killed=e.signal is not None and not agent.ending, ending=ending)
        if e.delay < 0 and self.completions and self.completions[-1].task == e.agent:
            last = self.completions[-1]
            self.completions[-1] = replace(last, outcome=last.outcome or status_text(e.code, e.signal))

    # ---- turns and limits ------------------------------------------------------------------------------------------

    def _turn_started(self, e: ev.TurnStarted) -> None:
        agent = self.agent(e.agent)
        agent.turn = agent.turn or e.at

    def _turn_completed(self, e: ev.TurnCompleted) -> None:
        self.agent(e.agent).end_turn(e.at)

    def _limit_reached(self, e: ev.HoldBegan) -> None:
        agent = self.agent(e.agent)
        if agent.windows and agent.windows[-1].span.end < 0:
            last = agent.windows[-1]
            if last.kind == e.kind:
                agent.windows[-1] = replace(last, probes=max(last.probes, e.probes))
                return
            agent.end_window(e.at)
        agent.windows.append(Window(e.kind, Span(e.at, -1.0), e.probes, e.why))

    def _limit_cleared(self, e: ev.HoldEnded) -> None:
        self.agent(e.agent).end_window(e.at)

    def _usage_updated(self, e: ev.UsageUpdated) -> None:
        usage = self.agent(e.agent).usage
        usage[e.phase] = usage.get(e.phase, Usage()).plus(used(e))

    def _approval_ended(self, e: ev.QuestionEnded) -> None:
        if e.id:
            self.approvals[e.outcome] += 1

    # ---- nudges ----------------------------------------------------------------------------------------------------

    def _nudge_queued(self, e: ev.NudgeQueued) -> None:
        self.agent(e.agent).nudges[e.id] = NudgeLife(e.id, e.kind, e.cause, e.why, e.rule, e.at)

    def _nudge_delivered(self, e: ev.NudgeDelivered) -> None:
        agent = self.agent(e.agent)
        known = agent.nudges.get(e.id)
        agent.nudge(e.id, delivered=(*(known.delivered if known else ()), e.at))

    def _nudge_returned(self, e: ev.NudgeReturned) -> None:
        agent = self.agent(e.agent)
        known = agent.nudges.get(e.id)
        agent.nudge(e.id, returned=(known.returned if known else 0) + 1)

    def _nudge_dropped(self, e: ev.NudgeDropped) -> None:
        self.agent(e.agent).nudge(e.id, dropped=e.why)

    # ---- phases ----------------------------------------------------------------------------------------------------

    def _entries(self, phase: str) -> Entries:
        """The entries of the last stay in *phase*; of nowhere, when the journal never said that it began."""
        for life, entries in reversed(self.phases):
            if life.id == phase:
                return entries
        return []

    def _phase_started(self, e: ev.PhaseStarted) -> None:
        self.complete = False
        if e.rule == "phase-moved" and self.phases and self.phases[-1][0].id == e.phase:
            life, entries = self.phases[-1]
            self.phases[-1] = (replace(life, index=e.index), entries)
            return
        self._end_phase(e.at, left=True)
        self.phases.append((PhaseLife(e.phase, e.index, Span(e.at, -1.0), False, (), "", ()), []))

    def _state_carried(self, e: ev.StateCarried) -> None:
        self.complete = e.complete
        if e.index >= 0 and not e.complete:
            self.phases.append((PhaseLife(e.phase, e.index, Span(e.at, -1.0), False, (), "", ()), []))

    def _end_phase(self, at: float, **facts: Any) -> None:
        if self.phases and self.phases[-1][0].span.end < 0:
            life, entries = self.phases[-1]
            self.phases[-1] = (replace(life, span=Span(life.span.start, at), **facts), entries)

    def _phase_done(self, e: ev.PhaseDone) -> None:
        self._entries(e.phase).append(Entry(e.at, Mark.DONE, e.commit, "", e.why, e.items))
        if self.phases and self.phases[-1][0].id == e.phase:
            self._end_phase(e.at, done=True, items=e.items, why=e.why)

    def _commit_seen(self, e: ev.CommitSeen) -> None:
        entries = self._entries(e.phase)
        mark = {"claim": Mark.CLAIM, "verdict": Mark.UNCLEAR}.get(e.kind, Mark.MESSAGE)
        entries.append(Entry(e.at, mark, e.sha, e.author, e.subject_line))
        if e.kind == "verdict":
            self._open_verdicts.append((entries, len(entries) - 1, e))

    def _evidence_taken(self, e: ev.EvidenceTaken) -> None:
        """A verdict's commit is seen first; what it says of which item comes with the evidence right after it."""
        for entries, place, seen in self._open_verdicts:
            mark, details = judged(e.document, seen)
            entries[place] = replace(entries[place], mark=mark, details=details)
        self._open_verdicts.clear()

    def _check_completed(self, e: ev.CheckCompleted) -> None:
        mark = Mark.CHECKED if e.ok else Mark.CHECK_FAILED
        self._entries(e.phase).append(Entry(e.at, mark, e.commit, "", e.text))

    def _done_refused(self, e: ev.DoneRefused) -> None:
        entry = Entry(e.at, Mark.REFUSED, e.commit, "", ", ".join(e.rules), e.reasons)
        self._entries(e.phase).append(entry)

    def _sequence_completed(self, e: ev.SequenceCompleted) -> None:
        self.complete = True
        self.completions.append(Completion(e.at, e.task, ""))

    # ---- the end ---------------------------------------------------------------------------------------------------

    def report(self, now: float) -> Report:
        """Return the facts as they stand at *now*, steady seconds."""
        living = any(session.alive for agent in self.agents.values() for session in agent.sessions)
        end = max(now, self.last) if living else self.last
        self._end_phase(end)
        config = self.config
        kinds = {name: spec.kind.value for name, spec in config.agents.items()} if config else {}
        lanes = tuple(agent.lane(kinds.get(name, ""), end) for name, agent in self.agents.items())
        return Report(
            project=os.path.basename(config.root) if config else "",
            span=Span(self.begin, max(end, self.begin)),
            lanes=lanes,
            phases=tuple(replace(life, entries=tuple(entries)) for life, entries in self.phases),
            planned=len(config.loop.phases) if config else len({life.id for life, _ in self.phases}),
            watches=tuple(self.watches),
            completions=tuple(self.completions),
            complete=self.complete,
            lines=tuple(self.lines),
            records=self.records,
            problems=tuple(self.audit.finish(lanes)),
            spent=tuple(spent_of(self.meter)),
            approvals=dict(self.approvals),
        )


def _cause(e: ev.SessionStarting, before: Session | None) -> Cause:
    if before is None:
        return Cause.FIRST
    if e.rule == "phase-changed":
        return Cause.PHASE
    if e.rule in ("heal", "crash-loop"):
        return Cause.RETRY if before.failed else Cause.HEAL
    return Cause.ASKED


def facts(history: Iterable[tuple[Record, ev.Event]], now: float) -> Report:
    """Return the facts of *history*.  *now*: steady seconds, the end of what still runs."""
    gathering = Gathering()
    for record, event in history:
        gathering.take(record, event)
    return gathering.report(now)
