"""Budgets: tokens, money and time that an agent, a phase or the project may use.

What counts is what was used, and for each open turn a reserve as large as that agent's last request: so a budget that
several agents share is overrun by one request at most, not by one of each.  At the limit the agents under it are ended;
a raised limit, or the operator's `loops up`, lets them go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loops.config.model import Budget, Kind, NoticeKind
from loops.supervisor import events as ev
from loops.supervisor.fold_usage import agent_spend, phase_spend, project_spend
from loops.supervisor.lives import Want, wanted
from loops.supervisor.state import AgentState, Spend, Turn
from loops.supervisor.step import Step


@dataclass(frozen=True, slots=True)
class Account:
    """One budget that is set: its limits, and what it has used since its base."""

    scope: str
    budget: Budget
    used: Spend
    whose: str


def accounts(step: Step, name: str, at: float) -> Iterator[Account]:
    """The budgets that the agent draws on, those that are set."""
    spec = step.spec(name)
    if spec is None or spec.kind is Kind.SERVICE:
        return
    agent = step.agent(name)
    if _is_set(spec.budget):
        yield Account("agent", spec.budget, _less(agent_spend(step, name, at), agent.base), "its")
    phase = step.phase
    if phase is not None and spec.kind is Kind.LOOP and _is_set(phase.budget):
        used = _less(phase_spend(step, at), step.loop.base)
        yield Account("phase", phase.budget, used, f"phase {phase.id}'s")
    project = step.config.watchdog.budget
    if _is_set(project):
        used = _less(project_spend(step.state, at), step.state.base)
        yield Account("project", project, used, "the project's")


def _members(step: Step, scope: str, name: str) -> list[str]:
    """Who draws on the budget of that scope, which *name* draws on."""
    if scope == "agent":
        return [name]
    if scope == "phase":
        return step.loop_agents()
    return [each for each, spec in step.config.agents.items() if spec.kind is not Kind.SERVICE]


def _is_set(budget: Budget) -> bool:
    return bool(budget.tokens or budget.usd or budget.wall)


def _less(used: Spend, base: Spend) -> Spend:
    return Spend(used.tokens - base.tokens, used.usd - base.usd, used.wall - base.wall)


def _reserve(step: Step, names: list[str], beginning: str = "") -> Spend:
    """What the open turns of *names* may well use in the requests under way, and the turn that is about to begin."""
    tokens, usd = 0, 0.0
    for name in names:
        agent = step.agent(name)
        if name == beginning or (agent.runs and agent.turn is Turn.WORKING):
            tokens += agent.last_request.tokens
            usd += agent.last_request.usd
    return Spend(tokens, usd)


def _used_up(account: Account, reserve: Spend) -> tuple[str, float, str]:
    """Which measure has reached its limit, the limit, and that in words; empty: none."""
    budget, used = account.budget, account.used
    if budget.tokens and used.tokens + reserve.tokens >= budget.tokens:
        flight = f" and {reserve.tokens:,} in flight" if reserve.tokens else ""
        return "tokens", budget.tokens, f"{used.tokens:,} tokens{flight} of {budget.tokens:,}"
    if budget.usd and used.usd + reserve.usd >= budget.usd:
        flight = f" and {reserve.usd:.2f} in flight" if reserve.usd else ""
        return "usd", budget.usd, f"{used.usd:.2f} USD{flight} of {budget.usd:.2f}"
    if budget.wall and used.wall >= budget.wall - 1e-3:
        return "wall", budget.wall, f"{used.wall:.0f} s of {budget.wall:.0f}"
    return "", 0.0, ""


def check(step: Step, name: str, *, beginning: bool = False) -> bool:
    """If a budget that the agent draws on has reached its limit, everybody under it is stopped, each told once.

    *beginning*: the agent is about to be given a turn, which counts as if it were open.  Return whether it may go on.
    """
    if step.agent(name).over is not None:
        return False
    for account in accounts(step, name, step.at):
        members = _members(step, account.scope, name)
        measure, limit, words = _used_up(account, _reserve(step, members, name if beginning else ""))
        if measure:
            _stop(step, account, members, measure, limit, f"{account.whose} budget is used up: {words}")
            return False
    return True


def _stop(step: Step, account: Account, members: list[str], measure: str, limit: float, why: str) -> None:
    for name in members:
        if step.agent(name).over is None:
            step.emit(ev.BudgetExceeded(name, step.at, why, "budget", account.scope, measure, limit))
            step.touch(name)
    whom = members[0] if len(members) == 1 else "all its agents are stopped"
    text = f"{whom}: {why}; raise it in agents.toml, or `loops up` grants it once more"
    step.notice(NoticeKind.BUDGET, f"{account.scope} {members[0]} {step.at:.3f}", text)


# ---- time --------------------------------------------------------------------------------------------------------------


def settle(step: Step, name: str) -> None:
    """Stop an agent whose time is up, and let one go on that its file, or a new phase, lets go on."""
    agent = step.agent(name)
    if agent.over is not None:
        _perhaps_raised(step, agent)
    if agent.runs or wanted(step, name)[0] is Want.RUN:
        check(step, name)


def _perhaps_raised(step: Step, agent: AgentState) -> None:
    over = agent.over
    assert over is not None, "asked only for an agent that is over its budget"
    account = next((a for a in accounts(step, agent.name, step.at) if a.scope == over.scope), None)
    if account is None:
        why = f"the {over.scope} has no budget any more"
    else:
        limit = getattr(account.budget, over.measure, 0.0)
        raised = not limit or limit > over.limit
        fresh = over.scope == "phase" and step.loop.since > over.since
        if not (raised or fresh) or _used_up(account, Spend())[0]:
            return
        why = f"the {over.scope}'s budget is {limit:g} {over.measure} now" if raised else "a new phase began"
    step.emit(ev.BudgetRenewed(agent.name, step.at, over.scope, False, why, "budget-raised"))


def due(step: Step, name: str) -> float | None:
    """When the first time budget that the agent draws on will be used up, if nothing changes; None: never."""
    agent = step.agent(name)
    if not agent.runs or agent.over is not None:
        return None
    at = step.at
    times = [at + a.budget.wall - a.used.wall for a in accounts(step, name, at) if a.budget.wall]
    return min(times, default=None)


# ---- the operator --------------------------------------------------------------------------------------------------------


def renew(step: Step, names: tuple[str, ...]) -> None:
    """`loops up`: whoever is stopped for a budget gets it once more."""
    for name in names or tuple(step.agents):
        over = step.agent(name).over
        if over is not None:
            step.emit(ev.BudgetRenewed(name, step.at, over.scope, True, "the operator said up", "operator"))
