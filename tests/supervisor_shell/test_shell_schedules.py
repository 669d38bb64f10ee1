"""The edge of the schedules: when it looks at the wall clock, and what it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loops.config.model import Agent, Config, Kind, Loop, Watchdog
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Timed
from loops.supervisor.schedules import VARIABLE, Schedules
from loops.supervisor.state import AgentState, State

NOW = 1_800_000_000.0
"""08:00 UTC: an hourly task is due an hour later."""
DUE = NOW + 3600.0


class FakeReactor:
    """Timers that a test lets elapse."""

    def __init__(self) -> None:
        self.timers: dict[str, tuple[float, object]] = {}

    def at(self, key: str, when: float | None, callback: object) -> None:
        if when is None:
            self.timers.pop(key, None)
        else:
            self.timers[key] = (when, callback)

    def cancel(self, key: str) -> None:
        self.timers.pop(key, None)


class Edge:
    """One scheduled task at a machine whose clocks the test sets."""

    def __init__(self, schedule: str = "hourly UTC", **facts: object) -> None:
        self.wall = self.boottime = NOW
        spec = Agent("upgrader", "upgrader", Kind.TASK, "/p", schedule=schedule)
        config = Config("/p/agents.toml", "/p", "1", "t-", "/p/.loops", Watchdog(), {}, {"upgrader": spec}, Loop())
        agent = replace(AgentState("upgrader", schedule=schedule, due=DUE), **facts)  # type: ignore[arg-type]
        self.state = State(config=config, agents={"upgrader": agent}, up=True)
        self.reactor = FakeReactor()
        self.seen: list[Timed] = []
        self.said: list[str] = []
        self.schedules = Schedules(
            self.reactor,  # type: ignore[arg-type]
            Clock(wall=lambda: self.wall, boottime=lambda: self.boottime, offset=0.0),
            state=lambda: self.state,
            see=self.seen.append,  # type: ignore[arg-type]
            say=self.said.append,
        )

    @property
    def timer(self) -> float | None:
        timer = self.reactor.timers.get("schedule upgrader")
        return timer[0] if timer is not None else None

    def elapse(self) -> None:
        when, callback = self.reactor.timers.pop("schedule upgrader")
        self.wall += when - self.boottime
        self.boottime = when
        callback()  # type: ignore[operator]


def test_the_timer_is_set_for_the_due_time_and_tells_what_the_clock_says_then() -> None:
    edge = Edge()
    edge.schedules.settle(("upgrader",))
    assert edge.timer == DUE
    edge.elapse()
    assert edge.seen == [Timed(DUE, "upgrader", "hourly UTC", DUE, DUE + 3600.0)]


def test_an_unknown_schedule_is_looked_at_at_once() -> None:
    edge = Edge(due=0.0, schedule="")
    assert edge.timer is None
    edge = Edge()
    edge.state = replace(edge.state, agents={"upgrader": AgentState("upgrader")})
    edge.schedules.settle(("upgrader",))
    assert edge.timer == NOW


def test_a_clock_that_is_set_back_before_the_timer_elapses_makes_it_wait_on() -> None:
    edge = Edge()
    edge.schedules.settle(("upgrader",))
    edge.wall -= 1800
    edge.elapse()
    assert edge.seen[0].wall < DUE
    edge.elapse()  # a moment later it is set anew
    assert edge.timer is not None
    assert edge.timer - edge.boottime == pytest.approx(1800, abs=2)


def test_a_clock_that_jumps_over_the_due_time_is_seen_at_the_next_round_of_the_net() -> None:
    edge = Edge()
    edge.schedules.net()
    edge.seen.clear()
    edge.schedules.net()
    assert edge.seen == []
    edge.wall += 7200
    edge.schedules.net()
    assert [seen.wall for seen in edge.seen] == [NOW + 7200]


def test_a_look_that_changes_nothing_is_not_repeated_at_once() -> None:
    edge = Edge(due=NOW - 60)
    edge.schedules.settle(("upgrader",))
    edge.elapse()
    edge.schedules.settle(("upgrader",))
    assert edge.timer == NOW + 1.0


def test_a_task_that_nobody_may_run_now_needs_no_timer() -> None:
    edge = Edge()
    edge.state = replace(edge.state, up=False)
    edge.schedules.settle(("upgrader",))
    assert edge.timer is None


def test_a_zone_that_this_machine_does_not_know_is_said_and_nothing_is_run() -> None:
    edge = Edge(schedule="hourly Atlantis/Capital", due=NOW)
    edge.schedules.settle(("upgrader",))
    edge.elapse()
    assert edge.seen == []
    assert "this machine has no time zone Atlantis/Capital" in edge.said[0]


def test_where_systemd_keeps_the_schedules_that_is_told_with_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "systemd")
    edge = Edge()
    edge.schedules.settle(("upgrader",))
    edge.elapse()
    assert [seen.ours for seen in edge.seen] == [False]
