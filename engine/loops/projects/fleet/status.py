"""The whole fleet in one table: what runs, what waits, for what, since when.

All supervisors are asked at once, and no agents.toml is read: this answers while somebody waits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from loops.config.cache import refusal
from loops.places import Runtime
from loops.projects.fleet.asking import Silence, ask_all
from loops.projects.fleet.roster import Listed, Roster
from loops.sessions.text import printable
from loops.supervisor.membership import CrewPlace

WITHIN = 2.0
"""Seconds for all of them together."""
HEAD = ("PROJECT", "STATE", "PHASE", "AGENTS", "WAITING FOR", "SINCE", "TOKENS")
LONGEST = 60
"""Letters of what is waited for."""


class Condition(Enum):
    """How a project is, in a word."""

    UP = "up"
    COMPLETE = "complete"
    DOWN = "down"
    STOPPED = "STOPPED"
    STARTING = "starting"
    BROKEN = "BROKEN"
    STUCK = "STUCK"
    UNWATCHED = "UNWATCHED"
    ABSENT = "absent"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Line:
    """One project.  ``as_of``: its supervisor does not say so, the journal's snapshot did."""

    name: str
    config_path: str
    enabled: bool
    condition: Condition
    why: str = ""
    phase: str = ""
    index: int = -1
    phases: int = 0
    running: int = 0
    agents: int = 0
    wrong: Mapping[str, int] = field(default_factory=dict)
    waiting: str = ""
    since: float = 0.0
    tokens: int = 0
    pid: int = 0
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """``crew``: the pid of the process that supervises many of them; 0: none does."""

    path: str
    lines: tuple[Line, ...]
    problems: tuple[str, ...]
    crew: int = 0


def look(roster: Roster, seconds: float = WITHIN) -> FleetStatus:
    """Ask all supervisors of *roster*, and the process that many of them may share; this takes *seconds* at most."""
    place = CrewPlace(roster.path)
    sockets = {each.config_path: Runtime(each.config_path).control_socket for each in roster.projects}
    heard = ask_all([*sockets.values()], {"verb": "summary"}, seconds)
    crew = ask_all([place.control_socket], {"verb": "status"}, seconds / 4).get(place.control_socket)
    told = {each["config"]: each for each in crew["projects"]} if isinstance(crew, dict) else {}
    lines = tuple(
        line(each, heard[sockets[each.config_path]], told.get(each.config_path, {})) for each in roster.projects
    )
    return FleetStatus(roster.path, lines, roster.problems, crew["pid"] if isinstance(crew, dict) else 0)


def line(listed: Listed, heard: dict[str, Any] | Silence, told: Mapping[str, Any]) -> Line:
    """One project's line, of what its supervisor said, and of what the process that may have it in its charge *told*."""
    base = (listed.name, listed.config_path, listed.enabled)
    if heard is Silence.STUCK:
        return Line(*base, Condition.STUCK, "its supervisor does not answer: `loops fleet doctor`")
    if isinstance(heard, Silence):
        return _at_rest(listed, told)
    if not heard.get("ok"):
        return Line(*base, Condition.UP, "its supervisor is of another version: `loops status` there has more")
    return Line(
        *base,
        _condition(heard),
        phase=heard["phase"],
        index=heard["index"],
        phases=heard["phases"],
        running=heard["running"],
        agents=heard["agents"],
        wrong=heard["wrong"],
        waiting=f"{heard['agent']}: {heard['what']}" if heard["agent"] else heard["what"],
        since=heard["since"],
        tokens=heard["tokens"],
        pid=heard["pid"],
    )


def _condition(heard: Mapping[str, Any]) -> Condition:
    if heard["stopped"]:
        return Condition.STOPPED
    if not heard["up"]:
        return Condition.DOWN
    return Condition.COMPLETE if heard["complete"] else Condition.UP


