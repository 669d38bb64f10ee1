"""Holds: why an agent is left alone for a time (a limit, a provider that is away, a block), and how that ends.

A limit has a reset time or is probed at a flat interval; a provider is probed with growing pauses; a block (no login,
no credit, ...) waits for somebody outside, and is probed slowly.  Only a turn that began after the hold proves that it
is over, or the very turn that met it where the agent goes on trying by itself (``open``).
"""

from __future__ import annotations

from loops.agents import port
from loops.config.model import Config, NoticeKind
from loops.protocol.moment import span
from loops.supervisor import events as ev
from loops.supervisor.lives import end
from loops.supervisor.remedies import REMEDIES, remedy
from loops.supervisor.state import AgentState, Hold, Life, NudgeKind, Turn
from loops.supervisor.step import Step

PROVIDER_PAUSE = 15.0
"""Seconds that a silent provider is left alone at first; then it grows with ``restart_backoff``."""
PROBE_TEXT = "The pause is over. Go on with your work where you left it."
"""It must never match a limit pattern itself (incident 4)."""
HANGS = 2
"""Turns in a row that hang without any word of the model, after which the provider is blamed."""


def proves(agent: AgentState) -> bool:
    """Whether the turn under way can prove that the hold is over: one that met a limit cannot (incident 3)."""
    hold = agent.hold
    return hold is not None and agent.turn is Turn.WORKING and (hold.open or agent.turn_since > hold.since)


def blocked(hold: Hold | None) -> bool:
    """Whether it waits for somebody outside."""
    return hold is not None and hold.kind in REMEDIES


# ---- how they begin ----------------------------------------------------------------------------------------------------


def limit(step: Step, name: str, signal: port.LimitReached) -> None:
    """A usage limit: until its reset plus slack, else for a flat probe interval."""
    watchdog = step.config.watchdog
    agent = step.agent(name)
    resets = signal.resets_at if signal.resets_at is not None and signal.resets_at > step.at else None
    shown = not signal.structured and (
        _same_banner(agent, signal.text, step.at) or (resets is None and signal.text == agent.last_hold)
    )
    retries = signal.retries and agent.turn is Turn.WORKING
    if agent.turn is not Turn.IDLE and not retries:
        # A limited agent waits, whether or not its backend says that the turn is over.
        step.emit(ev.TurnCompleted(name, step.at, failed=True))
    if shown:
        return
    if resets is not None:
        until = resets + watchdog.limit_reset_slack
        why = f"{short(signal.text)} (resets in {resets - step.at:.0f} s)"
    else:
        until = step.at + watchdog.limit_probe_fallback
        why = f"{short(signal.text)} (no reset time)"
    _hold(step, name, "limit", until, signal.text, why, open=retries)


def _same_banner(agent: AgentState, text: str, at: float) -> bool:
    """Whether this is the banner of the window that stands: read again, it must not lengthen it (incident 5)."""
    hold = agent.hold
    return (
        hold is not None
        and hold.kind == "limit"
        and hold.text == text
        and at < hold.until
        and not (agent.turn is Turn.WORKING and agent.turn_since > hold.since)
    )


def provider(step: Step, name: str, signal: port.ProviderUnavailable) -> None:
    """A provider that does not answer: known from the agent's first own retry on."""
    agent = step.agent(name)
    hold = agent.hold
    if hold is not None and step.at < hold.until:
        return  # known; and a limit's window is never shortened
    tries = hold.probes + 1 if hold is not None and hold.kind == "provider" else 0
    until = step.at + provider_pause(step.config, tries)
    retries = agent.turn is Turn.WORKING
    _hold(step, name, "provider", until, signal.text, short(signal.text), probes=tries, open=retries)


def provider_pause(config: Config, tries: int) -> float:
    """Seconds to leave the provider alone after so many tries."""
    backoff = config.watchdog.restart_backoff
    return min(max(backoff.max, PROVIDER_PAUSE), PROVIDER_PAUSE * max(1.0, backoff.factor) ** min(tries, 16))


