"""Going on where another supervisor was, before the first start."""

from __future__ import annotations

from loops.config.model import Kind
from loops.supervisor import events as ev
from loops.supervisor.observation import Carried
from loops.supervisor.step import Step


def carried(step: Step, seen: Carried) -> None:
    """Take over the phase and the conversations; a project that has a state of its own keeps it, unless told again."""
    own = step.loop.index >= 0 or any(agent.incarnation or agent.conversation for agent in step.agents.values())
    busy = step.state.up or any(agent.alive for agent in step.agents.values())
    if busy or (own and not seen.again):
        return
    ids = [phase.id for phase in step.config.loop.phases]
    index = seen.index if seen.index < len(ids) else -1
    conversations = {
        name: id
        for name, id in seen.conversations
        if (spec := step.spec(name)) is not None and spec.kind not in (Kind.SERVICE, Kind.TASK)
    }
    if index < 0 and not conversations and not seen.again:
        return
    done = ids if seen.complete else ids[: max(index, 0)]
    phase = ids[index] if index >= 0 else ""
    why = f"it was read from {seen.source}"
    complete = seen.complete and index >= 0
    step.emit(ev.StateCarried(phase, step.at, seen.source, index, tuple(done), complete, conversations, why, "carried"))
