"""What is said of a project that was brought up: never that it runs before that is seen."""

from __future__ import annotations

from typing import Any

import pytest
from loops.projects.fleet.arrival import DEATHS, STAYS, Asked, judge, too_late
from loops.projects.fleet.asking import Silence
from loops.projects.fleet.fate import Fate
from loops.projects.fleet.roster import Listed

SHOP = Asked(Listed("shop", "/srv/shop/agents.toml"), fresh=True, started=("builder",))
LOGS = "loops --config /srv/shop/agents.toml logs builder"


def row(state: str, **facts: Any) -> dict[str, Any]:
    alive = state in ("RUNNING", "STARTING", "ENDING", "LIMIT", "PROVIDER", "BLOCKED", "ASKS")
    usual = {"name": "builder", "kind": "loop", "state": state, "since": 60.0, "pid": 7 if alive else 0}
    return {**usual, "incarnation": 1, "code": None, "hold": "", "doing": "", **facts}


def told(*rows: dict[str, Any], complete: bool = False) -> dict[str, Any]:
    watchdog = row("RUNNING", name="watchdog", kind="service")
    return {"ok": True, "phase": {"complete": complete}, "agents": [*rows, watchdog]}


def test_it_runs_when_every_agent_has_run_for_a_moment() -> None:
    assert judge(SHOP, told(row("RUNNING", since=STAYS)), {}) == Fate("shop", True, "running: 1 agent")


@pytest.mark.parametrize(
    "early",
    [
        row("RUNNING", since=STAYS / 2),
        row("STARTING"),
        row("RESTARTING"),
        row("stopped"),
        row("ENDING"),
    ],
    ids=lambda early: early["state"],
)
def test_nothing_is_said_too_early_and_at_the_end_that_it_was_too_late(early: dict[str, Any]) -> None:
    assert judge(SHOP, told(early), {}) is None

    late = too_late(SHOP, told(early), 30.0)
    assert (late.ok, late.next) == (False, LOGS)
    assert f"not all ran within 30 s: builder is {early['state']}" in late.text


@pytest.mark.parametrize("state", ["CRASH LOOP", "FAILED", "OVER BUDGET"])
def test_what_does_not_come_by_itself_failed_and_says_why(state: str) -> None:
    assert judge(SHOP, told(row(state, doing="because")), {}) == Fate(
        "shop", False, f"builder is {state} (because)", LOGS
    )


def test_an_agent_that_dies_again_and_again_failed_before_the_patience_is_over() -> None:
    first: dict[tuple[str, str], int] = {}

    assert judge(SHOP, told(row("RESTARTING", incarnation=5)), first) is None
    assert judge(SHOP, told(row("RUNNING", since=0.1, incarnation=5 + DEATHS)), first) is None
    fate = judge(SHOP, told(row("RESTARTING", incarnation=5 + DEATHS, code=1)), first)

    assert fate == Fate("shop", False, "builder ends again and again, the last time with status 1", LOGS)


@pytest.mark.parametrize(
    "waits",
    [
        row("LIMIT", hold="limit_reached"),
        row("RESTARTING", hold="limit_reached", incarnation=9),
        row("PROVIDER", hold="provider_unavailable"),
        row("BLOCKED", hold="denied"),
        row("ASKS"),
    ],
    ids=lambda waits: f"{waits['state']} {waits['hold']}",
)
def test_what_waits_is_up_and_it_is_said_for_what(waits: dict[str, Any]) -> None:
    fate = judge(SHOP, told({**waits, "doing": "for a reason"}), {("shop", "builder"): 1})

    assert fate is not None
    assert fate.ok
    assert f"builder is {waits['state']} (for a reason)" in fate.text


def test_an_agent_that_died_of_what_only_a_person_can_mend_failed() -> None:
    blocked = row("RESTARTING", hold="auth", doing="next try in 1h: auth: log in")

    assert judge(SHOP, told(blocked), {}) == Fate(
        "shop", False, "builder is RESTARTING (next try in 1h: auth: log in)", LOGS
    )


def test_a_task_a_disabled_agent_and_the_loops_of_a_complete_plan_are_not_missed() -> None:
    asked = Asked(SHOP.listed)
    rows = (
        row("RUNNING", name="orchestrator", kind="persistent"),
        row("ended", name="report", kind="task"),
        row("stopped (disabled)", name="spare"),
        row("stopped"),
    )

    fate = judge(asked, told(*rows, complete=True), {})

    assert fate == Fate("shop", True, "running already: 1 agent; the last phase is complete")


@pytest.mark.parametrize("silence", list(Silence))
def test_a_supervisor_that_says_nothing_is_the_doctor_s_business(silence: Silence) -> None:
    late = too_late(SHOP, silence, 30.0)

    assert (late.ok, late.next) == (False, "loops fleet doctor shop")
