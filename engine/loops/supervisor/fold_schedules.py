"""How asking for tasks, and their schedules, change the state."""

from __future__ import annotations

from loops.supervisor import schedule_events as ev
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import Life

RESTING = (Life.ENDED, Life.PARKED, Life.BACKOFF)


def want_run(work: Fold, name: str, words: str = "", *, once_more: bool = False) -> None:
    """A run of the task is wanted, with these *words*: one that is being ended is followed by it, and with *once_more* also
    one that goes on."""
    agent = work.agent(name)
    followed = (Life.ENDING, Life.STARTING, Life.RUNNING) if once_more else (Life.ENDING,)
    work.change(
        name,
        task_wanted=True,
        owed=0.0,
        owed_until=0.0,
        words=words,
        life=Life.OFF if agent.life is Life.ENDED else agent.life,
        again=agent.again or agent.life in followed,
    )


@on(ev.TaskScheduled)
def _scheduled(work: Fold, e: ev.TaskScheduled) -> None:
    work.change(e.agent, schedule=e.schedule, due=e.due)


@on(ev.TaskDue)
def _due(work: Fold, e: ev.TaskDue) -> None:
    facts = {"due": e.following} if e.following >= 0 else {}  # a service manager's timer says nothing of its next time
    work.change(e.agent, due_last=e.due, owed=e.due, owed_until=0.0, **facts)


@on(ev.TaskDeferred)
def _deferred(work: Fold, e: ev.TaskDeferred) -> None:
    work.change(e.agent, owed_until=e.until)


@on(ev.TaskAsked)
def _asked(work: Fold, e: ev.TaskAsked) -> None:
    want_run(work, e.agent)
    work.change(e.agent, failures=0, restart_at=0.0)


@on(ev.TaskPassedOver)
def _passed_over(work: Fold, e: ev.TaskPassedOver) -> None:
    work.change(e.agent, owed=0.0, owed_until=0.0)
