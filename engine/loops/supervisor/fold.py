"""The fold: how each event changes the state.  Nothing else does.

`Fold` is the only place where state is changed; it copies the agents' table once and replaces frozen values in it.
Replaying a journal and taking a decision go through the same handlers, so a supervisor that was killed comes back to
the very state it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeVar

from loops.config import decode as decode_config
from loops.config.model import Config
from loops.protocol.done import candidate
from loops.protocol.encoding import decode as decode_evidence
from loops.protocol.evidence import PhaseEvidence
from loops.supervisor import events as ev
from loops.supervisor.state import (
    AgentState,
    Asked,
    Check,
    Exit,
    Hold,
    Life,
    LoopState,
    Nudge,
    NudgeKind,
    State,
    Turn,
    Usage,
)


class Fold:
    """A state that is being changed by events."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.agents: Mapping[str, AgentState] = state.agents
        self.loop: LoopState = state.loop
        self._steady = state.steady
        self._own: dict[str, AgentState] | None = None
        self._changed = False

    def agent(self, name: str) -> AgentState:
        return self.agents.get(name) or AgentState(name)

    def put(self, agent: AgentState) -> None:
        """Replace one agent's facts."""
        if self._own is None:  # most steps change no agent, and a table of a thousand is not copied for nothing
            self.agents = self._own = dict(self.agents)
        self._own[agent.name] = agent

    def change(self, name: str, **facts: Any) -> None:
        self.put(changed(self.agent(name), **facts))

    def apply(self, event: ev.Event) -> None:
        """Take one event in."""
        self._changed = True
        self._steady = max(self._steady, getattr(event, "at", 0.0))
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def finish(self) -> State:
        """Return the state as frozen facts: the very same object when no event came."""
        if not self._changed:
            return self.state
        return replace(self.state, agents=self.agents, loop=self.loop, steady=self._steady)


_FIELDS = tuple(f.name for f in fields(AgentState))
_PLACE = {name: place for place, name in enumerate(_FIELDS)}
_values = attrgetter(*_FIELDS)


def changed(agent: AgentState, **facts: Any) -> AgentState:
    """`dataclasses.replace` for agents, several times as fast: it is most of the cost of an event."""
    values = list(_values(agent))
    for name, value in facts.items():
        values[_PLACE[name]] = value
    return AgentState(*values)


def fold(state: State, events: Iterable[ev.Event]) -> State:
    """Return *state* after *events*."""
    work = Fold(state)
    for event in events:
        work.apply(event)
    return work.finish()


REAL_WORK = 120.0
"""Seconds of a turn that was more than an answer to a stall nudge: the next silence is a new one."""

_HANDLERS: dict[type[ev.Event], Callable[[Fold, Any], None]] = {}


E = TypeVar("E", bound=ev.Event)


def _on(kind: type[E]) -> Callable[[Callable[[Fold, E], None]], Callable[[Fold, E], None]]:
    """Register the handler of one kind of event."""

    def register(handler: Callable[[Fold, E], None]) -> Callable[[Fold, E], None]:
        _HANDLERS[kind] = handler
        return handler

    return register


# ---- the supervisor itself -----------------------------------------------------------------------------------------


@_on(ev.SupervisorStarted)
def _started(work: Fold, e: ev.SupervisorStarted) -> None:
    work.state = replace(work.state, epoch=e.epoch, boot_id=e.boot_id)


@_on(ev.ConfigLoaded)
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


@_on(ev.ConfigRefused)
def _config_refused(work: Fold, e: ev.ConfigRefused) -> None:
    work.state = replace(work.state, refused_config=e.digest)


@_on(ev.OperatorAsked)
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
            work.change(name, task_wanted=True)
    elif e.verb == "down":
        work.state = replace(work.state, up=work.state.up and bool(e.names))
        for name in names:
            asked = Asked.DOWN if e.names else Asked.NOTHING
            work.change(name, asked=asked, task_wanted=False)
    elif e.verb == "estop":
        work.state = replace(work.state, up=False, stopped=True)
        for name in names:
            work.change(name, asked=Asked.NOTHING, task_wanted=False)


def _ask_up(work: Fold, name: str, asked: Asked, e: ev.OperatorAsked) -> None:
    agent = work.agent(name)
    resting = agent.life in (Life.ENDED, Life.PARKED, Life.BACKOFF)
    work.change(
        name,
        asked=asked,
        failures=0,
        restart_at=0.0,
        over_budget=False,
        life=Life.OFF if resting else agent.life,
        once_model=e.model,
        once_backend=e.backend,
    )


# ---- sessions ------------------------------------------------------------------------------------------------------


