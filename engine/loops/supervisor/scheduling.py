"""Scheduled tasks: when one is due, and whether it may run now.  Part of `decide`: it reads no clock.

Due times are wall times and come from the edge with each `Timed`.  A time that came while nobody could run the task (the
supervisor was away, the project was down) is made up for once, however many were missed; systemd calls that Persistent.
"""

from __future__ import annotations

from collections.abc import Mapping

from loops.config.model import Agent, Kind
from loops.supervisor import schedule_events as ev
from loops.supervisor.observation import Timed, Told
from loops.supervisor.state import AgentState, Asked, Life, State
from loops.supervisor.step import Step
from loops.supervisor.turn_events import HoldEnded

CLOCK_WRONG = 86400.0
"""Seconds: a clock that is this far before the last due time was wrong then, or is now; it counts from now on."""


def awaited(state: State, name: str) -> float | None:
    """The wall time at which the task needs a `Timed`: 0 is at once; None: none before something else changes."""
    spec = state.config.agents.get(name) if state.config is not None else None
    agent = state.agents.get(name)
    if agent is None or spec is None or (not spec.schedule and not agent.schedule):
        return None
    if agent.schedule != spec.schedule:
        return 0.0
    return agent.due if agent.due and not hindrance(state, spec, agent) else None


def base(wall: float, last: float) -> float:
    """The wall time after which the next due time lies: a clock that was set back a little brings none twice."""
    return wall if wall >= last or last - wall > CLOCK_WRONG else last


def hindrance(state: State, spec: Agent, agent: AgentState) -> str:
    """Why nothing of the task's schedule is done now, in words; empty: nothing hinders it."""
    if state.stopped:
        return "the project was stopped at once: `loops up` lifts that"
    if not state.up:
        return "the project is down"
    if not spec.enabled:
        return "it is disabled in agents.toml"
    if agent.asked is Asked.DOWN:
        return f"the operator stopped it: `loops run {spec.name}` lifts that"
    if agent.over is not None:
        return f"the {agent.over.scope}'s budget is used up"
    return ""


def going(agent: AgentState) -> bool:
    """Whether a run of the task goes on, or waits to be started again."""
    return agent.task_wanted or agent.life in (Life.STARTING, Life.RUNNING)


def window(agents: Mapping[str, AgentState], spec: Agent, agent: AgentState) -> tuple[float, str]:
    """Until when (steady seconds) a scheduled run waits, and for whom: its own hold, or a usage limit that it shares."""
    own = [(agent.hold.until, spec.name)] if agent.hold is not None else []
    shared = (
        (other.hold.until, other.name)
        for other in agents.values()
        if other.hold is not None and other.hold.kind == "limit" and other.backend == spec.backend
    )
    return max([*own, *shared], default=(0.0, ""))


# ---- what the edge sees ------------------------------------------------------------------------------------------------


def timed(step: Step, seen: Timed) -> None:
    """The wall clock was looked at for this task."""
    spec, agent = step.spec(seen.agent), step.agent(seen.agent)
    if spec is None or spec.schedule != seen.schedule or seen.agent not in step.agents:
        return
    if agent.schedule != seen.schedule:
        why = "agents.toml has this schedule" if seen.schedule else "agents.toml has no schedule any more"
        step.emit(ev.TaskScheduled(seen.agent, step.at, seen.schedule, seen.following, why, "schedule"))
    elif agent.due and seen.wall >= agent.due:
        _time_came(step, seen, agent, spec)
    elif seen.following and (seen.following < agent.due or not agent.due):
        why = "the machine's clock was set back"
        step.emit(ev.TaskScheduled(seen.agent, step.at, seen.schedule, seen.following, why, "schedule"))


def _time_came(step: Step, seen: Timed, agent: AgentState, spec: Agent) -> None:
    if not seen.ours:
        why = "a timer of the service manager keeps this time"
        step.emit(ev.TaskScheduled(seen.agent, step.at, seen.schedule, seen.following, why, "schedule"))
    elif not hindrance(step.state, spec, agent):
        late = seen.wall - agent.due
        why = f"its time by {seen.schedule!r} has come" + (f", and was missed by {late:.0f} s" if late >= 60 else "")
        step.emit(ev.TaskDue(seen.agent, step.at, agent.due, seen.following, why, "schedule"))
        step.touch(seen.agent)


def told_due(step: Step, seen: Told) -> None:
    """A timer of the service manager says that the task's time has come."""
    for name in seen.names:
        spec, agent = step.spec(name), step.agent(name)
        if spec is not None and not hindrance(step.state, spec, agent) and not agent.owed:
            step.emit(ev.TaskDue(name, step.at, seen.wall, -1.0, "a timer of the service manager says so", "schedule"))
            step.touch(name)


# ---- what becomes of an owed run ---------------------------------------------------------------------------------------


def settle(step: Step, name: str) -> None:
    """Begin the run that is owed, as soon as it may be; never a second one beside one that goes on."""
    spec, agent = step.spec(name), step.agent(name)
    if not agent.owed:
        return
    if spec is None or spec.kind is not Kind.TASK:
        step.emit(ev.TaskPassedOver(name, step.at, "it is no task of agents.toml any more", "schedule"))
    elif going(agent):
        why = "its last run still goes on"
        step.emit(ev.TaskPassedOver(name, step.at, why, "schedule-running"))
        step.say(f"task {name} was due, but {why}: it is not started a second time")
    elif not hindrance(step.state, spec, agent):
        until, whose = window(step.agents, spec, agent)
        if step.at >= until:
            step.emit(ev.TaskAsked(name, step.at, "it is due", "schedule"))
        elif until != agent.owed_until:
            step.emit(ev.TaskDeferred(name, step.at, until, f"{whose} is in a limit window", "schedule"))


def windows_changed(step: Step) -> None:
    """A window is over, perhaps before its time: whose run waits for one is looked at again."""
    if any(isinstance(event, HoldEnded) for event in step.events):
        for agent in step.agents.values():
            if agent.owed:
                step.touch(agent.name)


def due(step: Step, name: str) -> float | None:
    """When an owed run may begin; None: no timer is needed for that."""
    spec, agent = step.spec(name), step.agent(name)
    if not agent.owed_until or spec is None or hindrance(step.state, spec, agent):
        return None
    return agent.owed_until
