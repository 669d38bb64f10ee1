"""``decide(state, observation) -> (state, events, actions)``: the supervisor's brain, one pure function.

It reads no clock, no file, no process and no random number, so every decision can be replayed, explained, property-tested
and simulated.  The returned state is exactly the fold of the returned events (a test holds that), which is why the events,
once they are durable, are all that must survive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loops.config import encode
from loops.config.model import Kind, NoticeKind
from loops.supervisor import (
    approvals,
    attention,
    budgets,
    carrying,
    holds,
    lives,
    notices,
    nudging,
    progress,
    reboots,
    scheduling,
    tasks,
    tokens,
)
from loops.supervisor import events as ev
from loops.supervisor.action import Action, End, Leave, RunChecks, Send, Start
from loops.supervisor.observation import (
    Adopted,
    Began,
    Blinded,
    Carried,
    CheckEnded,
    ConfigBroken,
    ConfigRead,
    Confined,
    Departs,
    Exited,
    Looked,
    NoticeTried,
    Observation,
    Pushed,
    Sent,
    Signalled,
    Spawned,
    SpawnRefused,
    Tick,
    Timed,
    Told,
)
from loops.supervisor.state import Life, NudgeKind, State
from loops.supervisor.step import Step

CHECK_SESSION = "check:"
"""Prefix of the sessions in which the engine runs a phase's checks; their number follows."""


def decide(state: State, seen: Observation) -> tuple[State, list[ev.Event], list[Action]]:
    """Return the new state, the events that made it (to be journaled first) and the actions that follow."""
    step = Step(state, max(seen.at, state.steady))
    if state.config is None and not isinstance(seen, ConfigRead | ConfigBroken):
        return state, [], []
    _HANDLERS[type(seen)](step, seen)
    scheduling.windows_changed(step)
    while step.touched:  # what is decided about one agent may concern another
        name = next(iter(step.touched))
        del step.touched[name]
        if name in step.agents:
            budgets.settle(step, name)
            scheduling.settle(step, name)
            lives.settle(step, name)
            nudging.settle(step, name)
            holds.tell(step, name)
    notices.settle(step)
    if isinstance(seen, Exited | SpawnRefused) or (isinstance(seen, Told) and seen.verb in ("down", "estop")):
        _leave_when_over(step)
    return step.finish(), step.events, step.actions


def due(state: State, name: str) -> float | None:
    """When the agent ("": the project itself) needs its next `Tick`, steady seconds; None: no timer."""
    if not name:
        return notices.due(state)
    if state.config is None or name not in state.agents:
        return None
    step = Step(state, state.steady)
    times = [when for when in (nudging.due(step, name), scheduling.due(step, name)) if when is not None]
    return min(times, default=None)


# ---- the supervisor comes, or comes back -------------------------------------------------------------------------------


def _began(step: Step, seen: Began) -> None:
    known = step.state.steady
    since = min(seen.down_since or known, known)
    reboot = reboots.record(step, seen, since)
    alive = sum(1 for session in seen.sessions if session.alive)
    killed = step.state.watching and step.state.epoch != seen.epoch
    step.emit(ev.SupervisorStarted(step.at, seen.pid, seen.epoch, seen.boot_id, seen.version, alive))
    notices.abandon(step, seen.unsure)
    if killed and reboot is None:
        text = f"a supervisor took over: the one before it ended without a word; sessions that go on: {alive}"
        step.notice(NoticeKind.TAKEOVER, f"epoch {seen.epoch}", text)
    if seen.up and not step.state.up and not step.state.stopped:  # an emergency stop is the operator's to lift
        step.emit(ev.OperatorAsked(step.at, "up"))
    tokens.catch_up(step)
    reboots.catch_up(step, reboot)
    held = {session.name: session for session in seen.sessions}
    check = step.loop.check
    lost = "the machine was rebooted" if reboot else "its session was gone when the supervisor came back"
    for name in list(step.agents):
        _reconcile(step, name, held.get(name), lost, since)
        step.touch(name)
    if reboot is not None:
        reboots.tell(step, reboot)
    progress.keep_place(step)
    progress.consider(step)
    for session in seen.sessions:
        if session.alive and session.name not in step.agents and not session.name.startswith(CHECK_SESSION):
            step.act(End(session.name, session.incarnation, 0.0))
    if check is not None and check == step.loop.check and check.ok is None:
        step.act(RunChecks(check.phase, check.commit, check.number))


