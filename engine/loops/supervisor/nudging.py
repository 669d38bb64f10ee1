"""Nudges: when one may be typed, what came of it, and the ones that time itself asks for (probes, wakes, stalls)."""

from __future__ import annotations

from loops.config.model import Kind
from loops.supervisor import budgets, holds
from loops.supervisor import events as ev
from loops.supervisor.action import Look, Send
from loops.supervisor.lives import backend_of, end, phase_waits, restart_due
from loops.supervisor.observation import Sent
from loops.supervisor.state import AgentState, Asked, Life, Nudge, NudgeKind, Turn
from loops.supervisor.step import Step

RETRY = 2.0
LONGEST_RETRY = 60.0
"""Seconds before a nudge that met a person's open line is tried again: the longer it waits already, the longer."""
UNCONFIRMED_RETRY = 30.0
"""Seconds before the submit key of an unconfirmed nudge is pressed again; its text is never pasted twice."""
LONGEST_PAUSE = 1800.0
"""Seconds, at most, between two tries of a nudge that an agent did not take up `MAX_TRIES` times."""
MAX_TRIES = 5


def deliverable(agent: AgentState, at: float) -> Nudge | None:
    """The nudge that may be typed now, if any: one at a time, to an idle agent with no open question, in no limit window."""
    if agent.life is not Life.RUNNING or agent.asks or any(n.sending for n in agent.nudges):
        return None
    if agent.turn is not Turn.IDLE:
        return None
    for nudge in agent.nudges:
        if agent.hold is not None and nudge.kind is not NudgeKind.PROBE:
            continue
        if nudge.retry_at <= at:
            return nudge
    return None


def settle(step: Step, name: str) -> None:
    """Queue what time asks for, then type the next nudge if it may be typed."""
    agent = step.agent(name)
    if agent.life is not Life.RUNNING:
        return
    holds.forget_probes(step, name)
    holds.probe(step, name)
    _wake(step, name)
    nudge = deliverable(step.agent(name), step.at)
    if nudge is not None and budgets.check(step, name, beginning=True):
        step.emit(ev.NudgeSending(name, step.at, nudge.id, agent.incarnation))
        step.act(Send(name, agent.incarnation, nudge))


def sent(step: Step, seen: Sent) -> None:
    """A verified send has ended."""
    nudge = next((n for n in step.agent(seen.agent).nudges if n.id == seen.nudge), None)
    step.touch(seen.agent)
    if nudge is None:
        return
    if seen.outcome == "delivered":
        step.emit(ev.NudgeDelivered(seen.agent, step.at, seen.nudge))
    elif seen.outcome == "human":
        again = step.at + min(LONGEST_RETRY, max(RETRY, (step.at - nudge.queued_at) / 8))
        _return(step, seen.agent, nudge, "a person's line is open", again, nudge.tries)
    elif seen.outcome == "gone":
        _return(step, seen.agent, nudge, "the session ended", step.at + RETRY, nudge.tries)
    else:
        _unconfirmed(step, seen, nudge)


def _return(step: Step, name: str, nudge: Nudge, why: str, retry_at: float, tries: int) -> None:
    step.emit(ev.NudgeReturned(name, step.at, nudge.id, why, retry_at, tries))


def _unconfirmed(step: Step, seen: Sent, nudge: Nudge) -> None:
    """No turn started.  The nudge stays: it is somebody's work.  An agent that takes nothing any more is started again."""
    name = seen.agent
    tries = nudge.tries + 1
    if nudge.kind is NudgeKind.PROBE:  # one probe an interval: the limit still stands
        step.emit(ev.NudgeDropped(name, step.at, nudge.id, f"no turn started ({seen.outcome})", "nudge-stale"))
        return
    if tries < MAX_TRIES:
        why = f"no turn started ({seen.outcome})"
        _return(step, name, nudge, why, step.at + UNCONFIRMED_RETRY, tries)
        return
    why = f"no turn started after {tries} tries"
    if nudge.kind is NudgeKind.STALL:
        step.emit(ev.NudgeDropped(name, step.at, nudge.id, why, "nudge-stale"))
    else:
        pause = min(LONGEST_PAUSE, UNCONFIRMED_RETRY * 2.0 ** (tries - MAX_TRIES))
        _return(step, name, nudge, why, step.at + pause, tries)
    if tries == MAX_TRIES:
        step.say(f"{name} did not take up a nudge ({nudge.kind.value}): {why}")
    agent, spec = step.agent(name), step.spec(name)
    idle = agent.life is Life.RUNNING and agent.turn is Turn.IDLE and agent.hold is None and not agent.asks
    if idle and spec is not None and spec.watch.stalls and spec.kind is not Kind.PERSISTENT:
        end(step, name, why=why, rule="stall-restart", again=True)


# ---- what time asks for ------------------------------------------------------------------------------------------------


