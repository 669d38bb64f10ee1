"""How asking for tasks, and their schedules, change the state."""

from __future__ import annotations

from loops.supervisor import schedule_events as ev
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import Life

RESTING = (Life.ENDED, Life.PARKED, Life.BACKOFF)


@on(ev.TaskScheduled)
def _scheduled(work: Fold, e: ev.TaskScheduled) -> None:
    work.change(e.agent, schedule=e.schedule, due=e.due)


@on(ev.TaskDue)
def _due(work: Fold, e: ev.TaskDue) -> None:
    facts = {"due": e.following} if e.following >= 0 else {}  # a service manager's timer says nothing of its next time
    work.change(e.agent, due_last=max(e.due, work.agent(e.agent).due_last), owed=e.due, **facts)


@on(ev.TaskAsked)
def _asked(work: Fold, e: ev.TaskAsked) -> None:
    agent = work.agent(e.agent)
    life = Life.OFF if agent.life in RESTING else agent.life
    work.change(e.agent, owed=0.0, task_wanted=True, life=life, failures=0, restart_at=0.0)


@on(ev.TaskPassedOver)
def _passed_over(work: Fold, e: ev.TaskPassedOver) -> None:
    work.change(e.agent, owed=0.0)
