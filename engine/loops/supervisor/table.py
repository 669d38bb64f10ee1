"""The status of a project as facts and as text: pure, and quick with a thousand sessions.

The columns are the earlier engine's (name, kind, backend, model, watch, state), then since when, restarts, and what it waits for.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from loops.config.model import Agent, Config, Kind
from loops.protocol.moment import span, wall
from loops.sessions.text import printable as printable
from loops.supervisor.approvals import waiting
from loops.supervisor.remedies import remedy
from loops.supervisor.scheduling import hindrance, window
from loops.supervisor.state import AgentState, Hold, Life, Notice, NudgeKind, State, Turn

HEAD = ("NAME", "KIND", "BACKEND", "MODEL", "WATCH", "STATE", "SINCE", "RESTARTS", "DOING")


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    kind: str
    backend: str
    model: str
    watch: str
    state: str
    since: float
    """Seconds in this state."""
    restarts: int
    doing: str
    session: str
    pid: int
    incarnation: int = 0
    """How often it was started."""
    code: int | None = None
    """With what its last session ended; None: with nothing, for a signal ended it, or none has ended yet."""
    wanted: bool = False
    """A run of a task that was asked for is not over yet."""
    due: float = 0.0
    """When a scheduled task is due next (epoch seconds); 0: never."""
    hold: str = ""
    """What it is left alone for: limit_reached, provider_unavailable, or the kind of its block (`remedies.REMEDIES`)."""


UNPRICED_PART = 0.1
"""Of an agent's tokens: more than this at an unknown cost is said beside a budget in USD."""


def rows(state: State, now: float, *, supervisor_pid: int = 0, started: float = 0.0) -> list[Row]:
    """One row an agent and service, in the order of the file; the supervisor itself is the service ``watchdog``."""
    config = state.config
    if config is None:
        return []
    found = [_row(config, state, spec, now) for spec in config.agents.values()]
    word = "RUNNING" if supervisor_pid else "stopped"
    since = now - started if supervisor_pid else 0.0
    return [*found, Row("watchdog", "service", "-", "-", "-", word, since, 0, "", "", supervisor_pid)]


def _row(config: Config, state: State, spec: Agent, now: float) -> Row:
    agent = state.agents.get(spec.name) or AgentState(spec.name)
    service = spec.kind is Kind.SERVICE
    word = _WORDS[agent.life] if agent.life is not Life.ENDED else _ended(agent)
    if agent.hold is not None and agent.life is Life.RUNNING:
        word = _HOLDS.get(agent.hold.kind, "BLOCKED")
    if agent.over is not None and not agent.alive:
        word = "OVER BUDGET"
    if agent.asks and agent.life is Life.RUNNING:
        word = "ASKS"
    if not spec.enabled:
        word += " (disabled)"
    return Row(
        name=spec.name,
        kind=spec.kind.value,
        backend="-" if service else agent.backend if agent.alive else spec.backend,
        model="-" if service else (agent.model if agent.alive else _next_model(config, state, spec)) or "-",
        watch="-" if service else spec.watch.value,
        state=word,
        since=max(0.0, now - agent.since) if agent.since else 0.0,
        restarts=agent.restarts,
        doing=_with_schedule(state, spec, agent, _doing(config, agent, now)),
        session=spec.session,
        pid=agent.pid,
        incarnation=agent.incarnation,
        code=agent.last_exit.code if agent.last_exit is not None else None,
        wanted=agent.task_wanted,
        due=agent.due if spec.schedule else 0.0,
        hold=_NAMES.get(agent.hold.kind, agent.hold.kind) if agent.hold is not None else "",
    )


def _next_model(config: Config, state: State, spec: Agent) -> str:
    index = max(state.loop.index, 0)
    if spec.kind is not Kind.LOOP or index >= len(config.loop.phases):
        return spec.model
    models = config.loop.phases[index].models
    return models.get(spec.name) or models.get(spec.role) or spec.model


def _ended(agent: AgentState) -> str:
    exit = agent.last_exit
    return "ended" if exit is None or exit.code == 0 else "FAILED"


_WORDS = {
    Life.OFF: "stopped",
    Life.ENDED: "ended",
    Life.STARTING: "STARTING",
    Life.RUNNING: "RUNNING",
    Life.ENDING: "ENDING",
    Life.BACKOFF: "RESTARTING",
    Life.PARKED: "CRASH LOOP",
}


_NAMES = {"limit": "limit_reached", "provider": "provider_unavailable"}
_HOLDS = {"limit": "LIMIT", "provider": "PROVIDER"}


