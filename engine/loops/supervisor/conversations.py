"""Which conversation is the agent's: named by its backend, changed, refused, given up."""

from __future__ import annotations

from loops.agents import port
from loops.supervisor import events as ev
from loops.supervisor import holds
from loops.supervisor.lives import end, in_window
from loops.supervisor.state import Life
from loops.supervisor.step import Step


def named(step: Step, name: str, signal: port.ConversationNamed) -> None:
    """The backend says which conversation it is in."""
    agent = step.agent(name)
    if not signal.id or agent.conversation == signal.id or agent.fresh_next:
        return
    owner = _owner(step, name, signal.id)
    if owner:
        _refuse(step, name, signal.id, owner)
    elif agent.resuming:
        step.emit(ev.ConversationChanged(name, step.at, agent.conversation, signal.id))
        step.say(f"{name} was to resume {agent.conversation} and goes by {signal.id}, which is used from now on")
    else:
        step.emit(ev.ConversationKnown(name, step.at, signal.id))


def _owner(step: Step, name: str, id: str) -> str:
    """Another agent whose conversation this is, or was."""
    if id in step.agent(name).conversations:
        return ""
    return next((other.name for other in step.agents.values() if id in other.conversations and other.name != name), "")


def _refuse(step: Step, name: str, id: str, owner: str) -> None:
    """Two agents in one conversation would read each other's mind: never, and least of all a reviewer the author's."""
    why = f"the backend named conversation {id}, which is {owner}'s"
    step.emit(ev.ConversationRefused(name, step.at, id, owner, why, "foreign-conversation"))
    step.say(f"{name}: {why}; it is started afresh")
    agent = step.agent(name)
    step.emit(ev.ConversationDropped(name, step.at, agent.conversation, why, "foreign-conversation"))
    if agent.life is Life.RUNNING:
        end(step, name, why=why, rule="foreign-conversation", again=True, fresh=True, failed=True)


def fatal(step: Step, name: str, signal: port.Fatal) -> None:
    """The conversation cannot go on: a fresh one follows."""
    if signal.resume:
        _not_resumed(step, name, signal.text)
        return
    agent = step.agent(name)
    if agent.life is not Life.RUNNING:
        return
    why = holds.short(signal.text)
    if holds.proves(agent) or (agent.hold is not None and agent.hold.kind == "provider"):
        holds.over(step, name, "the provider answered")
    if not agent.fresh_next:
        step.emit(ev.ConversationDropped(name, step.at, agent.conversation, why, "fatal"))
    _start_afresh(step, name, why, "fatal")


def _not_resumed(step: Step, name: str, text: str) -> None:
    """The conversation to resume is not there: one fresh start, with the kickoff; never two in a row without a turn."""
    agent = step.agent(name)
    if agent.life is not Life.RUNNING or agent.fresh_next:
        return
    why = f"the conversation could not be resumed: {holds.short(text)}"
    if agent.resume_failed:
        holds.block(step, name, port.Blocked("other", f"again, {why}"))
    else:
        step.say(f"{name}: {why}; it is started afresh")
    step.emit(ev.ConversationDropped(name, step.at, agent.conversation, why, "resume-failed"))
    spec = step.spec(name)
    if spec is not None and spec.watch.heals:
        end(step, name, why=why, rule="resume-failed", again=True, fresh=True, failed=True)


def _start_afresh(step: Step, name: str, why: str, rule: str) -> None:
    spec = step.spec(name)
    if spec is not None and spec.watch.heals and not in_window(step, step.agent(name)):
        end(step, name, why=why, rule=rule, again=True, fresh=True, failed=True)
