"""What a gate and a phase cost: measured when they end.

A claim or a verdict ends what its agent did for that gate: all that it used since the claim or verdict before.  What
is left when the phase ends is the phase's alone.
"""

from __future__ import annotations

from loops.config.model import Granularity, Handoff
from loops.protocol.evidence import Commit, Kind
from loops.supervisor import events as ev
from loops.supervisor.action import LogTokens
from loops.supervisor.state import Usage
from loops.supervisor.step import Step

Share = dict[str, float | int | str | None]


def gate_ended(step: Step, commit: Commit, kind: Kind, labels: tuple[str, ...], handoff: Handoff) -> None:
    """A claim or a verdict was pushed."""
    if kind not in (Kind.CLAIM, Kind.VERDICT) or not labels:
        return
    names = _workers(step, commit, handoff.builder if kind is Kind.CLAIM else handoff.adversary)
    shares = {name: _share(step, name, step.agent(name).since_row) for name in names}
    began = max([step.loop.since, *(step.agent(name).row_at for name in names)])
    logged = step.config.watchdog.log_tokens and step.config.watchdog.token_granularity is Granularity.GATE
    _emit(step, "+".join(labels), kind.value, step.at - began, shares, logged)


def phase_ended(step: Step) -> None:
    """The phase is left, done or not."""
    phase = step.loop.phase
    if not phase or step.loop.complete:
        return
    shares = {name: _share(step, name, a.usage[phase]) for name, a in step.agents.items() if phase in a.usage}
    _emit(step, "", "phase", step.at - step.loop.since, shares, step.config.watchdog.log_tokens)


def catch_up(step: Step) -> None:
    """A supervisor was killed before it wrote a row, perhaps."""
    if step.state.logged:
        step.act(LogTokens(step.state.logged))


def _emit(step: Step, gate: str, kind: str, seconds: float, shares: dict[str, Share], logged: bool) -> None:
    after = step.state.logged
    row = ev.TokensMeasured(
        step.loop.phase, step.at, step.state.rows + 1, gate, kind, max(0.0, seconds), shares, logged
    )
    step.emit(row)
    if logged:
        step.act(LogTokens(row.row, after, row))


def _workers(step: Step, commit: Commit, role: tuple[str, ...]) -> tuple[str, ...]:
    """Whose work it was: of several in a role the one that the commit names, else all of them."""
    known = tuple(name for name in role if name in step.agents)
    named = tuple(name for name in known if name in (commit.author, commit.email.partition("@")[0]))
    return named or known


def _share(step: Step, name: str, usage: Usage) -> Share:
    return {
        "tokens": usage.tokens,
        "input": usage.input_tokens,
        "cached": usage.cached_tokens,
        "output": usage.output_tokens,
        "usd": usage.cost,
        "unpriced": max(0, usage.unpriced),
        "model": step.agent(name).model,
    }
