"""Starting, ending and healing of sessions: the part of `decide` that keeps what runs equal to what is wanted."""

from __future__ import annotations

import hashlib
from enum import Enum

from loops.agents.registry import STRUCTURED, names_its_conversations
from loops.config.model import Backend, Delivery, Kind, NoticeKind
from loops.supervisor import approvals, fates
from loops.supervisor import events as ev
from loops.supervisor.action import End, Start
from loops.supervisor.observation import Blinded, Confined, Exited, Spawned, SpawnRefused
from loops.supervisor.state import AgentState, Asked, Life, NudgeKind
from loops.supervisor.step import Step


class Want(Enum):
    RUN = "run"
    LEAVE = "leave"
    """Neither start nor end it: a disabled agent may have a live session (upstream's ``RUNNING (disabled)``)."""
    END = "end"


def wanted(step: Step, name: str) -> tuple[Want, str]:
    """Say whether the agent should run, and why."""
    spec = step.spec(name)
    agent = step.agent(name)
    if spec is None:
        return Want.END, "it is no longer in agents.toml"
    if step.state.stopped:
        return Want.END, "emergency stop"
    if agent.asked is Asked.DOWN:
        return Want.END, "stopped by the operator"
    if agent.over is not None:
        return Want.END, f"the {agent.over.scope}'s budget is used up"
    if spec.kind is Kind.TASK:
        return (Want.RUN, "the task was asked for") if agent.task_wanted else (Want.END, "no run was asked for")
    if spec.kind is Kind.LOOP and step.loop.complete:
        return Want.END, "all phases are done"
    if agent.asked is Asked.UP:
        return Want.RUN, "the operator asked for it"
    if not step.state.up:
        return Want.END, "the project is down"
    if not spec.enabled:
        return Want.LEAVE, "disabled"
    return Want.RUN, "enabled"


def settle(step: Step, name: str) -> None:
    """Bring the agent's session nearer to what is wanted: at most one start or end."""
    agent = step.agent(name)
    want, why = wanted(step, name)
    if want is Want.END:
        if agent.life is Life.RUNNING:
            end(step, name, why=why, rule="not-wanted", grace=0.0 if step.state.stopped else None)
        elif agent.life in (Life.BACKOFF, Life.PARKED):
            step.emit(ev.SessionCancelled(name, step.at, why, "not-wanted"))
        elif agent.life is Life.ENDING and agent.again:
            step.emit(ev.SessionEnding(name, step.at, agent.incarnation, False, False, 0.0, why, "not-wanted"))
        return
    if want is Want.LEAVE:
        if agent.life in (Life.BACKOFF, Life.PARKED):  # a disabled agent lives on, but is not healed
            step.emit(ev.SessionCancelled(name, step.at, why, "not-wanted"))
        return
    if phase_changed(step, agent):
        _restart_for_phase(step, agent)
        return
    if agent.life is Life.OFF:
        start(step, name, why=why, rule="operator" if agent.asked is Asked.UP else "wanted")
    elif agent.life in (Life.BACKOFF, Life.PARKED) and step.at >= restart_due(agent):
        start(step, name, why=agent.why, rule="crash-loop" if agent.life is Life.PARKED else "heal")


def restart_due(agent: AgentState) -> float:
    """When a waiting restart may happen: never inside a limit window (incident 3)."""
    return max(agent.restart_at, agent.hold.until if agent.hold is not None else 0.0)


def phase_waits(step: Step, name: str) -> bool:
    """Whether the agent is to be restarted for a new phase as soon as its limit window is over."""
    agent = step.agent(name)
    return in_window(step, agent) and phase_changed(step, agent) and wanted(step, name)[0] is Want.RUN


def in_window(step: Step, agent: AgentState) -> bool:
    """Whether the agent's limit, or its provider, is waited for."""
    return agent.hold is not None and step.at < agent.hold.until


def phase_changed(step: Step, agent: AgentState) -> bool:
    """Whether the agent's session belongs to another phase than the current one."""
    spec = step.spec(agent.name)
    phase = step.phase
    return (
        spec is not None
        and spec.kind is Kind.LOOP
        and phase is not None
        and agent.incarnation > 0
        and agent.phase != phase.id
        and agent.life not in (Life.STARTING, Life.OFF)
    )