def hung(step: Step, name: str, why: str) -> None:
    """A turn hung.  The first is ended and resumed; after `HANGS` in a row without any word of the model it is the
    provider's fault, and the restart waits as for a provider that is away."""
    hangs = step.agent(name).hangs + 1
    end(step, name, why=why, rule="hang", again=True)
    if hangs < HANGS or step.agent(name).hold is not None:
        return
    blame = f"{hangs} turns in a row hung without a word of the model"
    until = step.at + provider_pause(step.config, hangs - HANGS)
    step.emit(ev.HoldBegan(name, step.at, "provider", until, hangs - HANGS, blame, blame, "provider-silent"))
    if hangs == HANGS:
        step.say(f"{name}: {blame}: the provider is left alone with growing pauses")


def block(step: Step, name: str, signal: port.Blocked) -> None:
    """A turn failed for a reason that only somebody outside can change."""
    agent = step.agent(name)
    if agent.turn is not Turn.IDLE:
        step.emit(ev.TurnCompleted(name, step.at, failed=True))
    if signal.kind == "denied" and agent.denied_by_hand:
        return  # a person knows it already: they did it
    kind = signal.kind if signal.kind in REMEDIES else "other"
    _hold(
        step, name, kind, step.at + probe_interval(step.config, kind), signal.text, short(signal.text), rule="blocked"
    )


def probe_interval(config: Config, kind: str) -> float:
    """Seconds between two probes of a hold of *kind*."""
    known = REMEDIES.get(kind)
    return max(known.pause if known is not None else 0.0, config.watchdog.limit_probe_fallback)


def _hold(
    step: Step,
    name: str,
    kind: str,
    until: float,
    text: str,
    why: str,
    *,
    probes: int = -1,
    rule: str = "",
    open: bool = False,
) -> None:
    """Open a window, or renew the one that stands."""
    standing = step.agent(name).hold
    renewed = standing is not None and standing.kind == kind
    if standing is not None and renewed:
        if step.at < standing.until and abs(standing.until - until) < 1.0 and standing.open == open:
            return
        probes = standing.probes if probes < 0 else probes
    step.emit(ev.HoldBegan(name, step.at, kind, until, max(probes, 0), text, why, rule or kind, open))
    if not renewed:
        step.say(f"{name}: {why}")
    _drop_probes(step, name, "the window was renewed")


# ---- how they end ------------------------------------------------------------------------------------------------------


def over(step: Step, name: str, why: str, rule: str = "") -> None:
    """The hold, if there is one, is over."""
    hold = step.agent(name).hold
    if hold is None:
        return
    step.emit(ev.HoldEnded(name, step.at, why, rule or _end_rule(hold)))
    _drop_probes(step, name, "the agent went on by itself")


def _end_rule(hold: Hold) -> str:
    return "limit-over" if hold.kind == "limit" else "provider-back" if hold.kind == "provider" else "unblocked"


# ---- telling the operator -----------------------------------------------------------------------------------------------


def tell_due(step: Step, name: str) -> float | None:
    """When the operator is told of the agent's hold: of a block at once, else when it lasts; None: they are already."""
    agent = step.agent(name)
    hold = agent.hold
    if hold is None or hold.told or agent.life in (Life.OFF, Life.ENDED):
        return None
    after = 0.0 if blocked(hold) else step.config.notify.limit_after
    return hold.began if hold.until - hold.began >= after else hold.began + after


def tell(step: Step, name: str) -> None:
    """Tell the operator of a block, or of a hold that lasts; once for all agents whom the same thing holds."""
    due = tell_due(step, name)
    hold = step.agent(name).hold
    if due is None or hold is None or step.at < due:
        return
    known = any(_same_cause(step.agent(name), other) for other in step.agents.values() if other.name != name)
    step.emit(ev.HoldTold(name, step.at, hold.kind, hold.began, "hold-told"))
    if not known:
        kind = _NOTICES.get(hold.kind, NoticeKind.BLOCKED)
        said = "" if blocked(hold) else None  # the log had it when the block began
        step.notice(kind, f"{name} {hold.began:.3f}", _told(step, name, hold), said)


