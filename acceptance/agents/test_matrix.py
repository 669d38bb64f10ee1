"""Gate: whatever a provider does, each real agent ends up in the right state, and goes on when the provider does.

One row is a scenario, one column a backend.  The four agents of a row live in one project and wait side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from demands import demand
from loops.supervisor import events as ev
from pinned import lack, pin
from real_project import BACKENDS, Real, RealProject, Times

PROMPT = 90.0
"""Seconds from the beginning of the first turn to the state that it must bring: real times are 1 to 10, unloaded, and
four agents start side by side."""
RECOVERY = 90.0
HANG_AFTER = 45.0
"""A third of it without a word of the provider fails the turn; a busy machine must have started an agent by then."""
SLOWLY = 120.0
"""For a backend that retries by itself what no retry mends."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What must come of one scenario with one backend.

    ``hold``: the kind of the hold; empty: none.  ``dropped``: the conversation is given up.  ``failure``: the class of
    the failed turn, or of the agent's own retries, in the normalized events; empty: none failed.
    """

    hold: str = ""
    dropped: bool = False
    failure: str = ""
    within: float = PROMPT
    nudged: bool = False
    """The operator has to say when it is over."""


FINE = Cell()
AWAY = Cell("provider", failure="provider_unavailable")
HUNG = Cell("provider", failure="provider_unavailable", within=HANG_AFTER + PROMPT)


def blocked(kind: str, within: float = PROMPT) -> Cell:
    return Cell(kind, failure=kind, within=within, nudged=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario: what all backends must make of it, and which ones differ."""

    name: str
    usual: Cell
    but: dict[str, Cell] = field(default_factory=dict)
    plays: str = ""
    """The provider's scenario, where it has another name."""
    reset_in: float | None = None
    times: Times = field(default_factory=Times)
    options: dict[str, Any] = field(default_factory=dict)
    """Of each agent: fields of `Real`."""

    def cell(self, backend: str) -> Cell:
        return self.but.get(backend, self.usual)


ROWS = (
    Row("ok", FINE),
    Row("slow", FINE),
    Row(
        "limit",
        Cell("limit", failure="limit_reached"),
        # Chat Completions has no plan with a reset time: its nearest is a quota, and nobody knows when that comes back.
        {"opencode": blocked("billing", SLOWLY), "pi": blocked("billing", SLOWLY)},
        reset_in=30.0,
    ),
    Row("billing", blocked("billing"), {"opencode": blocked("billing", SLOWLY), "pi": blocked("billing", SLOWLY)}),
    Row("401", blocked("auth"), plays="e401"),
    Row("403", blocked("auth"), plays="e403"),
    Row("429", Cell("provider", failure="rate_limit"), plays="e429"),
    Row("500", AWAY, plays="e500"),
    Row("529", AWAY, plays="e529"),
    Row("refused", AWAY),
    Row("hang before headers", HUNG, plays="hang", times=Times(hang_after=HANG_AFTER)),
    Row("hang mid-stream", HUNG, plays="hangmid", times=Times(hang_after=HANG_AFTER)),
    Row(
        "stream cut",
        Cell("provider", failure="truncated"),
        {"claude": FINE},  # it asks again without streaming, and gets its answer
        plays="cut",
    ),
    Row("unknown model", blocked("model_not_found"), plays="badmodel"),
    Row("context overflow", Cell(dropped=True, failure="context_overflow"), plays="context"),
    Row(
        "denied",
        Cell("denied", failure="denied", nudged=True),
        plays="ok",
        times=Times(approval_timeout=3.0),
        options={"permissions": "ask"},
    ),
)


@pytest.mark.heavy
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_each_agent_is_in_the_right_state_in_time_and_goes_on_when_the_provider_does(
    new_real: Callable[..., RealProject], row: Row
) -> None:
    """All backends of a row side by side: what has to be waited for is waited for once."""
    here = [backend for backend in BACKENDS if not lack(pin(backend))]
    project = new_real(*here[:1] or BACKENDS)
    _begin(project, row, here)

    problems = {backend: problem for backend in here if (problem := _problem(project, row, backend))}

    assert not problems, "\n".join(f"{backend}: {problem}" for backend, problem in problems.items())
    demand(*BACKENDS)  # what could not be tried is not passed over in silence


