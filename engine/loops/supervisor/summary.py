"""A whole project in one line: how many agents run, what is wrong, what is waited for.  Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from loops.supervisor import table
from loops.supervisor.approvals import waiting
from loops.supervisor.state import AgentState, State

URGENT = ("ASKS", "BLOCKED", "CRASH LOOP", "FAILED", "OVER BUDGET", "LIMIT", "PROVIDER", "RESTARTING")
"""The states in which something is wrong with an agent, the most urgent first: for the first of them a person is needed."""
RUNS = frozenset({"RUNNING", "STARTING", "ENDING", "ASKS", "BLOCKED", "LIMIT", "PROVIDER"})
"""The states in which it has a process."""


@dataclass(frozen=True, slots=True)
class Summary:
    """``wrong``: agents by state.  ``agent`` waits for ``what``, for ``since`` seconds; without one, ``since`` is the phase's."""

    up: bool
    stopped: bool
    complete: bool
    phase: str
    index: int
    phases: int
    running: int
    agents: int
    tokens: int
    wrong: dict[str, int] = field(default_factory=dict)
    agent: str = ""
    what: str = ""
    since: float = 0.0
    notes: int = 0


def summary(state: State, now: float) -> Summary:
    """Return what a table of many projects shows of this one at *now*."""
    rows = table.rows(state, now)[:-1]  # the supervisor itself is nobody's agent
    words = {row.name: row.state.removesuffix(" (disabled)") for row in rows}
    wrong = Counter(word for word in words.values() if word in URGENT)
    counted = [row for row in rows if not row.state.endswith(" (disabled)") or row.pid]
    agent, what, since = _waiting(state, rows, words, now)
    phases = len(state.config.loop.phases) if state.config is not None else 0
    return Summary(
        up=state.up,
        stopped=state.stopped,
        complete=state.loop.complete,
        phase=state.loop.phase,
        index=state.loop.index,
        phases=phases,
        running=sum(words[row.name] in RUNS for row in rows),
        agents=len(counted),
        tokens=state.spent.tokens,
        wrong={word: wrong[word] for word in URGENT if wrong[word]},
        agent=agent,
        what=what,
        since=since,
        notes=len(table.notes(state)),
    )


def _waiting(state: State, rows: list[table.Row], words: dict[str, str], now: float) -> tuple[str, str, float]:
    """The most urgent thing that is waited for: whose it is, what it is, and for how many seconds it is so."""
    for word in URGENT:
        those = [row for row in rows if words[row.name] == word]
        if those:
            since = {row.name: _since(state, state.agents[row.name], word, now) for row in those}
            first = max(those, key=lambda row: since[row.name])
            return first.name, first.doing or word, since[first.name]
    check = state.loop.check
    if check is not None and check.ok is None:
        return "", f"the checks of phase {check.phase}", _ago(state.loop.since, now)
    if state.refused_config:
        return "", "agents.toml was changed and refused: `loops validate`", 0.0
    return "", "", _ago(state.loop.since, now) if state.loop.index >= 0 else 0.0


def _since(state: State, agent: AgentState, word: str, now: float) -> float:
    if word == "ASKS":
        asked = [approval.since for each, approval in waiting(state) if each.name == agent.name]
        return _ago(min(asked, default=agent.turn_since), now)
    if agent.hold is not None and word in ("LIMIT", "PROVIDER", "BLOCKED"):
        return _ago(agent.hold.began or agent.hold.since, now)
    return _ago(agent.since, now)


def _ago(when: float, now: float) -> float:
    return max(0.0, now - when) if when else 0.0
