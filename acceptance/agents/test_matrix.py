"""Gate: whatever a provider does, each real agent ends up in the right state, and goes on when the provider does.

One row is a scenario, one column a backend.  The four agents of a row live in one project and wait side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from demands import demand
from loops.supervisor import events as ev
from pinned import lack, pin
from real_project import BACKENDS, Real, RealProject, Times
from room import no_room

PROMPT = 45.0
"""Seconds from the beginning of the first turn to the state that it must bring: real times are 1 to 10, unloaded."""
RECOVERY = 90.0
HANG_AFTER = 12.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What must come of one scenario with one backend.

    ``hold``: the kind of the hold; empty: none.  ``ending``: the rule by which the session is ended.  ``dropped``: the
    conversation is given up.  ``failure``: the class of the failed turn in the normalized events; empty: none failed.
    """

    hold: str = ""
    ending: str = ""
    dropped: bool = False
    failure: str = ""
    within: float = PROMPT
    nudged: bool = False
    """The operator has to say when it is over."""


FINE = Cell()
AWAY = Cell("provider", failure="provider_unavailable")
HUNG = Cell(ending="hang", within=HANG_AFTER + PROMPT)


def blocked(kind: str) -> Cell:
    return Cell(kind, failure=kind, nudged=True)


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
        {"opencode": blocked("billing"), "pi": blocked("billing")},
        reset_in=30.0,
    ),
    Row("billing", blocked("billing")),
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


class Played:
    """A row under way: its project, with an agent for each backend that is installed."""

    def __init__(self, row: Row, chosen: set[str]) -> None:
        self.row = row
        self.failed = False
        self.backends = [backend for backend in BACKENDS if backend in chosen and not lack(pin(backend))]
        self.project = RealProject()

    def begin(self) -> None:
        row, project = self.row, self.project
        scenario = row.plays or row.name
        login = "token" if row.name == "limit" else "key"  # claude tells of a plan's limit only to who has a plan
        agents = [Real(backend, backend, scenario, login=login, **row.options) for backend in self.backends]
        project.write(agents, times=row.times)
        if row.reset_in is not None:
            for backend in self.backends:
                project.provider.control(backend, scenario, reset_in=row.reset_in)
        project.loops("up")


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[Played]:
    if no_room():
        pytest.skip(no_room())
    chosen = {item.callspec.params.get("backend") for item in request.session.items if hasattr(item, "callspec")}
    under_way = Played(request.param, chosen)
    try:
        under_way.begin()
        yield under_way
        if under_way.failed:
            print(under_way.project.story())
    finally:
        under_way.project.teardown()


@pytest.mark.heavy
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "played",
    [pytest.param(row, id=row.name, marks=pytest.mark.xdist_group(f"agents {row.name}")) for row in ROWS],
    indirect=True,
    scope="module",
)
def test_the_right_state_in_time_and_on_again_when_the_provider_is(played: Played, backend: str) -> None:
    demand(backend)
    cell = played.row.cell(backend)
    played.failed = True
    began = _state(played.project, backend, cell)
    _in_the_normalized_events(played.project, backend, cell)
    if played.row.name in ("ok", "slow"):
        _what_was_used(played.project, backend)
    _on_again(played, backend, cell, began)
    played.failed = False


def _state(project: RealProject, name: str, cell: Cell) -> float:
    """Wait for the state; return the (steady) time at which it was there."""
    started = project.wait_event(ev.TurnStarted, f"the first turn of {name}", lambda e: e.agent == name, RECOVERY).at
    seconds = cell.within + PROMPT

    def mine(event: Any) -> bool:
        return bool(event.agent == name)

    if cell.hold:
        there = project.wait_event(ev.HoldBegan, f"a hold of {name}", mine, seconds)
        assert there.kind == cell.hold, project.story()
    elif cell.ending:
        there = project.wait_event(ev.SessionEnding, f"{name} is ended", mine, seconds)
        assert there.rule == cell.ending, project.story()
    elif cell.dropped:
        there = project.wait_event(ev.ConversationDropped, f"{name} begins afresh", mine, seconds)
        assert there.rule == "fatal", project.story()
    else:
        there = project.wait_event(ev.TurnCompleted, f"a turn of {name} that went through", mine, seconds)
        assert not there.failed, project.story()
        assert not [e for e in project.events(ev.HoldBegan) if e.agent == name], project.story()
        assert (project.clone(name) / "hello.txt").read_text() == "hello-from-mock\n"
    assert there.at - started <= cell.within, f"{there} only {there.at - started:.1f} s after the turn began"
    return there.at


def _in_the_normalized_events(project: RealProject, name: str, cell: Cell) -> None:
    if cell.failure:
        project.wait_normalized(name, "turn.failed", PROMPT, **{"class": cell.failure})
    elif not cell.ending:
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


def _on_again(played: Played, name: str, cell: Cell, began: float) -> None:
    """When the provider plays ok, the agent goes on with its work: by itself, or as soon as the operator says so."""
    if cell == FINE:
        return
    project = played.project
    if played.row.name == "denied":
        return  # the provider has done nothing wrong
    if played.row.name == "refused":
        project.provider.listen_too()
    if played.row.reset_in is None or cell.hold != "limit":
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
    row = project.agent(name)
    assert row["state"] == "RUNNING", project.story()
