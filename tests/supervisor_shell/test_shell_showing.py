"""The views follow the sessions; what fails is tried again, seldom, and told once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from loops.sessions.view import Failed, Ready, ServerGone, TmuxMissing, ViewEvent
from loops.supervisor import showing
from loops.supervisor.clock import Clock
from loops.supervisor.reactor import Reactor
from loops.supervisor.showing import Showing


class FakeView:
    """Plays the tmux server."""

    def __init__(self) -> None:
        self.ensured: list[Mapping[str, str]] = []
        self.events: list[ViewEvent] = []
        self.when: float | None = None

    def ensure(self, wanted: Mapping[str, str], now: float) -> None:
        self.ensured.append(wanted)

    def poll(self, now: float) -> list[ViewEvent]:
        events, self.events = self.events, []
        return events

    def due(self) -> float | None:
        return self.when


class Room:
    def __init__(self) -> None:
        self.time = 1000.0
        self.wanted: Mapping[str, str] | None = {"t-one": "one"}
        self.said: list[str] = []
        self.view = FakeView()
        clock = Clock(wall=lambda: self.time, boottime=lambda: self.time, offset=0.0)
        self.reactor = Reactor(clock.now)
        self.showing = Showing(
            self.view,  # type: ignore[arg-type]
            self.reactor,
            clock,
            wanted=lambda: self.wanted,
            say=self.said.append,
        )

    def pass_time(self, seconds: float) -> int:
        """Return how often the views were ensured meanwhile."""
        before = len(self.view.ensured)
        until = self.time + seconds
        while self.time < until:
            self.time += min(0.05, until - self.time)
            self.reactor.at("end the wait", self.time, lambda: None)
            self.reactor.turn()
        return len(self.view.ensured) - before

    def happen(self, *events: ViewEvent) -> None:
        self.view.events.extend(events)
        self.showing.poll()


@pytest.fixture
def room() -> Room:
    return Room()


def test_changes_are_gathered_and_what_is_shown_already_is_left_alone(room: Room) -> None:
    room.showing.soon()
    room.showing.soon()
    assert room.pass_time(1.0) == 1
    room.showing.soon()
    assert room.pass_time(1.0) == 0
    room.wanted = {"t-one": "one", "t-two": "two"}
    room.showing.soon()
    assert room.pass_time(1.0) == 1


def test_while_leaving_nothing_is_shown(room: Room) -> None:
    room.wanted = None
    room.showing.soon()
    assert room.pass_time(1.0) == 0


def test_views_that_failed_are_tried_again_and_the_reason_told_once(room: Room) -> None:
    room.showing.soon()
    room.pass_time(1.0)
    room.happen(Failed("no room"))
    assert room.pass_time(showing.AGAIN - 1) == 0
    assert room.pass_time(2.0) == 1
    room.happen(Failed("no room"), Ready())
    assert room.said == ["no room"]


def test_a_server_that_died_is_rebuilt_at_once(room: Room) -> None:
    room.showing.soon()
    room.pass_time(1.0)
    room.happen(ServerGone())
    assert room.pass_time(0.2) == 1


def test_a_server_that_dies_again_and_again_is_rebuilt_ever_more_seldom(room: Room) -> None:
    room.showing.soon()
    room.pass_time(1.0)
    for _ in range(20):
        room.happen(ServerGone())
        room.pass_time(showing.AGAIN / 10)
    assert len(room.view.ensured) < 12


def test_without_tmux_nothing_is_tried_again(room: Room) -> None:
    room.showing.soon()
    room.pass_time(1.0)
    room.happen(TmuxMissing())
    assert room.pass_time(showing.AGAIN * 2) == 0
    assert "tmux is not installed" in room.said[0]


def test_a_view_that_is_always_due_does_not_spin(room: Room) -> None:
    room.view.when = 0.0
    room.showing.poll()
    room.showing.soon()
    assert room.pass_time(1.0) == 1