def _wake(step: Step, name: str) -> None:
    spec = step.spec(name)
    agent = step.agent(name)
    if spec is None or spec.wake is None or (spec.kind is Kind.LOOP and step.loop.complete):
        return
    if agent.wake_at == 0.0 or agent.wake_at < agent.since <= step.at:  # missed while it did not run: not made up for
        step.emit(ev.WakeScheduled(name, step.at, step.at + spec.wake.interval))
    elif step.at >= agent.wake_at and agent.hold is None:
        why = f"every {spec.wake.interval:.0f} s"
        if not any(n.kind is NudgeKind.WAKE for n in agent.nudges):
            step.queue(name, NudgeKind.WAKE, "", cause=spec.wake.prompt_file, why=why, rule="wake")
        step.emit(ev.WakeScheduled(name, step.at, step.at + spec.wake.interval))


# ---- stalls and hangs ----------------------------------------------------------------------------------------------------


def stall_due(grace: float, stall_idle: float, agent: AgentState) -> float:
    """When the silence of an idle agent becomes a stall."""
    patience = 2.0 ** min(agent.stall_rounds, 6)
    if agent.waiting_until:
        return agent.waiting_until + grace * patience
    return agent.turn_since + stall_idle * patience


def silence_due(step: Step, name: str) -> float | None:
    """When somebody should look whether this agent stalls or hangs; None: never."""
    spec = step.spec(name)
    agent = step.agent(name)
    if spec is None or not spec.watch.stalls or agent.life is not Life.RUNNING or agent.asks:
        return None
    if spec.kind is Kind.SERVICE or (not spec.enabled and agent.asked is not Asked.UP):
        return None  # a service has no turns; a disabled agent is left alone
    if agent.turn is Turn.IDLE:
        # A persistent agent waits for its operator and its wakes: it is never restarted for that.
        if agent.nudges or agent.hold is not None or spec.kind is Kind.PERSISTENT:
            return None
        backend = backend_of(step, name)
        return stall_due(step.config.watchdog.stall_grace, backend.stall_idle if backend else 300.0, agent)
    quiet = agent.hold.until if agent.hold is not None else 0.0
    return max(agent.turn_since, agent.last_output, quiet) + step.config.watchdog.hang_after


def look_when_silent(step: Step, name: str) -> None:
    """Ask for a fresh look before judging a silence: never act on a capture older than the decision (incident 6)."""
    due = silence_due(step, name)
    if due is not None and step.at >= due:
        step.act(Look(name, step.agent(name).incarnation))


def judge_silence(step: Step, name: str, last_output: float) -> None:
    """A look has just been taken in: act if the agent still stalls or hangs."""
    due = silence_due(step, name)
    if due is None or step.at < due:
        return
    agent = step.agent(name)
    if agent.turn is not Turn.IDLE:
        if (
            last_output > max(agent.turn_since, agent.last_output)
            and last_output + step.config.watchdog.hang_after > step.at
        ):
            step.emit(ev.TurnGoesOn(name, step.at, last_output))
            return
        why = f"no output and no event for {step.at - max(agent.turn_since, last_output):.0f} s"
        holds.hung(step, name, why)
        return
    if agent.waiting_until:
        why = f"idle {step.at - agent.waiting_until:.0f} s past its own WAITING-UNTIL"
    else:
        why = f"idle for {step.at - agent.turn_since:.0f} s with no WAITING-UNTIL"
    if agent.stalled_at:
        end(step, name, why=f"{why}, also after a nudge", rule="stall-restart", again=True)
        return
    step.emit(ev.StallSuspected(name, step.at, why, "stall"))
    step.queue(name, NudgeKind.STALL, _open_work(step, name), cause="stall", why=why, rule="stall")


def _open_work(step: Step, name: str) -> str:
    from loops.supervisor.progress import open_work

    spec = step.spec(name)
    if spec is None or spec.kind is not Kind.LOOP:
        return "You are idle and named no time until which you wait. Go on, or end with a line WAITING-UNTIL: <ISO 8601 UTC>."
    return open_work(step, name)


# ---- timers --------------------------------------------------------------------------------------------------------------


def due(step: Step, name: str) -> float | None:
    """The earliest time at which this agent needs a `Tick`; None: none."""
    agent = step.agent(name)
    times: list[float] = []
    if agent.life in (Life.BACKOFF, Life.PARKED):
        times.append(restart_due(agent))
    elif agent.life is Life.RUNNING:
        held = agent.hold is not None
        if agent.hold is not None and (phase_waits(step, name) or (agent.turn is Turn.IDLE and not _probing(agent))):
            times.append(agent.hold.until)
        spec = step.spec(name)
        wakes = spec is not None and spec.wake is not None and not (spec.kind is Kind.LOOP and step.loop.complete)
        if wakes and agent.wake_at and agent.hold is None:
            times.append(agent.wake_at)
        if agent.turn is Turn.IDLE and not agent.asks and not any(n.sending for n in agent.nudges):
            times.extend(n.retry_at for n in agent.nudges if n.retry_at and (not held or n.kind is NudgeKind.PROBE))
        silence = silence_due(step, name)
        if silence is not None:
            times.append(silence)
    if (told := holds.tell_due(step, name)) is not None:
        times.append(told)
    if agent.runs and (used_up := budgets.due(step, name)) is not None:
        times.append(used_up)
    return min(times, default=None)


def _probing(agent: AgentState) -> bool:
    return any(n.kind is NudgeKind.PROBE for n in agent.nudges)
