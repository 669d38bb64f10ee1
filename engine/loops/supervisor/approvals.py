"""Approvals: an agent may not go on before somebody answers; a person does, with `loops approve` and `loops deny`.

The answer is journaled, then written where the agent's runner finds it; the agent's own word ends the approval.
"""

from __future__ import annotations

from collections.abc import Iterator

from loops.config.model import NoticeKind
from loops.supervisor import events as ev
from loops.supervisor.action import Answer
from loops.supervisor.observation import Told
from loops.supervisor.state import AgentState, Approval, State
from loops.supervisor.step import Step


def waiting(state: State) -> Iterator[tuple[AgentState, Approval]]:
    """Every approval that nobody has answered yet."""
    for agent in state.agents.values():
        for approval in agent.approvals:
            if not approval.answer:
                yield agent, approval


def find(state: State, typed: str) -> tuple[AgentState, Approval] | str:
    """The approval that *typed* names: its id, or an end or a beginning of it that no other has; else what is wrong."""
    every = [(agent, approval) for agent in state.agents.values() for approval in agent.approvals]
    exact = [pair for pair in every if pair[1].id == typed]
    near = exact or [pair for pair in every if typed and _short_for(pair[0].name, pair[1].id, typed)]
    still = [pair for pair in near if not pair[1].answer]
    if len(still) == 1:
        return still[0]
    if len(still) > 1:
        return f"{typed!r} is short for {', '.join(a.id for _, a in still)}: name one of them"
    if near:
        agent, approval = near[0]
        return f"{approval.id} is already answered ({approval.answer} by {approval.by}); {agent.name} has yet to take it up"
    names = ", ".join(approval.id for _, approval in waiting(state))
    gone = f"no approval {typed!r} waits: it was answered, has expired, or never was"
    return f"{gone}; " + (f"waiting: {names}" if names else "nothing waits for an approval")


def _short_for(agent: str, id: str, typed: str) -> bool:
    """``a2`` and ``builder`` are short for ``builder.3-a2``, ``3-a2`` too."""
    return typed == agent or id.endswith((f"-{typed}", f".{typed}"))


def asked(step: Step, name: str, id: str, text: str) -> None:
    """The agent waits for an approval, told once."""
    if any(approval.id == id for approval in step.agent(name).approvals):
        return
    expires = step.at + step.config.watchdog.approval_timeout
    step.emit(ev.QuestionAsked(name, step.at, id, text, expires))
    line = " ".join(text.split())[:160]
    said = f"{name} waits for an approval: {line} (`loops approve {id}` or `loops deny {id}`)"
    text = f"{name} waits for an approval: `loops approvals` shows it, `loops approve {name}` or `loops deny {name}` answers"
    step.notice(NoticeKind.APPROVAL, f"{name}@{step.agent(name).incarnation} {id}", text, said)


def answered(step: Step, seen: Told) -> None:
    """The operator has answered."""
    for name in seen.names:
        for approval in step.agent(name).approvals:
            if approval.id == seen.approval and not approval.answer:
                allow = seen.verb == "approve"
                step.emit(ev.ApprovalAnswered(name, step.at, approval.id, allow, "human", seen.detail))
                step.act(Answer(name, step.agent(name).incarnation, approval.id, allow, seen.detail))
                step.touch(name)


def repeat(step: Step, name: str) -> None:
    """A supervisor was killed between an answer and its file, perhaps: the file is written again, with the same content."""
    agent = step.agent(name)
    for approval in agent.approvals:
        if approval.answer:
            step.act(Answer(name, agent.incarnation, approval.id, approval.answer == "granted", approval.reason))


def ended(step: Step, name: str, id: str, outcome: str) -> None:
    """The agent's own word: granted, denied or expired."""
    for approval in step.agent(name).approvals:
        if approval.id == id:
            step.emit(ev.QuestionEnded(name, step.at, id, outcome, approval.by, approval.reason))


def close(step: Step, name: str, outcome: str) -> None:
    """Nobody waits any more: the agent went on, or its session ended, without a word about it."""
    for approval in step.agent(name).approvals:
        said = approval.answer or outcome
        step.emit(ev.QuestionEnded(name, step.at, approval.id, said, approval.by, approval.reason))
