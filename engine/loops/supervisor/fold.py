"""The fold: how each event changes the state.  Nothing else does.

Replaying a journal and taking a decision go through the same handlers, so a supervisor that was killed comes back to
the very state it had.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from loops.config import decode as decode_config
from loops.config.model import Config
from loops.protocol.done import candidate
from loops.protocol.encoding import decode as decode_evidence
from loops.protocol.evidence import PhaseEvidence
from loops.supervisor import events as ev
from loops.supervisor import fold_carried, fold_notices, fold_schedules, fold_turns, fold_usage
from loops.supervisor.fold_turns import known_conversations
from loops.supervisor.fold_usage import begin_running, end_running
from loops.supervisor.folding import Fold, changed, on
from loops.supervisor.state import AgentState, Asked, Check, Exit, Life, Nudge, NudgeKind, Spend, State, Turn, Usage

__all__ = ["Fold", "changed", "fold", "fold_carried", "fold_notices", "fold_schedules", "fold_turns", "fold_usage"]


def fold(state: State, events: Iterable[ev.Event]) -> State:
    """Return *state* after *events*."""
    work = Fold(state)
    for event in events:
        work.apply(event)
    return work.finish()


# ---- the supervisor itself -----------------------------------------------------------------------------------------


@on(ev.SupervisorStarted)
def _started(work: Fold, e: ev.SupervisorStarted) -> None:
    work.state = replace(work.state, epoch=e.epoch, boot_id=e.boot_id or work.state.boot_id, watching=True)


@on(ev.SupervisorEnded)
def _supervisor_ended(work: Fold, e: ev.SupervisorEnded) -> None:
    work.state = replace(work.state, watching=False)


@on(ev.MachineRebooted)
def _rebooted(work: Fold, e: ev.MachineRebooted) -> None:
    work.state = replace(work.state, boot_id=e.boot_id, reboots=e.count)
    for name, agent in list(work.agents.items()):
        if agent.alive:
            work.change(name, reboot=e.count)


@on(ev.ConfigLoaded)
def _config(work: Fold, e: ev.ConfigLoaded) -> None:
    config: Config = decode_config(e.document)
    work.state = replace(work.state, config=config, refused_config="")
    for name in config.agents:
        if name not in work.agents:
            work.put(AgentState(name))
    for name, agent in list(work.agents.items()):
        if name not in config.agents and not agent.alive:
            # The incarnations go on counting should the name come back: the holder knows sessions by them.
            work.put(AgentState(name, incarnation=agent.incarnation))


@on(ev.ConfigRefused)
def _config_refused(work: Fold, e: ev.ConfigRefused) -> None:
    work.state = replace(work.state, refused_config=e.digest)


@on(ev.OperatorAsked)
def _asked(work: Fold, e: ev.OperatorAsked) -> None:
    names = tuple(name for name in e.names if name in work.agents) if e.names else tuple(work.agents)
    if e.verb == "up":
        work.state = replace(work.state, up=work.state.up or not e.names, stopped=False)
        for name in names:
            _ask_up(work, name, Asked.UP if e.names else Asked.NOTHING, e)
    elif e.verb == "run":
        work.state = replace(work.state, stopped=False)
        for name in names:
            _ask_up(work, name, Asked.NOTHING, e)
            fold_schedules.want_run(work, name, e.words if e.words or e.fresh else work.agent(name).words)
    elif e.verb == "down":
        work.state = replace(work.state, up=work.state.up and bool(e.names))
        for name in names:
            asked = Asked.DOWN if e.names else Asked.NOTHING
            work.change(name, asked=asked, task_wanted=False, shown=False, words="")
    elif e.verb == "estop":
        work.state = replace(work.state, up=False, stopped=True)
        for name in names:
            work.change(name, asked=Asked.NOTHING, task_wanted=False, shown=False, words="")


def _ask_up(work: Fold, name: str, asked: Asked, e: ev.OperatorAsked) -> None:
    agent = work.agent(name)
    resting = agent.life in fold_schedules.RESTING
    work.change(
        name,
        asked=asked,
        failures=0,
        restart_at=0.0,
        over=None,
        life=Life.OFF if resting else agent.life,
        once_model=e.model,
        once_backend=e.backend,
        fresh_next=agent.fresh_next or e.fresh,
    )


# ---- sessions ------------------------------------------------------------------------------------------------------


@on(ev.SessionStarting)
def _starting(work: Fold, e: ev.SessionStarting) -> None:
    agent = work.agent(e.agent)
    work.change(
        e.agent,
        life=Life.STARTING,
        since=e.at,
        incarnation=e.incarnation,
        pid=0,
        running_since=e.at,
        phase=e.phase,
        model=e.model,
        backend=e.backend,
        conversation=e.conversation or e.fresh_id,
        conversations=known_conversations(agent, e.fresh_id),
        resuming=bool(e.conversation),
        fresh_next=False,
        again=False,
        restart_at=0.0,
        restarts=agent.restarts + (1 if agent.incarnation else 0),
        shown=False,
        turn=Turn.UNKNOWN,
        turn_since=e.at,
        waiting_until=0.0,
        stalled_at=0.0,
        question="",
        approvals=(),
        signals_offset=0,
        last_output=0.0,
        once_model="",
        once_backend="",
        not_isolated="",
        # An earlier incarnation's kickoff is none of this one's.
        nudges=tuple(replace(n, sending=0, retry_at=0.0) for n in agent.nudges if n.kind is not NudgeKind.KICKOFF),
        why=e.why,
    )


@on(ev.AgentConfined)
def _confined(work: Fold, e: ev.AgentConfined) -> None:
    work.change(e.agent, not_isolated=e.lack)


@on(ev.AgentBlinded)
def _blinded(work: Fold, e: ev.AgentBlinded) -> None:
    work.change(e.agent, blind=e.patterns)


@on(ev.SessionStarted)
def _session_started(work: Fold, e: ev.SessionStarted) -> None:
    begin_running(work, e.agent, e.at)
    work.change(
        e.agent,
        life=Life.RUNNING,
        since=e.at,
        running_since=e.at,
        incarnation=e.incarnation,
        pid=e.pid,
        turn_since=e.at,
    )


@on(ev.SessionFailed)
def _session_failed(work: Fold, e: ev.SessionFailed) -> None:
    agent = work.agent(e.agent)
    work.change(
        e.agent,
        life=Life.PARKED if e.parked else Life.BACKOFF,
        since=e.at,
        pid=0,
        failures=agent.failures + 1,
        restart_at=e.at + e.delay,
        conversation=agent.conversation if agent.resuming else "",
        why=e.reason,
    )


@on(ev.SessionEnding)
def _ending(work: Fold, e: ev.SessionEnding) -> None:
    agent = work.agent(e.agent)
    work.change(
        e.agent,
        life=Life.ENDING,
        since=e.at,
        again=e.again,
        fresh_next=agent.fresh_next or e.fresh,
        restart_at=e.at + e.delay,
        failures=e.failures,
        stall_rounds=agent.stall_rounds + (e.rule == "stall-restart"),
        hangs=agent.hangs + (e.rule == "hang"),
        why=e.why,
    )


@on(ev.SessionCancelled)
def _cancelled(work: Fold, e: ev.SessionCancelled) -> None:
    work.change(e.agent, life=Life.OFF, since=e.at, restart_at=0.0, why=e.why)


@on(ev.SessionEnded)
def _ended(work: Fold, e: ev.SessionEnded) -> None:
    end_running(work, e.agent, e.over_since or e.at)
    agent = work.agent(e.agent)
    life = Life.ENDED if e.delay < 0 else Life.PARKED if e.parked else Life.BACKOFF
    if e.rule == "not-wanted":
        life = Life.OFF
    work.change(
        e.agent,
        life=life,
        since=e.at,
        pid=0,
        last_exit=Exit(e.at, e.code, e.signal),
        failures=e.failures,
        restart_at=e.at + e.delay if e.delay >= 0 else 0.0,
        again=False,
        turn=Turn.UNKNOWN,
        question="",
        approvals=(),
        task_wanted=agent.task_wanted and e.delay >= 0,
        words=agent.words if e.rule != "clean-task" else "",
        shown=e.rule == "clean-task",
        nudges=tuple(replace(n, sending=0) for n in agent.nudges),
        why=e.why,
    )


# ---- nudges --------------------------------------------------------------------------------------------------------


@on(ev.NudgeQueued)
def _queued(work: Fold, e: ev.NudgeQueued) -> None:
    nudge = Nudge(e.id, NudgeKind(e.kind), e.text, e.cause, e.at)
    waiting = work.agent(e.agent).nudges
    # What an agent is for comes before anything that happened meanwhile.
    queue = (nudge, *waiting) if nudge.kind is NudgeKind.KICKOFF else (*waiting, nudge)
    work.change(e.agent, nudges=queue)
    work.state = replace(work.state, nudges=work.state.nudges + 1)


def _nudge(work: Fold, agent: str, id: str, **facts: Any) -> None:
    changed = tuple(replace(n, **facts) if n.id == id else n for n in work.agent(agent).nudges)
    work.change(agent, nudges=changed)


@on(ev.NudgeSending)
def _sending(work: Fold, e: ev.NudgeSending) -> None:
    _nudge(work, e.agent, e.id, sending=e.incarnation)


@on(ev.NudgeReturned)
def _returned(work: Fold, e: ev.NudgeReturned) -> None:
    _nudge(work, e.agent, e.id, sending=0, retry_at=e.retry_at, tries=e.tries)


@on(ev.NudgeDelivered)
def _delivered(work: Fold, e: ev.NudgeDelivered) -> None:
    agent = work.agent(e.agent)
    delivered = next((n for n in agent.nudges if n.id == e.id), None)
    rest = tuple(n for n in agent.nudges if n.id != e.id)
    if delivered is not None and delivered.kind in (NudgeKind.STALL, NudgeKind.PROBE, NudgeKind.KICKOFF):
        work.change(e.agent, nudges=rest)
    else:  # new work: what was a stall before is none now
        work.change(e.agent, nudges=rest, stalled_at=0.0, stall_rounds=0)


@on(ev.NudgeDropped)
def _dropped(work: Fold, e: ev.NudgeDropped) -> None:
    work.change(e.agent, nudges=tuple(n for n in work.agent(e.agent).nudges if n.id != e.id))


@on(ev.WakeScheduled)
def _wake(work: Fold, e: ev.WakeScheduled) -> None:
    work.change(e.agent, wake_at=e.due)


# ---- handoff, phases -----------------------------------------------------------------------------------------------


@on(ev.EvidenceTaken)
def _evidence(work: Fold, e: ev.EvidenceTaken) -> None:
    evidence = decode_evidence(e.document)
    refused = work.loop.refused if work.loop.refused[:1] == (candidate(evidence),) else ()
    work.loop = replace(work.loop, head=e.head, evidence=evidence, refused=refused)


@on(ev.HistoryRewritten)
def _rewritten(work: Fold, e: ev.HistoryRewritten) -> None:
    work.loop = replace(work.loop, head="", evidence=PhaseEvidence(work.loop.phase), check=None, refused=())


@on(ev.CheckStarted)
def _check_started(work: Fold, e: ev.CheckStarted) -> None:
    work.loop = replace(work.loop, check=Check(e.phase, e.commit, e.number), checks_run=e.number)


@on(ev.CheckCompleted)
def _check_completed(work: Fold, e: ev.CheckCompleted) -> None:
    check = work.loop.check
    if check is not None and check.commit == e.commit:
        work.loop = replace(work.loop, check=replace(check, ok=e.ok, text=e.text))


@on(ev.DoneRefused)
def _done_refused(work: Fold, e: ev.DoneRefused) -> None:
    work.loop = replace(work.loop, refused=(e.commit, *e.reasons))


@on(ev.PhaseStarted)
def _phase_started(work: Fold, e: ev.PhaseStarted) -> None:
    if e.rule == "phase-moved":
        work.loop = replace(work.loop, index=e.index)
        return
    work.loop = replace(
        work.loop,
        index=e.index,
        phase=e.phase,
        since=e.at,
        head="",
        evidence=PhaseEvidence(e.phase),
        check=None,
        refused=(),
        complete=False,
        base=Spend(),
    )
    for name, agent in work.agents.items():
        if agent.since_row.tokens or agent.row_at:
            work.change(name, since_row=Usage(), row_at=0.0)


@on(ev.PhaseDone)
def _phase_done(work: Fold, e: ev.PhaseDone) -> None:
    work.loop = replace(work.loop, done=(*work.loop.done, e.phase))


@on(ev.SequenceCompleted)
def _completed(work: Fold, e: ev.SequenceCompleted) -> None:
    work.loop = replace(work.loop, complete=True)
    if e.task:
        # Asked for once more while it runs: it is run again, for it may have missed what was done last.
        fold_schedules.want_run(work, e.task, once_more=True)