def _restart_for_phase(step: Step, agent: AgentState) -> None:
    if agent.life is not Life.ENDED and in_window(step, agent):
        return  # the new phase can wait for the end of the window as well as the old one (incident 3)
    if agent.life is Life.RUNNING:
        why = f"phase {step.loop.phase} began"
        end(step, agent.name, why=why, rule="phase-changed", again=True, fresh=True)
    elif agent.life in (Life.ENDED, Life.BACKOFF, Life.PARKED):
        start(step, agent.name, why=f"phase {step.loop.phase} began", rule="phase-changed")


# ---- starting ------------------------------------------------------------------------------------------------------


def backend_of(step: Step, name: str) -> Backend | None:
    """The backend that the agent's next start uses."""
    spec = step.spec(name)
    if spec is None:
        return None
    return step.config.backends.get(step.agent(name).once_backend or spec.backend)


def effective_model(step: Step, name: str) -> str:
    """The model of the next start: one-shot override, else the phase's (by agent name or role), else the agent's."""
    spec = step.spec(name)
    agent = step.agent(name)
    if spec is None or spec.kind is Kind.SERVICE:
        return ""
    if agent.once_model:
        return agent.once_model
    phase = step.phase
    if phase is not None and spec.kind is Kind.LOOP:
        return phase.models.get(name) or phase.models.get(spec.role) or spec.model
    return spec.model


def start(step: Step, name: str, *, why: str, rule: str) -> None:
    """Write the intent of a start and ask for it."""
    spec = step.spec(name)
    assert spec is not None, "only a configured agent is started"
    agent = step.agent(name)
    phase = step.phase.id if step.phase is not None and spec.kind is Kind.LOOP else ""
    backend = backend_of(step, name)
    conversation = ""
    resumes = backend is not None and backend.supports_resume
    same_phase = spec.kind is not Kind.LOOP or agent.phase == phase
    if resumes and agent.conversation and same_phase and not agent.fresh_next and spec.kind is not Kind.TASK:
        conversation = agent.conversation
    incarnation = agent.incarnation + 1
    if agent.hold is not None and step.at >= agent.hold.until:
        # The start itself is the probe: a limit that still stands is reported anew by the agent.
        kind = agent.hold.kind
        over = "limit-over" if kind == "limit" else "provider-back" if kind == "provider" else "unblocked"
        why_over = "the window passed while the agent was not running"
        step.emit(ev.HoldEnded(name, step.at, why_over, over, proven=False))
    step.emit(
        ev.SessionStarting(
            name,
            step.at,
            incarnation,
            conversation,
            ""
            if conversation or (backend and names_its_conversations(backend))
            else _fresh_id(step, name, incarnation),
            phase,
            effective_model(step, name),
            backend.name if backend is not None else "",
            _kickoff(spec.kind, bool(conversation)),
            why,
            rule,
        )
    )
    step.act(Start(name, incarnation))


def _kickoff(kind: Kind, resuming: bool) -> str:
    if kind is Kind.SERVICE:
        return "none"
    if resuming:
        return "resume"
    return "kickoff" if kind is Kind.LOOP else "prompt"


