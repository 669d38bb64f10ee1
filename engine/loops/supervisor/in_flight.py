"""What is under way at one moment, as facts for a program and in words for an agent and a person.

The words quote nothing that an agent or a provider wrote but the label of a claim: they are typed into a terminal, where
the text of a limit would be taken for one (incident 4), and an approval's text may hold what is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loops.protocol.moment import iso
from loops.supervisor.approvals import waiting
from loops.supervisor.progress import open_claim
from loops.supervisor.state import AgentState, Life, NudgeKind, State, Turn

MOST = 12
"""Facts of one kind that are put into words one by one."""

Facts = Mapping[str, Any]


def facts(state: State) -> Facts:
    """What is under way in *state*, as JSON values; an empty kind is left out."""
    claim = open_claim(state.loop.evidence) if state.loop.phase and not state.loop.complete else None
    check = state.loop.check
    agents = state.agents.values()
    found: dict[str, Any] = {
        "turns": [{"agent": a.name, "since": a.turn_since} for a in agents if _works(a)],
        "tasks": [a.name for a in agents if a.task_wanted and a.alive and not _works(a)],
        "starting": [a.name for a in agents if a.life is Life.STARTING],
        "ending": [{"agent": a.name, "again": a.again} for a in agents if a.life is Life.ENDING],
        "claim": claim and {"commit": claim.at.sha, "labels": list(claim.labels), "author": claim.author},
        "check": check and check.ok is None and {"phase": check.phase, "commit": check.commit, "number": check.number},
        "nudges": [
            {"id": n.id, "kind": n.kind.value, "agent": a.name, "sending": n.sending > 0}
            for a in agents
            for n in a.nudges
            if n.kind is not NudgeKind.PROBE
        ],
        "holds": [{"agent": a.name, "kind": a.hold.kind, "until": a.hold.until} for a in agents if a.hold is not None],
        "approvals": [{"id": approval.id, "agent": agent.name} for agent, approval in waiting(state)],
        "questions": [a.name for a in agents if a.question],
    }
    return {kind: value for kind, value in found.items() if value}


def words(found: Facts) -> tuple[str, ...]:
    """The same in words, a few for each fact."""
    return tuple(part for kind, say in _WORDS.items() for part in _few(say, found.get(kind) or ()))


def _works(agent: AgentState) -> bool:
    return agent.life is Life.RUNNING and agent.turn is Turn.WORKING


def _few(say: Callable[[Any], str], given: Any) -> Iterator[str]:
    each = given if isinstance(given, list | tuple) else (given,)
    listed = [say(one) for one in each]
    yield from listed[:MOST]
    if len(listed) > MOST:
        yield f"{len(listed) - MOST} more like the last"


_WORDS: dict[str, Callable[[Any], str]] = {
    "claim": lambda e: f"claim {e['commit'][:10]} ({', '.join(e['labels'])}) waited for its verdict",
    "check": lambda e: f"the checks of phase {e['phase']} ran at {e['commit'][:10]}",
    "turns": lambda e: f"{e['agent']} was in a turn since {iso(e['since'])}",
    "tasks": lambda e: f"task {e} ran",
    "starting": lambda e: f"{e} was being started",
    "ending": lambda e: f"{e['agent']} was being {'restarted' if e['again'] else 'ended'}",
    "nudges": lambda e: (
        f"nudge {e['id']} ({e['kind']}) {'was being typed into' if e['sending'] else 'waited for'} {e['agent']}"
    ),
    "holds": lambda e: f"{e['agent']} was left alone ({e['kind']}) until {iso(e['until'])}",
    "approvals": lambda e: f"approval {e['id']} waited for a person",
    "questions": lambda e: f"{e} waited for a person's answer",
}
