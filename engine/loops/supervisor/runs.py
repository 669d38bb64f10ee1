"""What ``loops run`` is told: whether an agent can be run once at all, and what became of the request.  Pure."""

from __future__ import annotations

from typing import Any

from loops.config.model import Kind
from loops.protocol.moment import span
from loops.supervisor import scheduling, tasks
from loops.supervisor.state import AgentState, State


def complaint(state: State, verb: str, name: str) -> str:
    """Why the agent cannot be run like that; empty: it can.  *verb*: run, or due (a timer's word)."""
    assert state.config is not None, "the name is known"
    kind = state.config.agents[name].kind
    if verb == "due" and kind is not Kind.TASK:
        return f"{name} is of kind {kind.value}: only a task has a schedule"
    if kind is Kind.LOOP:
        return f"{name} lives with the phases and is no single run: `loops up {name}` starts it"
    if kind is Kind.SERVICE:
        return f"{name} is a service and no single run: `loops up {name}` starts it"
    return ""


def outcome(before: State, after: State, verb: str, name: str) -> dict[str, Any]:
    """What the request did: ``how`` is started, used, waits, passed or refused; ``text`` says it in words."""
    assert after.config is not None, "the name is known"
    spec, agent = after.config.agents[name], after.agents[name]
    was = before.agents.get(name) or AgentState(name)
    used = tasks.in_use(was, spec.kind)
    hindrance = scheduling.hindrance(after, spec, agent) if verb == "due" else ""
    if agent.incarnation != was.incarnation:
        how, text = "started", f"starting {spec.session}"
    elif hindrance:
        how, text = "refused", f"{name} is not run by its schedule: {hindrance}"
    elif used and verb == "due":
        how, text = "passed", f"{name} still runs (number {agent.incarnation}): it is not started a second time"
    elif agent.owed:
        until, whose = scheduling.window(after.agents, spec, agent)
        text = f"{name} waits for the limit of {whose}, {span(until - after.steady)} more, and runs then"
        how = "waits"
    elif used and not agent.again:
        how, text = "used", f"{name} runs already (number {agent.incarnation}): that run is used"
    else:
        how, text = "started", f"{name} is started as soon as its last session has ended"
    new = agent.incarnation != was.incarnation
    return {
        "name": name,
        "how": how,
        "text": text + (f" ({agent.backend})" if new and agent.backend else ""),
        "kind": spec.kind.value,
        "incarnation": agent.incarnation,
        "nudge": f"n{after.nudges}" if after.nudges > before.nudges else "",
    }