def _reconcile(step: Step, name: str, held: Adopted | None, lost: str, since: float) -> None:
    """Compare what the journal says of one session with what the holder really has.

    *lost*: why a session is gone that nobody saw end; *since*: the last that is known of that time.
    """
    agent = step.agent(name)
    if held is not None and held.alive and (held.incarnation != agent.incarnation or not agent.alive):
        _adopt_stray(step, name, held)
        return
    if held is not None and held.incarnation != agent.incarnation:
        held = None
    if not agent.alive:
        return
    if held is None:
        want, unwanted = lives.wanted(step, name)
        if agent.life is Life.STARTING and want is not lives.Want.END:
            step.act(Start(name, agent.incarnation))  # the intent stands; the holder never heard of it
        elif agent.life is Life.STARTING:
            step.emit(
                ev.SessionEnded(
                    name, step.at, agent.incarnation, None, None, 0.0, -1.0, 0, False, unwanted, "not-wanted"
                )
            )
        else:
            lives.exited(step, Exited(step.at, name, agent.incarnation, None, None), lost=lost, lost_at=since)
        return
    if agent.life is Life.STARTING:
        step.emit(ev.SessionStarted(name, step.at, held.incarnation, held.pid))
    if not held.alive:
        _exited(step, Exited(step.at, name, held.incarnation, held.code, held.signal))
        return
    if agent.life is Life.ENDING:
        step.act(End(name, agent.incarnation, step.config.watchdog.stop_grace))
    else:
        approvals.repeat(step, name)
        for nudge in agent.nudges:
            if nudge.sending == agent.incarnation:
                step.act(Send(name, agent.incarnation, nudge))


def _adopt_stray(step: Step, name: str, held: Adopted) -> None:
    """The holder has a living session that the journal does not know: never start another one beside it."""
    step.emit(ev.SessionStarted(name, step.at, held.incarnation, held.pid))
    again = lives.wanted(step, name)[0] is lives.Want.RUN
    lives.end(step, name, why="the journal does not know this session", rule="stray", again=again)


# ---- configuration -----------------------------------------------------------------------------------------------------


def _config_read(step: Step, seen: ConfigRead) -> None:
    known = step.state.config
    if known is not None and known.digest == seen.config.digest and not step.state.refused_config:
        return
    document = encode(seen.config) if seen.document is None else seen.document
    step.emit(ev.ConfigLoaded(step.at, seen.config.digest, document))
    for name in list(step.agents):
        step.touch(name)
    if known is not None:
        holds.reconfigured(step, known)
        progress.keep_place(step)
        progress.consider(step)


def _config_broken(step: Step, seen: ConfigBroken) -> None:
    if step.state.refused_config != seen.digest:
        step.emit(ev.ConfigRefused(step.at, seen.digest, seen.problems))


# ---- sessions and screens ----------------------------------------------------------------------------------------------


def _exited(step: Step, seen: Exited) -> None:
    lives.exited(step, seen)
    tasks.unread_words(step, seen.agent)


def _leave_when_over(step: Step) -> None:
    """The project is down, and nothing lives, waits for its restart, or is kept to be looked at: our work is done."""
    resting = (Life.OFF, Life.ENDED)
    agents = step.agents.values()
    if not step.state.up and all(agent.life in resting and not agent.shown for agent in agents):
        check = step.loop.check
        if check is not None and check.ok is None:
            step.act(End(f"{CHECK_SESSION}{check.number}", 1, 0.0))
        step.act(Leave())