@_on(ev.SessionStarting)
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
        resuming=bool(e.conversation),
        fresh_next=False,
        again=False,
        restart_at=0.0,
        restarts=agent.restarts + (1 if agent.incarnation else 0),
        turn=Turn.UNKNOWN,
        turn_since=e.at,
        waiting_until=0.0,
        stalled_at=0.0,
        question="",
        question_id="",
        signals_offset=0,
        last_output=0.0,
        once_model="",
        once_backend="",
        not_isolated="",
        # An earlier incarnation's kickoff is none of this one's.
        nudges=tuple(replace(n, sending=0, retry_at=0.0) for n in agent.nudges if n.kind is not NudgeKind.KICKOFF),
        why=e.why,
    )


@_on(ev.AgentConfined)
def _confined(work: Fold, e: ev.AgentConfined) -> None:
    work.change(e.agent, not_isolated=e.lack)


@_on(ev.AgentBlinded)
def _blinded(work: Fold, e: ev.AgentBlinded) -> None:
    work.change(e.agent, blind=e.patterns)


@_on(ev.SessionStarted)
def _session_started(work: Fold, e: ev.SessionStarted) -> None:
    work.change(
        e.agent,
        life=Life.RUNNING,
        since=e.at,
        running_since=e.at,
        incarnation=e.incarnation,
        pid=e.pid,
        turn_since=e.at,
    )


@_on(ev.SessionFailed)
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


@_on(ev.SessionEnding)
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
        why=e.why,
    )


@_on(ev.SessionCancelled)
def _cancelled(work: Fold, e: ev.SessionCancelled) -> None:
    work.change(e.agent, life=Life.OFF, since=e.at, restart_at=0.0, why=e.why)


@_on(ev.SessionEnded)
def _ended(work: Fold, e: ev.SessionEnded) -> None:
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
        question_id="",
        task_wanted=agent.task_wanted and e.delay >= 0,
        nudges=tuple(replace(n, sending=0) for n in agent.nudges),
        why=e.why,
    )


@_on(ev.ConversationKnown)
def _conversation(work: Fold, e: ev.ConversationKnown) -> None:
    work.change(e.agent, conversation=e.conversation)


@_on(ev.ConversationDropped)
def _conversation_dropped(work: Fold, e: ev.ConversationDropped) -> None:
    work.change(e.agent, conversation="", fresh_next=True, resuming=False)


# ---- turns, limits, questions ---------------------------------------------------------------------------------------


@_on(ev.TurnStarted)
def _turn_started(work: Fold, e: ev.TurnStarted) -> None:
    work.change(
        e.agent,
        turn=Turn.WORKING,
        turn_since=e.at,
        waiting_until=0.0,
        last_output=0.0,
        resuming=False,
        last_hold="",
    )


@_on(ev.TurnGoesOn)
def _turn_goes_on(work: Fold, e: ev.TurnGoesOn) -> None:
    work.change(e.agent, last_output=e.last_output)


@_on(ev.TurnCompleted)
def _turn_completed(work: Fold, e: ev.TurnCompleted) -> None:
    agent = work.agent(e.agent)
    if agent.turn is Turn.IDLE:
        work.change(e.agent, waiting_until=e.waiting_until)
        return
    worked = agent.turn is Turn.WORKING and e.at - agent.turn_since >= REAL_WORK
    parked = e.waiting_until > e.at
    work.change(
        e.agent,
        turn=Turn.IDLE,
        turn_since=e.at,
        waiting_until=e.waiting_until,
        stalled_at=0.0 if worked or parked else agent.stalled_at,
        stall_rounds=0 if worked else agent.stall_rounds,
    )


@_on(ev.HoldBegan)
def _hold(work: Fold, e: ev.HoldBegan) -> None:
    work.change(e.agent, hold=Hold(e.kind, e.until, e.probes, e.text, e.at))


@_on(ev.HoldEnded)
def _hold_ended(work: Fold, e: ev.HoldEnded) -> None:
    agent = work.agent(e.agent)
    # The wait was not the agent's fault: its silence counts from now (incident 3).
    since = e.at if agent.turn is Turn.IDLE else agent.turn_since
    text = agent.hold.text if agent.hold is not None else ""
    work.change(e.agent, hold=None, turn_since=since, stalled_at=0.0, last_hold=text)


@_on(ev.QuestionAsked)
def _question(work: Fold, e: ev.QuestionAsked) -> None:
    work.change(e.agent, question=e.text, question_id=e.id)


@_on(ev.QuestionEnded)
def _question_ended(work: Fold, e: ev.QuestionEnded) -> None:
    work.change(e.agent, question="", question_id="")