def _fresh_id(step: Step, name: str, incarnation: int) -> str:
    """A conversation id in UUID form: the same at every replay, another at every start."""
    seed = f"{step.config.path}\0{name}\0{incarnation}\0{step.at!r}".encode()
    raw = bytearray(hashlib.sha256(seed).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# ---- ending --------------------------------------------------------------------------------------------------------


def end(
    step: Step,
    name: str,
    *,
    why: str,
    rule: str,
    again: bool = False,
    fresh: bool = False,
    grace: float | None = None,
    failed: bool = False,
) -> None:
    """Write the intent of an end and ask for it.

    ``again``: start once more afterwards; ``fresh``: without resume; ``failed``: with the backoff of a failure.
    """
    agent = step.agent(name)
    seconds = step.config.watchdog.stop_grace if grace is None else grace
    failures = fates.failures_after(step, agent, step.at - agent.since) if failed else 0
    delay = fates.pause(step, agent, failures)
    step.emit(ev.SessionEnding(name, step.at, agent.incarnation, again, fresh, seconds, why, rule, delay, failures))
    step.act(End(name, agent.incarnation, seconds))


# ---- what the holder says --------------------------------------------------------------------------------------------


def confined(step: Step, seen: Confined) -> None:
    """Write down what the agent that is about to start will see."""
    if step.agent(seen.agent).incarnation == seen.incarnation:
        facts = (seen.reads, seen.writes, seen.network, seen.lack)
        step.emit(ev.AgentConfined(seen.agent, step.at, seen.incarnation, *facts))


def blinded(step: Step, seen: Blinded) -> None:
    """Write down what is kept out of the agent's clone, when that has changed."""
    if seen.agent in step.agents and step.agent(seen.agent).blind != seen.patterns:
        step.emit(ev.AgentBlinded(seen.agent, step.at, seen.patterns))


def spawned(step: Step, seen: Spawned) -> None:
    """The holder has started the session."""
    agent = step.agent(seen.agent)
    if agent.life is Life.STARTING and agent.incarnation == seen.incarnation:
        step.emit(ev.SessionStarted(seen.agent, step.at, seen.incarnation, seen.pid))
        _queue_kickoff(step, step.agent(seen.agent))
    step.touch(seen.agent)


def _queue_kickoff(step: Step, agent: AgentState) -> None:
    """A backend that takes no argument is told its kickoff in its terminal: the first thing to be typed.

    One with a protocol of its own has it in its order, whatever a file of the earlier engine says of its delivery.
    """
    backend = step.config.backends.get(agent.backend)
    if backend is None or backend.adapter in STRUCTURED:
        return
    if backend.prompt_delivery is Delivery.PING:
        why = f"backend {backend.name} has prompt_delivery ping"
        cause = f"start {agent.incarnation}"
        step.queue(agent.name, NudgeKind.KICKOFF, "", cause=cause, why=why, rule="kickoff")


def spawn_refused(step: Step, seen: SpawnRefused) -> None:
    """The session could not be started at all: back off, and park it when that goes on."""
    agent = step.agent(seen.agent)
    if agent.life is not Life.STARTING or agent.incarnation != seen.incarnation:
        return
    backoff = step.config.watchdog.restart_backoff
    failures = agent.failures + 1
    parked = failures >= backoff.park_after
    delay = fates.PARKED_RETRY if parked else max(backoff.first, fates.delay(backoff, failures + 1, agent))
    step.emit(ev.SessionFailed(seen.agent, step.at, seen.incarnation, seen.reason, delay, parked))
    if failures == backoff.park_after:
        said = f"{seen.agent} cannot be started: {seen.reason}"
        text = f"{seen.agent} cannot be started; it is tried again once an hour, and `loops status` says why"
        step.notice(NoticeKind.CRASH_LOOP, f"{seen.agent}@{seen.incarnation}", text, said)
    step.touch(seen.agent)


def exited(step: Step, seen: Exited, *, lost: str = "", lost_at: float = 0.0) -> None:
    """A session's process has ended.  ``lost``: why it vanished together with its holder (then it is no crash).

    ``lost_at``: the last that is known of that time; it has not run since.
    """
    agent = step.agent(seen.agent)
    if agent.incarnation != seen.incarnation or not agent.alive:
        return
    step.touch(seen.agent)
    lived = max(0.0, step.at - agent.running_since)
    fate = fates.fate(step, agent, seen, lived, lost)
    if agent.resuming and fate.rule in ("heal", "unwatched") and agent.hold is None and lived < fates.healthy(step):
        why = f"the resumed session ended before its first turn: {fate.why}"
        step.emit(ev.ConversationDropped(seen.agent, step.at, agent.conversation, why, "resume-failed"))
    approvals.close(step, seen.agent, "ended")
    step.emit(
        ev.SessionEnded(
            seen.agent,
            step.at,
            seen.incarnation,
            seen.code,
            seen.signal,
            lived,
            fate.delay,
            fate.failures,
            fate.parked,
            fate.why,
            fate.rule,
            lost_at,
        )
    )
    if fate.notice:
        kind = NoticeKind.CRASH_LOOP if fate.parked else NoticeKind.TASK_FAILED
        step.notice(kind, f"{seen.agent}@{seen.incarnation}", fate.notice, fate.said)