def _looked(step: Step, seen: Looked) -> None:
    agent = step.agent(seen.agent)
    if agent.incarnation != seen.incarnation or not agent.alive:
        return
    attention.read(step, seen.agent, seen.signals)
    nudging.judge_silence(step, seen.agent, seen.last_output)
    step.touch(seen.agent)


def _tick(step: Step, seen: Tick) -> None:
    for name in seen.agents:
        if name in step.agents:
            nudging.look_when_silent(step, name)
            step.touch(name)


# ---- the operator --------------------------------------------------------------------------------------------------------


def _told(step: Step, seen: Told) -> None:
    handler = _TOLD.get(seen.verb)
    if handler is not None:
        handler(step, seen)


def _told_up(step: Step, seen: Told) -> None:
    budgets.renew(step, seen.names)
    for name in seen.names or tuple(step.agents):
        holds.asked_to_go_on(step, name, "the operator said up")
    tasks = tuple(n for n in seen.names if (spec := step.spec(n)) is not None and spec.kind is Kind.TASK)
    others = tuple(n for n in seen.names if n not in tasks)
    if tasks:
        step.emit(ev.OperatorAsked(step.at, "run", tasks, seen.model, seen.backend))
    if others or not seen.names:
        step.emit(ev.OperatorAsked(step.at, "up", others, seen.model, seen.backend))
    _touch(step, seen.names)
    progress.keep_place(step)
    progress.consider(step)


def _told_down(step: Step, seen: Told) -> None:
    step.emit(ev.OperatorAsked(step.at, seen.verb, seen.names))
    if seen.verb == "estop":
        for agent in step.agents.values():
            if agent.life is Life.ENDING:  # politely so far
                step.act(End(agent.name, agent.incarnation, 0.0))
    _touch(step, seen.names if seen.verb == "down" else ())


def _told_nudge(step: Step, seen: Told) -> None:
    for name in seen.names:
        cause = f"operator at {step.at:.3f}"
        holds.asked_to_go_on(step, name, "the operator sends a message")
        step.queue(name, NudgeKind.OPERATOR, seen.detail, cause=cause, why="loops nudge", rule="operator")


def _told_answered(step: Step, seen: Told) -> None:
    for name in seen.names:
        if step.agent(name).question:
            step.emit(ev.QuestionEnded(name, step.at, "", seen.detail))
            step.touch(name)


def _told_notify(step: Step, seen: Told) -> None:
    step.notice(NoticeKind.TEST, f"{step.at:.3f}", notices.TEST)


def _departs(step: Step, seen: Departs) -> None:
    step.emit(ev.SupervisorEnded(step.at, seen.why))


def _touch(step: Step, names: tuple[str, ...]) -> None:
    for name in names or tuple(step.agents):
        step.touch(name)


_TOLD: dict[str, Callable[[Step, Told], None]] = {
    "up": _told_up,
    "run": tasks.told_run,
    "due": scheduling.told_due,
    "down": _told_down,
    "estop": _told_down,
    "phase": progress.told_phase,
    "nudge": _told_nudge,
    "answered": _told_answered,
    "notify": _told_notify,
    "approve": approvals.answered,
    "deny": approvals.answered,
}

_HANDLERS: dict[type, Callable[[Step, Any], None]] = {
    Began: _began,
    ConfigRead: _config_read,
    ConfigBroken: _config_broken,
    Confined: lives.confined,
    Blinded: lives.blinded,
    Spawned: lives.spawned,
    SpawnRefused: lives.spawn_refused,
    Exited: _exited,
    Signalled: attention.signalled,
    Looked: _looked,
    Sent: nudging.sent,
    Pushed: progress.pushed,
    CheckEnded: progress.check_ended,
    Told: _told,
    Carried: carrying.carried,
    NoticeTried: notices.tried,
    Departs: _departs,
    Timed: scheduling.timed,
    Tick: _tick,
}