def _at_rest(listed: Listed, told: Mapping[str, Any]) -> Line:
    """Without a supervisor: what can be had at once."""
    known = _snapshot(listed.config_path)
    facts: dict[str, Any] = {
        "phase": known.get("phase", ""),
        "index": known.get("index", -1),
        "phases": known.get("phases", 0),
        "tokens": known.get("tokens", 0),
        "as_of": "the last snapshot" if known else "",
    }
    condition, why = _why_at_rest(listed, told, known)
    return Line(listed.name, listed.config_path, listed.enabled, condition, why, **facts)


def _why_at_rest(listed: Listed, told: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Condition, str]:
    standing = told.get("standing", "")
    runtime = Runtime(listed.config_path)
    if standing == "broken":
        return Condition.BROKEN, str(told["why"])
    if standing == "starting":
        return Condition.STARTING, ""
    if _holder_lives(runtime):
        return Condition.UNWATCHED, "its sessions live without a supervisor: `loops fleet up` starts it"
    if not listed.enabled:
        return Condition.DISABLED, ""
    if not os.path.isfile(listed.config_path):
        return Condition.ABSENT, f"{listed.config_path} is not there"
    if why := refusal(listed.config_path, os.path.join(runtime.root, "config.json")):
        return Condition.BROKEN, why
    return (Condition.STOPPED if known.get("stopped") else Condition.DOWN), ""


def _holder_lives(runtime: Runtime) -> bool:
    if not os.path.exists(runtime.holder_socket):
        return False
    from loops.supervisor.processes import holder

    return holder(runtime) != 0


def _snapshot(config_path: str) -> dict[str, Any]:
    """What the newest snapshot of a project's journal says, unproven: for a table, not for a decision."""
    try:
        with open(os.path.join(Runtime(config_path).root, "config.json"), "rb") as file:
            log_dir = json.loads(file.read())["config"]["log_dir"]
        with open(os.path.join(log_dir, "state", "journal", "snapshot.json"), "rb") as file:
            state = json.loads(file.read())["state"]
        return {
            "phase": state["loop"]["phase"],
            "index": state["loop"]["index"],
            "phases": len(state["config"]["loop"]["phases"]) if state["config"] else 0,
            "tokens": state["spent"]["input_tokens"] + state["spent"]["output_tokens"],
            "stopped": state["stopped"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


# ---- shown -----------------------------------------------------------------------------------------------------------


def cells(line: Line) -> tuple[str, ...]:
    """What the table shows of one project."""
    from loops.protocol.moment import span

    phase = f"{printable(line.phase) or '-'} {max(line.index, 0) + 1}/{line.phases}" if line.phases else "-"
    agents = f"{line.running}/{line.agents}" if line.agents else "-"
    wrong = " ".join(f"{count} {word}" for word, count in line.wrong.items())
    state = line.condition.value if line.enabled or line.condition is Condition.DISABLED else _disabled(line)
    waiting = _short(line.waiting or line.why) or "-"
    return (
        line.name,
        state,
        f"{phase} *" if line.as_of and line.phases else phase,
        f"{agents} ({wrong})" if wrong else agents,
        waiting,
        span(line.since) if line.since else "-",
        tokens(line.tokens),
    )


def _disabled(line: Line) -> str:
    return f"{line.condition.value} (disabled)"


def _short(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def tokens(number: int) -> str:
    """A number of tokens in four places: 999, 12.3k, 4.56M."""
    for factor, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{letter}"
    return str(number) if number else "-"


def counts(lines: Sequence[Line]) -> str:
    """The line below the table."""
    found: dict[str, int] = {}
    for each in lines:
        found[each.condition.value] = found.get(each.condition.value, 0) + 1
    running, agents = sum(each.running for each in lines), sum(each.agents for each in lines)
    parts = [f"{count} {word}" for word, count in found.items()]
    total = tokens(sum(each.tokens for each in lines))
    return f"{len(lines)} projects: {', '.join(parts) or 'none'}; {running}/{agents} agents run; {total} tokens"
