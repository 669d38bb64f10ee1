"""The fold of what agents use: tokens, money, running time, and the budgets over them."""

from __future__ import annotations

from dataclasses import replace

from loops.supervisor import events as ev
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import AgentState, Over, Spend, State, Usage


def begin_running(work: Fold, name: str, at: float) -> None:
    """The agent's session runs; a service's time is nobody's budget."""
    agent = work.agent(name)
    if agent.runs or not agent.backend:
        return
    state = work.state
    work.state = replace(state, running=state.running + 1, running_since=state.running_since if state.running else at)


def end_running(work: Fold, name: str, at: float) -> None:
    """The agent's session ended at *at*."""
    agent = work.agent(name)
    if not agent.runs or not agent.backend:
        return
    work.change(name, ran=agent.ran + max(0.0, at - agent.running_since))
    state = work.state
    ran = state.ran + (max(0.0, at - state.running_since) if state.running == 1 else 0.0)
    work.state = replace(state, running=state.running - 1, ran=ran)


def used(e: ev.UsageUpdated) -> Usage:
    """What one request used.  ``unpriced`` is below zero for the end of a turn that tells its requests' cost."""
    unpriced = e.input_tokens + e.output_tokens if e.usd is None else -e.covers
    return Usage(e.input_tokens, e.output_tokens, e.usd or 0.0, e.cached_tokens, unpriced)


def used_by(usage: Usage, wall: float) -> Spend:
    """What budgets count of *usage*."""
    return Spend(usage.tokens, usage.usd, wall)


def agent_spend(work: Fold, name: str, at: float) -> Spend:
    """All that the agent has used until *at*."""
    agent = work.agent(name)
    total = Usage()
    for usage in agent.usage.values():
        total = total.plus(usage)
    return used_by(total, agent.ran + (max(0.0, at - agent.running_since) if agent.runs else 0.0))


def phase_spend(work: Fold, at: float) -> Spend:
    """All that the current phase has used until *at*; its wall time goes on while nothing runs."""
    total = Usage()
    for agent in work.agents.values():
        if work.loop.phase in agent.usage:
            total = total.plus(agent.usage[work.loop.phase])
    return used_by(total, max(0.0, at - work.loop.since))


def project_spend(state: State, at: float) -> Spend:
    """All that the project has used until *at*."""
    return used_by(state.spent, state.ran + (max(0.0, at - state.running_since) if state.running else 0.0))


@on(ev.UsageUpdated)
def _usage(work: Fold, e: ev.UsageUpdated) -> None:
    agent, more = work.agent(e.agent), used(e)
    work.change(
        e.agent,
        usage={**agent.usage, e.phase: agent.usage.get(e.phase, Usage()).plus(more)},
        last_request=_last_request(agent, e),
        uncosted=Usage() if e.rest or e.basis == "backend" else agent.uncosted.plus(more),
        since_row=agent.since_row.plus(more),
        hangs=0,
    )
    work.state = replace(work.state, spent=work.state.spent.plus(more))


def _last_request(agent: AgentState, e: ev.UsageUpdated) -> Usage:
    """The agent's last request, *e* told: the rest of a turn is none, and money that is not told yet is as before."""
    last = agent.last_request
    tokens = last if e.rest else Usage(e.input_tokens, e.output_tokens, cached_tokens=e.cached_tokens)
    return replace(tokens, usd=last.usd if e.usd is None else e.usd)


@on(ev.TokensMeasured)
def _measured(work: Fold, e: ev.TokensMeasured) -> None:
    work.state = replace(work.state, rows=e.row, logged=e.row if e.logged else work.state.logged)
    if e.gate:
        for name in e.agents:
            if name not in work.agents:
                continue
            work.change(name, since_row=Usage(), row_at=e.at)


@on(ev.BudgetExceeded)
def _exceeded(work: Fold, e: ev.BudgetExceeded) -> None:
    work.change(e.agent, over=Over(e.scope, e.measure, e.limit, e.at))


@on(ev.BudgetRenewed)
def _renewed(work: Fold, e: ev.BudgetRenewed) -> None:
    work.change(e.agent, over=None, last_request=Usage())
    if not e.afresh:
        return
    if e.scope == "agent":
        work.change(e.agent, base=agent_spend(work, e.agent, e.at))
    elif e.scope == "phase":
        work.loop = replace(work.loop, base=phase_spend(work, e.at))
    else:
        work.state = replace(work.state, base=project_spend(work.state, e.at))