@_on(ev.UsageUpdated)
def _usage(work: Fold, e: ev.UsageUpdated) -> None:
    usage = dict(work.agent(e.agent).usage)
    more = Usage(e.input_tokens, e.output_tokens, e.usd)
    usage[e.phase] = usage.get(e.phase, Usage()).plus(more)
    work.change(e.agent, usage=usage)
    work.state = replace(work.state, spent=work.state.spent.plus(more))


@_on(ev.BudgetExceeded)
def _over_budget(work: Fold, e: ev.BudgetExceeded) -> None:
    work.change(e.agent, over_budget=True)


@_on(ev.SignalsRead)
def _signals_read(work: Fold, e: ev.SignalsRead) -> None:
    work.change(e.agent, signals_offset=e.offset)


@_on(ev.StallSuspected)
def _stalled(work: Fold, e: ev.StallSuspected) -> None:
    work.change(e.agent, stalled_at=e.at)


# ---- nudges --------------------------------------------------------------------------------------------------------


@_on(ev.NudgeQueued)
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


@_on(ev.NudgeSending)
def _sending(work: Fold, e: ev.NudgeSending) -> None:
    _nudge(work, e.agent, e.id, sending=e.incarnation)


@_on(ev.NudgeReturned)
def _returned(work: Fold, e: ev.NudgeReturned) -> None:
    _nudge(work, e.agent, e.id, sending=0, retry_at=e.retry_at, tries=e.tries)


@_on(ev.NudgeDelivered)
def _delivered(work: Fold, e: ev.NudgeDelivered) -> None:
    agent = work.agent(e.agent)
    delivered = next((n for n in agent.nudges if n.id == e.id), None)
    rest = tuple(n for n in agent.nudges if n.id != e.id)
    if delivered is not None and delivered.kind in (NudgeKind.STALL, NudgeKind.PROBE, NudgeKind.KICKOFF):
        work.change(e.agent, nudges=rest)
    else:  # new work: what was a stall before is none now
        work.change(e.agent, nudges=rest, stalled_at=0.0, stall_rounds=0)


@_on(ev.NudgeDropped)
def _dropped(work: Fold, e: ev.NudgeDropped) -> None:
    work.change(e.agent, nudges=tuple(n for n in work.agent(e.agent).nudges if n.id != e.id))


@_on(ev.WakeScheduled)
def _wake(work: Fold, e: ev.WakeScheduled) -> None:
    work.change(e.agent, wake_at=e.due)


# ---- handoff, phases -----------------------------------------------------------------------------------------------


@_on(ev.EvidenceTaken)
def _evidence(work: Fold, e: ev.EvidenceTaken) -> None:
    evidence = decode_evidence(e.document)
    refused = work.loop.refused if work.loop.refused[:1] == (candidate(evidence),) else ()
    work.loop = replace(work.loop, head=e.head, evidence=evidence, refused=refused)


@_on(ev.HistoryRewritten)
def _rewritten(work: Fold, e: ev.HistoryRewritten) -> None:
    work.loop = replace(work.loop, head="", evidence=PhaseEvidence(work.loop.phase), check=None, refused=())


@_on(ev.CheckStarted)
def _check_started(work: Fold, e: ev.CheckStarted) -> None:
    work.loop = replace(work.loop, check=Check(e.phase, e.commit, e.number), checks_run=e.number)


@_on(ev.CheckCompleted)
def _check_completed(work: Fold, e: ev.CheckCompleted) -> None:
    check = work.loop.check
    if check is not None and check.commit == e.commit:
        work.loop = replace(work.loop, check=replace(check, ok=e.ok, text=e.text))


@_on(ev.DoneRefused)
def _done_refused(work: Fold, e: ev.DoneRefused) -> None:
    work.loop = replace(work.loop, refused=(e.commit, *e.reasons))


@_on(ev.PhaseStarted)
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
    )


@_on(ev.PhaseDone)
def _phase_done(work: Fold, e: ev.PhaseDone) -> None:
    work.loop = replace(work.loop, done=(*work.loop.done, e.phase))


@_on(ev.SequenceCompleted)
def _completed(work: Fold, e: ev.SequenceCompleted) -> None:
    work.loop = replace(work.loop, complete=True)
    if e.task:
        task = work.agent(e.task)
        # Asked for once more while it runs: it is run again, for it may have missed what was done last.
        life = Life.OFF if task.life is Life.ENDED else task.life
        work.change(e.task, task_wanted=True, life=life, again=task.life in (Life.STARTING, Life.RUNNING))