def _begin(project: RealProject, row: Row, backends: Sequence[str]) -> None:
    scenario = row.plays or row.name
    login = "token" if row.name == "limit" else "key"  # claude tells of a plan's limit only to who has a plan
    project.write([Real(each, each, scenario, login=login, **row.options) for each in backends], times=row.times)
    for backend in backends:
        if row.reset_in is not None and row.cell(backend).hold == "limit":
            project.provider.control(backend, scenario, reset_in=row.reset_in)
    project.loops("up")


def _problem(project: RealProject, row: Row, backend: str) -> str:
    """What is wrong with a cell; empty: nothing."""
    cell = row.cell(backend)
    try:
        began = _state(project, backend, cell)
        _in_the_normalized_events(project, backend, cell)
        if row.name in ("ok", "slow"):
            _what_was_used(project, backend)
        _on_again(project, row, backend, began)
    except AssertionError as error:
        project.said.append(f"({backend}: {str(error).splitlines()[0]})\n")
        return str(error).split("\n--- ", 1)[0] + _story(project, backend)
    return ""


def _story(project: RealProject, name: str) -> str:
    own = [repr(event)[:250] for event in project.journal() if getattr(event, "agent", "") == name]
    events = [f"{event['type']} {json.dumps(event['data'])[:200]}" for event in project.normalized(name)]
    return "\n".join(["", "--- journal", *own[-14:], "--- events", *events[-14:], ""])


def _state(project: RealProject, name: str, cell: Cell) -> float:
    """Wait for the state; return the (steady) time at which it was there."""
    started = project.wait_event(ev.TurnStarted, f"the first turn of {name}", lambda e: e.agent == name, RECOVERY).at
    seconds = cell.within + PROMPT

    def mine(event: Any) -> bool:
        return bool(event.agent == name)

    if cell.hold:
        there = project.wait_event(ev.HoldBegan, f"a hold of {name}", mine, seconds)
        assert there.kind == cell.hold, there
    elif cell.dropped:
        there = project.wait_event(ev.ConversationDropped, f"{name} begins afresh", mine, seconds)
        assert there.rule == "fatal", there
    else:
        there = project.wait_event(ev.TurnCompleted, f"a turn of {name} that went through", mine, seconds)
        assert not there.failed, there
        assert not [e for e in project.events(ev.HoldBegan) if e.agent == name]
        assert (project.clone(name) / "hello.txt").read_text() == "hello-from-mock\n"
    assert there.at - started <= cell.within, f"{there} only {there.at - started:.1f} s after the turn began"
    return there.at


def _in_the_normalized_events(project: RealProject, name: str, cell: Cell) -> None:
    def told() -> bool:
        failures = [e["data"] for e in project.normalized(name) if e["type"] in ("turn.failed", "retry.scheduled")]
        return any(each["class"] == cell.failure for each in failures)

    if cell.failure:
        project.wait_for(told, f"{cell.failure} in the events of {name}", PROMPT)
    else:
        project.wait_normalized(name, "turn.completed", PROMPT)
    unmapped = [event["data"] for event in project.normalized(name) if event["type"] == "backend.unmapped"]
    assert not unmapped, unmapped[:3]


def _what_was_used(project: RealProject, name: str) -> None:
    """Two requests, each 1200 tokens in (1000 of them cached) and 34 out: by the same measure for every backend."""

    def used() -> tuple[int, int, int]:
        requests = [e for e in project.events(ev.UsageUpdated) if e.agent == name]
        return (
            sum(e.input_tokens for e in requests),
            sum(e.cached_tokens for e in requests),
            sum(e.output_tokens for e in requests),
        )

    project.wait_for(lambda: used()[2] >= 68, f"the usage of {name}: {used()}", PROMPT)
    assert used() == (2400, 2000, 68)


def _on_again(project: RealProject, row: Row, name: str, began: float) -> None:
    """When the provider plays ok, the agent goes on with its work: by itself, or as soon as the operator says so."""
    cell = row.cell(name)
    if cell == FINE:
        return
    if row.name == "denied":
        return  # the provider has done nothing wrong
    if row.name == "refused":
        project.provider.listen_too(name)
    if row.reset_in is None or cell.hold != "limit":
        project.provider.control(name, "ok")
    if cell.nudged:
        project.loops("nudge", name, "go on")
    project.wait_event(
        ev.TurnCompleted,
        f"{name} goes on",
        lambda e: e.agent == name and e.at > began and not e.failed,
        RECOVERY,
    )
    if cell.hold:
        project.wait_event(ev.HoldEnded, f"the hold of {name} is over", lambda e: e.agent == name, PROMPT)
    project.wait_for(lambda: project.agent(name).get("state") == "RUNNING", f"{name} RUNNING", PROMPT)