def _same_cause(agent: AgentState, other: AgentState) -> bool:
    """Whether the operator has been told of what holds *agent* with *other*'s hold."""
    ours, theirs = agent.hold, other.hold
    if ours is None or theirs is None or not theirs.told:
        return False
    return ours.kind == theirs.kind and ours.kind in _OF_ACCOUNT and agent.backend == other.backend


_OF_ACCOUNT = frozenset({"limit", "provider", "auth", "billing"})
"""What holds everybody who shares the backend's account."""
_NOTICES = {"limit": NoticeKind.LIMIT, "provider": NoticeKind.PROVIDER}


def _told(step: Step, name: str, hold: Hold) -> str:
    agent = step.agent(name)
    if blocked(hold):
        backend = step.config.backends.get(agent.backend)
        adapter = backend.adapter if backend is not None else ""
        help = remedy(hold.kind, agent=name, model=agent.model, backend=agent.backend, adapter=adapter)
        return f"{name} is blocked ({hold.kind}): {help}"
    what = "its usage limit to be over" if hold.kind == "limit" else "its provider to answer"
    lasted = span(step.at - hold.began)
    return (
        f"{name} waits for {what}: since {lasted}, and for {span(hold.until - step.at)} more before it is tried again"
    )


def asked_to_go_on(step: Step, name: str, why: str) -> None:
    """The operator has put right what blocked the agent, or says so."""
    if blocked(step.agent(name).hold):
        over(step, name, why, "operator")


def reconfigured(step: Step, old: Config) -> None:
    """An edit of what a blocked agent is made of ends its block, and starts it with what the file says now."""
    for name, agent in list(step.agents.items()):
        if not blocked(agent.hold) or _made_of(old, name) == _made_of(step.config, name):
            continue
        over(step, name, "agents.toml says something else about it now", "reconfigured")
        if agent.life is Life.RUNNING:
            end(
                step,
                name,
                why="its block may be over: it is started as agents.toml says now",
                rule="reconfigured",
                again=True,
            )


def _made_of(config: Config, name: str) -> object:
    spec = config.agents.get(name)
    if spec is None:
        return None
    return spec, config.backends.get(spec.backend), [phase.models for phase in config.loop.phases]


def probe(step: Step, name: str) -> None:
    """When the window has passed, ask the agent to go on: that shows whether it is over."""
    agent = step.agent(name)
    hold = agent.hold
    if hold is None or step.at < hold.until:
        return
    if agent.turn is not Turn.IDLE or any(n.kind is NudgeKind.PROBE for n in agent.nudges):
        return  # it went on by itself, and the end of this turn will show; or a probe waits for a person's line
    until = step.at + probe_interval(step.config, hold.kind)
    why = f"the window of {hold.kind} has passed"
    step.emit(ev.HoldBegan(name, step.at, hold.kind, until, hold.probes + 1, hold.text, why, "limit-probe"))
    if hold.probes + 1 == 3:
        step.say(f"{name}: three probes and the {hold.kind} still stands; it is probed on at a flat interval")
    step.queue(name, NudgeKind.PROBE, PROBE_TEXT, cause=f"{hold.probes + 1}", why=why, rule="limit-probe")


def forget_probes(step: Step, name: str) -> None:
    """A probe has no use when the hold is over."""
    if step.agent(name).hold is None:
        _drop_probes(step, name, "the window is over")


def _drop_probes(step: Step, name: str, why: str) -> None:
    for nudge in step.agent(name).nudges:
        if nudge.kind is NudgeKind.PROBE and not nudge.sending:
            step.emit(ev.NudgeDropped(name, step.at, nudge.id, why, "nudge-stale"))


def short(text: str) -> str:
    """One line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
