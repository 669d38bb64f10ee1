"""Running an agent once because the operator asks for it: use what runs, else begin a run."""

from __future__ import annotations

from loops.config.model import Kind
from loops.supervisor import budgets, holds, lives, scheduling
from loops.supervisor import events as ev
from loops.supervisor.observation import Told
from loops.supervisor.state import AgentState, Life, NudgeKind
from loops.supervisor.step import Step


def told_run(step: Step, seen: Told) -> None:
    """`loops run`: what goes on is used, and gets the words as a message; else a run begins, and has them in its prompt."""
    for name in seen.names:
        spec = step.spec(name)
        if spec is None:
            continue
        if in_use(step.agent(name), spec.kind):
            if seen.fresh:
                _anew(step, seen, name)
            else:
                _say(step, seen, name)
            continue
        budgets.renew(step, (name,))
        holds.asked_to_go_on(step, name, "the operator asked for a run")
        verb, words = ("run", seen.detail) if spec.kind is Kind.TASK else ("up", "")
        step.emit(ev.OperatorAsked(step.at, verb, (name,), seen.model, seen.backend, words, seen.fresh))
        if spec.kind is not Kind.TASK:
            _say(step, seen, name)
        step.touch(name)


def in_use(agent: AgentState, kind: Kind) -> bool:
    """Whether there is a run, or a session, to be used."""
    if kind is Kind.TASK:
        return scheduling.going(agent)
    return agent.life in (Life.STARTING, Life.RUNNING) or (agent.life is Life.ENDING and agent.again)


def _say(step: Step, seen: Told, name: str) -> None:
    if seen.detail:
        cause = f"operator at {step.at:.3f}"
        step.queue(name, NudgeKind.OPERATOR, seen.detail, cause=cause, why="loops run", rule="operator")


def _anew(step: Step, seen: Told, name: str) -> None:
    """End what goes on, and begin again without its conversation."""
    task = step.agent(name).task_wanted
    step.emit(
        ev.OperatorAsked(
            step.at, "run" if task else "up", (name,), seen.model, seen.backend, seen.detail if task else "", True
        )
    )
    if step.agent(name).life in (Life.STARTING, Life.RUNNING):
        lives.end(step, name, why="the operator asked for a fresh run", rule="operator", again=True, fresh=True)
    if not task:
        _say(step, seen, name)
    step.touch(name)


def unread_words(step: Step, name: str) -> None:
    """A task has ended: what the operator told it and it did not read begins one more run."""
    spec, agent = step.spec(name), step.agent(name)
    if spec is None or spec.kind is not Kind.TASK or agent.life is not Life.ENDED:
        return
    unread = [nudge for nudge in agent.nudges if nudge.kind is NudgeKind.OPERATOR]
    if not unread:
        return
    for nudge in unread:
        why = "the task ended before it could read it; it is in the prompt of its next run"
        step.emit(ev.NudgeDropped(name, step.at, nudge.id, why, "unread"))
    step.emit(ev.OperatorAsked(step.at, "run", (name,), words="\n\n".join(nudge.text for nudge in unread)))
    step.touch(name)