def _doing(config: Config, agent: AgentState, now: float) -> str:
    """What it does or waits for, in a few words."""
    if agent.life in (Life.BACKOFF, Life.PARKED):
        due = max(agent.restart_at, agent.hold.until if agent.hold is not None else 0.0)
        help = _remedy(config, agent)
        return f"next try in {span(due - now)}: {help or agent.why}"
    if agent.over is not None and not agent.alive:
        return f"{agent.why}: raise it in agents.toml, or `loops up {agent.name}` grants it once more"
    if agent.life is not Life.RUNNING:
        return agent.why if agent.life in (Life.ENDED, Life.ENDING) or not agent.alive else ""
    if agent.question:
        return f"waits for an answer: {agent.question}"
    if agent.asks:
        approval = next(each for each in agent.approvals if not each.answer)
        text = approval.text if len(approval.text) <= 50 else approval.text[:47] + "..."
        return f"approval: {text} (loops approve {approval.id})"
    if agent.hold is not None:
        return _remedy(config, agent) or _held(agent.hold, agent.turn)
    waiting = [n.kind for n in agent.nudges if n.kind is not NudgeKind.PROBE]
    told = f"; {len(waiting)} nudge(s) waiting" if waiting else ""
    if agent.turn is Turn.WORKING:
        return f"working for {span(now - agent.turn_since)}{told}"
    if agent.turn is Turn.IDLE:
        until = f"waits until {_clock(agent.waiting_until)}" if agent.waiting_until > now else "idle"
        return f"{until} ({span(now - agent.turn_since)}){told}"
    return told.removeprefix("; ")


def _with_schedule(state: State, spec: Agent, agent: AgentState, doing: str) -> str:
    """*doing*, and when a scheduled task runs next."""
    if not spec.schedule:
        return doing
    hindered = hindrance(state, spec, agent)
    if agent.owed:
        until, whose = window(state.agents, spec, agent)
        due = f"due since {wall(agent.owed)}: " + (hindered or f"waits for the limit of {whose} until {_clock(until)}")
    elif agent.due and agent.schedule == spec.schedule:
        due = f"next {wall(agent.due)}" + (f" (but {hindered})" if hindered and state.up else "")
    else:
        due = f"by {spec.schedule!r}" if agent.schedule != spec.schedule else f"never again by {spec.schedule!r}"
    return f"{doing}; {due}" if doing else due


def _held(hold: Hold, turn: Turn) -> str:
    if hold.open and turn is Turn.WORKING:
        return f"tries again by itself since {_clock(hold.since)}: {hold.text}"
    return f"until {_clock(hold.until)}, then a probe: {hold.text}"


def _remedy(config: Config, agent: AgentState) -> str:
    """What helps a blocked agent, in words; "" when nothing blocks it."""
    hold, backend = agent.hold, config.backends.get(agent.backend)
    if hold is None:
        return ""
    adapter = backend.adapter if backend is not None else ""
    words = remedy(hold.kind, agent=agent.name, model=agent.model, backend=agent.backend, adapter=adapter)
    return f"{hold.kind}: {words}" if words else ""


def headline(state: State) -> str:
    """The phase line of the earlier engine: ``phase: ID [n/m]  plan=FILE  (in progress)``."""
    config = state.config
    if config is None or not config.loop.phases:
        return ""
    phases = config.loop.phases
    index = min(max(state.loop.index, 0), len(phases) - 1)
    where = "complete" if state.loop.complete else "in progress" if state.loop.index >= 0 else "not started"
    plan = phases[index].plan.rpartition("/")[2]
    return f"phase: {phases[index].id} [{index + 1}/{len(phases)}]  plan={plan}  ({where})"


def notes(state: State) -> list[str]:
    """What deserves a line of its own."""
    found = []
    if state.stopped:
        found.append("EMERGENCY STOP: nothing is started until `loops up`")
    if state.refused_config:
        found.append("agents.toml was changed and refused; the last good one is in force: see `loops validate`")
    found.extend(_without_isolation(state))
    found.extend(_uncounted(state))
    found.extend(_undelivered(state))
    if state.loop.refused:
        found.append(f"done was refused: {'; '.join(state.loop.refused[1:])}")
    check = state.loop.check
    if check is not None and check.ok is None:
        found.append(f"the engine runs the checks of phase {check.phase} at {check.commit[:10]}")
    return found


