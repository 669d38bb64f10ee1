"""A rehearsal begins when the live side has come up on its copy; else it says who has not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_side
from loops.projects.cutover import inside, sighting
from loops.projects.cutover.sighting import Session

KEEPER = Session("keeper", 7, 70)
Look = Callable[[float], list[Session]]


@pytest.fixture
def awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Look], str]:
    """Wait for builder and keeper, when at each second these are the sessions; time is not the machine's."""

    def wait(look: Look) -> str:
        clock = SimpleNamespace(now=0.0)

        def sleep(seconds: float) -> None:
            clock.now += seconds

        monkeypatch.setattr(inside, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
        monkeypatch.setattr(sighting, "live_sessions", lambda ground: {each.name: each for each in look(clock.now)})
        return inside._awaited(toy_side.toy_plan(tmp_path), frozenset({"builder", "keeper"}))

    return wait


def test_sessions_that_stay_are_waited_for(awaited: Callable[[Look], str]) -> None:
    assert awaited(lambda now: [KEEPER, Session("builder", 8, 80)] if now > 20 else [KEEPER]) == ""


@pytest.mark.parametrize(
    "builders",
    [
        pytest.param(lambda now: [], id="never there"),
        pytest.param(lambda now: [Session("builder", int(now), int(now))], id="another one each second"),
        pytest.param(lambda now: [Session("builder", 8, 80)] * (int(now) % 2), id="there and gone"),
    ],
)
def test_who_does_not_stay_is_named_and_nobody_else(awaited: Callable[[Look], str], builders: Look) -> None:
    assert awaited(lambda now: [KEEPER, *builders(now)]).startswith("sessions that do not stay: builder;")
