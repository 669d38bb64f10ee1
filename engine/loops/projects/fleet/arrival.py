"""What became of projects that were brought up: all agents run, or why not and what the operator types next.

All supervisors are asked at once, again and again, so that the slowest project is waited for and not the sum of them.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.places import Runtime
from loops.projects.fleet.asking import Silence, ask_all
from loops.projects.fleet.fate import Fate
from loops.projects.fleet.roster import Listed

ROUND = 1.0
"""Seconds for which one that does not answer keeps the others' words back."""
STAYS = 1.0
"""Seconds for which an agent has to run before it is believed: a wrong option ends most programs sooner."""
DEATHS = 2
"""An agent that has died so often since it was first looked at does not come."""
GLANCE = 0.1
_GONE = ("CRASH LOOP", "FAILED", "OVER BUDGET")
_WAITS = ("limit_reached", "provider_unavailable")
"""What an agent waits out by itself, with or without a process."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A project that was asked to come up, and the agents that were ``started`` for that; ``fresh``: it was not up at all."""

    listed: Listed
    fresh: bool = False
    started: tuple[str, ...] = ()


def await_all(asked: Sequence[Asked], seconds: float) -> Iterator[Fate]:
    """Say of each project what became of it, as soon as that is known, and of the last of them after *seconds*."""
    sockets = {each.listed.name: Runtime(each.listed.config_path).control_socket for each in asked}
    left = {each.listed.name: each for each in asked}
    first: dict[tuple[str, str], int] = {}
    deadline = time.monotonic() + seconds
    while left:
        patience = deadline - time.monotonic()
        heard = ask_all([sockets[name] for name in left], {"verb": "status"}, max(min(patience, ROUND), GLANCE))
        for name, each in list(left.items()):
            told = heard[sockets[name]]
            fate = judge(each, told, first) if isinstance(told, dict) and told.get("ok") else None
            if fate is None and patience <= 0:
                fate = too_late(each, told, seconds)
            if fate is not None:
                del left[name]
                yield fate
        if left:
            time.sleep(GLANCE)


def judge(asked: Asked, told: Mapping[str, Any], first: dict[tuple[str, str], int]) -> Fate | None:
    """What its supervisor's status *told*; None: it cannot be said yet.

    *first*: how often each agent had been started when it was first looked at; what is missing is filled in.
    """
    rows = _counted(asked, told)
    for row in rows:
        died = row["incarnation"] - first.setdefault((asked.listed.name, row["name"]), row["incarnation"])
        waits = row["hold"] in _WAITS
        if row["state"] in _GONE or (row["hold"] and not waits and not row["pid"]):
            return _failed(asked, row, _how(row))
        if died >= DEATHS and not row["pid"] and not waits:
            how = "by a signal" if row["code"] is None else f"with status {row['code']}"
            return _failed(asked, row, f"{row['name']} ends again and again, the last time {how}")
    if any(_is_on_its_way(row) for row in rows):
        return None
    return Fate(asked.listed.name, True, _running(asked, rows, told))


def _counted(asked: Asked, told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The agents that are to run; not a task, nor a loop whose last phase is complete, nor what is disabled."""
    return [
        row
        for row in told["agents"]
        if row["name"] != "watchdog"
        and (row["name"] in asked.started or (row["state"] not in ("stopped", "ended") and row["kind"] != "task"))
        and not row["state"].endswith("(disabled)")
    ]


def _is_on_its_way(row: Mapping[str, Any]) -> bool:
    if row["hold"] or row["state"] == "ended":
        return False
    return not row["pid"] or row["state"] in ("STARTING", "ENDING") or row["since"] < STAYS


def _running(asked: Asked, rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> str:
    alive = [row for row in rows if row["pid"]]
    said = [
        f"running{'' if asked.fresh or asked.started else ' already'}: {len(alive)} agent{'' if len(alive) == 1 else 's'}"
    ]
    if told["phase"]["complete"]:
        said.append("the last phase is complete")
    said += [_how(row) for row in rows if row["state"] != "RUNNING"]
    return "; ".join(said)


def _how(row: Mapping[str, Any]) -> str:
    return f"{row['name']} is {row['state']}" + (f" ({row['doing']})" if row["doing"] else "")


def _failed(asked: Asked, row: Mapping[str, Any], why: str) -> Fate:
    return Fate(asked.listed.name, False, why, _logs(asked, row["name"]))


def too_late(asked: Asked, told: Mapping[str, Any] | Silence, seconds: float) -> Fate:
    """What is said of a project that could not be judged within *seconds*."""
    name = asked.listed.name
    if isinstance(told, Silence) or not told.get("ok"):
        return Fate(name, False, f"its supervisor did not answer within {seconds:g} s", f"loops fleet doctor {name}")
    late = [row for row in _counted(asked, told) if _is_on_its_way(row)]
    said = ", ".join(f"{row['name']} is {row['state']}" for row in late)
    return Fate(
        name, False, f"not all ran within {seconds:g} s: {said}; it is still tried", _logs(asked, late[0]["name"])
    )


def _logs(asked: Asked, agent: str) -> str:
    return shlex.join(["loops", "--config", asked.listed.config_path, "logs", agent])