def _without_isolation(state: State) -> list[str]:
    names: dict[str, list[str]] = {}
    for agent in state.agents.values():
        if agent.alive and agent.not_isolated:
            names.setdefault(agent.not_isolated, []).append(agent.name)
    return [f"not isolated: {', '.join(those)}: {why}" for why, those in names.items()]


def _undelivered(state: State) -> list[str]:
    """What the operator was to be told and perhaps was not."""
    notices = state.notices
    found = []
    if notices.lost_count:
        last = notices.lost[-1]
        found.append(
            f"notices that did not get through: {notices.lost_count}, the last ({last.kind.value}): {last.reason}"
        )
    failing = [notice for notice in notices.waiting if notice.reason]
    if failing:
        last, when = failing[-1], min(notice.retry_at for notice in failing)
        found.append(f"notices that are tried again: {len(failing)}, next at {_clock(when)}: {last.reason}")
    return [f"{line}; see `loops explain notices`" for line in found]


def _uncounted(state: State) -> list[str]:
    """A budget in USD does not see what nobody prices.  What one turn that was cut off leaves is not worth a line."""
    if state.config is None:
        return []
    shared = state.config.watchdog.budget.usd or any(phase.budget.usd for phase in state.config.loop.phases)
    names, tokens = [], 0
    for name, spec in state.config.agents.items():
        agent = state.agents.get(name)
        if agent is None or not (spec.budget.usd or shared):
            continue
        unpriced = sum(usage.unpriced for usage in agent.usage.values()) - agent.uncosted.unpriced
        if unpriced > UNPRICED_PART * sum(usage.tokens for usage in agent.usage.values()):
            names.append(name)
            tokens += unpriced
    if not names:
        return []
    return [f"no budget in USD counts {tokens:,} tokens of {', '.join(names)}: nobody knows their cost; see [prices]"]


def as_json(state: State, now: float, supervisor_pid: int = 0, started: float = 0.0) -> dict[str, Any]:
    """The same facts for ``--json``."""
    return {
        "phase": {
            "id": state.loop.phase,
            "index": state.loop.index,
            "count": len(state.config.loop.phases) if state.config else 0,
            "complete": state.loop.complete,
            "done": list(state.loop.done),
        },
        "up": state.up,
        "tokens": state.spent.tokens,
        "notes": notes(state),
        "notices": {
            "waiting": [_notice(each) for each in state.notices.waiting],
            "undelivered": [_notice(each) for each in state.notices.lost],
            "undelivered_count": state.notices.lost_count,
        },
        "approvals": [
            {"id": each.id, "agent": agent.name, "text": each.text, "since": each.since, "expires": each.expires}
            for agent, each in waiting(state)
        ],
        "agents": [asdict(row) for row in rows(state, now, supervisor_pid=supervisor_pid, started=started)],
    }


def _notice(notice: Notice) -> dict[str, object]:
    facts = {"id": notice.id, "kind": notice.kind.value, "text": notice.text, "since": notice.at}
    return {**facts, "sending": notice.sending, "tries": notice.tries, "reason": notice.reason}


def text(state: State, now: float, *, supervisor_pid: int = 0, started: float = 0.0, colour: bool = False) -> str:
    """The table, ready to print: plain, or with colours for a terminal."""
    table = rows(state, now, supervisor_pid=supervisor_pid, started=started)
    cells = [HEAD, *(_cells(row) for row in table)]
    widths = [max(map(len, column)) for column in zip(*(c[:-1] for c in cells), strict=True)]
    lines = [line for line in (headline(state),) if line]
    for number, row in enumerate(cells):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        if colour:
            padded[5] = padded[5] if number == 0 else f"{_colour(row[5])}{padded[5]}\x1b[0m"
        line = "  ".join([*padded, row[-1]]).rstrip()
        lines.append(f"\x1b[1m{line}\x1b[0m" if colour and number == 0 else line)
    lines.extend(f"! {printable(note)}" for note in notes(state))
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    since = span(row.since) if row.since else "-"
    doing = printable(row.doing)
    return (
        row.name,
        row.kind,
        row.backend,
        row.model,
        row.watch,
        row.state,
        since,
        str(row.restarts),
        doing if len(doing) <= 100 else doing[:97] + "...",
    )


def _colour(state: str) -> str:
    if state.startswith("RUNNING"):
        return "\x1b[32m"
    if state.startswith(("CRASH", "FAILED", "ASKS", "BLOCKED", "OVER")):
        return "\x1b[1;31m"
    return "\x1b[33m" if state.isupper() else "\x1b[2m"


def _clock(steady: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(steady))
