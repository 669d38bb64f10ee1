"""What is used, what it cost, and for which gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from brain_world import ADVERSARY, BUILDER, World, project
from hypothesis import given
from hypothesis import strategies as st
from loops.agents import port
from loops.config.model import Budget, Config, Granularity, Price
from loops.supervisor import events as ev
from loops.supervisor import spending, table
from loops.supervisor.action import LogTokens
from loops.supervisor.state import Usage
from loops.supervisor.token_log import TokenLog, document

PRICES = {"small": Price(input=2.0, cached=0.2, output=10.0)}


def priced(**watchdog: Any) -> Config:
    return replace(project(BUILDER, ADVERSARY, log_tokens=True, **watchdog), prices=PRICES)


def used(world: World, name: str, tokens: int, usd: float | None = 0.5) -> None:
    world.says(name, port.UsageReported(tokens, 0, usd))


# ---- cost --------------------------------------------------------------------------------------------------------------


def test_the_backends_own_cost_counts_before_the_price_table():
    world = World(priced())
    world.says("builder", port.UsageReported(1_000_000, 0, 0.25))
    event = world.happened(ev.UsageUpdated)[0]
    assert (event.usd, event.basis) == (0.25, "backend")


def test_the_price_table_has_a_price_of_its_own_for_cached_input():
    world = World(priced())
    world.says("builder", port.UsageReported(1_000_000, 100_000, None, cached_tokens=900_000))
    event = world.happened(ev.UsageUpdated)[0]
    assert event.usd == pytest.approx(0.1 * 2.0 + 0.9 * 0.2 + 0.1 * 10.0)
    assert (event.basis, event.model, event.cached_tokens) == ("prices", "small", 900_000)


def test_the_model_that_answered_is_the_one_that_is_priced():
    world = World(replace(priced(), prices={**PRICES, "tiny-1": Price(1.0, 1.0, 1.0)}))
    world.says("builder", port.UsageReported(1_000_000, 0, None, model="tiny-1"))
    assert world.happened(ev.UsageUpdated)[0].usd == pytest.approx(1.0)


def test_a_cost_that_nobody_knows_is_not_nothing():
    world = World(project(BUILDER))
    world.says("builder", port.UsageReported(100, 5))
    assert world.happened(ev.UsageUpdated)[0].usd is None
    assert world.agent("builder").usage["1"].cost is None
    [row] = spending.metered(world.journal)
    assert spending.cost_text(row.usd, row.unpriced) == "?"
    used(world, "builder", 10, 0.5)
    [both] = spending.together(spending.metered(world.journal), ("agent",))
    assert spending.cost_text(both.usd, both.unpriced) == "0.50+?"


# ---- a cost that is told with the turn's end ---------------------------------------------------------------------------


def turn_of(world: World, *requests: int, usd: float | None, model: str = "") -> None:
    """What claude says: the tokens of each request, then the rest of the turn with the money for all of it."""
    world.says("builder", port.TurnStarted())
    for tokens in requests:
        world.says("builder", port.UsageReported(tokens, 1, None, model=model))
    world.says("builder", port.UsageReported(0, 40, usd, model=model, turn=True), port.TurnEnded())


def cost_of(world: World) -> str:
    [row] = spending.together(spending.metered(world.journal), ("agent",))
    return spending.cost_text(row.usd, row.unpriced)


def test_a_cost_that_is_told_with_the_turns_end_is_that_of_its_requests_too():
    world = World(project(BUILDER))
    turn_of(world, 100, 200, usd=0.5)
    turn_of(world, 300, usd=0.25)
    assert cost_of(world) == "0.75"


def test_the_price_table_speaks_until_the_backend_does_and_nothing_is_counted_twice():
    world = World(priced())
    world.says("builder", port.TurnStarted(), port.UsageReported(100_000, 0, None))
    assert cost_of(world) == "0.20"
    world.says("builder", port.UsageReported(0, 40, 0.5, turn=True), port.TurnEnded())
    assert cost_of(world) == "0.50"


def test_a_turn_that_was_cut_off_stays_at_an_unknown_cost():
    world = World(project(BUILDER))
    world.says("builder", port.TurnStarted(), port.UsageReported(100, 0, None), port.TurnEnded(failed=True))
    turn_of(world, 100, usd=0.5)
    assert cost_of(world) == "0.50+?"


def test_a_backend_that_tells_nothing_but_turns_has_them_for_requests():
    world = World(project(BUILDER))
    world.says("builder", port.TurnStarted(), port.UsageReported(700, 40, 0.5, turn=True), port.TurnEnded())
    assert world.agent("builder").last_request == Usage(700, 40, 0.5)


def test_what_is_in_flight_is_a_request_and_not_the_rest_of_a_turn():
    world = World(project(BUILDER))
    turn_of(world, 100, 200, usd=0.5)
    last = world.agent("builder").last_request
    assert (last.tokens, last.usd) == (201, 0.5)
    world.says("builder", port.TurnStarted(), port.UsageReported(300, 1, None))
    last = world.agent("builder").last_request
    assert (last.tokens, last.usd) == (301, 0.5)


def test_status_says_that_a_budget_in_usd_does_not_see_what_nobody_prices():
    world = World(project(replace(BUILDER, budget=Budget(usd=5.0))))
    turn_of(world, 1000, usd=0.5)
    world.says("builder", port.TurnStarted(), port.UsageReported(5000, 0, None))
    assert table.notes(world.state) == []  # its cost comes with the turn's end
    world.says("builder", port.TurnEnded(failed=True))
    [note] = table.notes(world.state)
    assert "5,000 tokens of builder" in note
    assert "[prices]" in note


# ---- gates -------------------------------------------------------------------------------------------------------------


def test_what_an_agent_used_is_for_the_gate_of_its_next_claim_or_verdict_and_the_rest_the_phases():
    world = World(priced())
    used(world, "builder", 100)
    used(world, "adversary", 7)
    world.claims("D1")
    used(world, "builder", 30)
    used(world, "adversary", 50)
    world.passes("D1")
    used(world, "adversary", 1)
    found = {(r.agent, r.gate): r.total for r in spending.metered(world.journal)}
    assert found == {("builder", "D1"): 100, ("builder", ""): 30, ("adversary", "D1"): 57, ("adversary", ""): 1}


def test_gates_and_phases_are_measured_once_each_with_their_seconds():
    world = World(priced())
    world.now += 60
    used(world, "builder", 100)
    world.claims("D1")
    world.now += 40
    used(world, "adversary", 50)
    world.passes("D1")
    world.marks_done("D1")
    rows = world.happened(ev.TokensMeasured)
    assert [(r.row, r.phase, r.gate, r.kind, r.seconds) for r in rows] == [
        (1, "1", "D1", "claim", 60.0),
        (2, "1", "D1", "verdict", 100.0),
        (3, "1", "", "phase", 100.0),
    ]
    assert [r.upto for r in world.acted(LogTokens)] == [1, 2, 3]
    assert rows[2].agents["builder"]["tokens"] == 100


def test_with_granularity_phase_only_the_phases_are_rows_of_the_log():
    world = World(priced(token_granularity=Granularity.PHASE))
    world.finish_phase("D1")
    assert [e.logged for e in world.happened(ev.TokensMeasured)] == [False, False, True]
    assert [(a.upto, a.after) for a in world.acted(LogTokens)] == [(3, 0)]


def test_a_row_is_what_the_earlier_engine_wrote_and_more():
    world = World(priced())
    used(world, "builder", 100)
    world.claims("D1")
    row = document(world.happened(ev.TokensMeasured)[0])
    assert (row["phase_id"], row["tokens"], row["total"], row["usd"]) == ("1:D1", {"builder": 100}, 100, 0.5)
    assert row["agents"]["builder"]["model"] == "small"


# ---- the file ------------------------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[int]:
    return [json.loads(line)["row"] for line in path.read_text().splitlines() if "row" in json.loads(line)]


def whole_phase() -> World:
    world = World(priced())
    for item in ("D1", "E1"):
        world.finish_phase(item)
    return world


def test_each_row_is_written_exactly_once_wherever_the_supervisor_is_killed(tmp_path: Path):
    world = whole_phase()
    acts = world.acted(LogTokens)
    assert len(acts) == 6

    def rows() -> Iterator[ev.Event]:
        return iter(world.journal)

    for kill in range(len(acts) + 1):
        path = tmp_path / f"log-{kill}"
        first = TokenLog(str(path), rows)
        for act in acts[:kill]:
            first.bring(act)
        second = TokenLog(str(path), rows)  # it repeats the last act before it goes on
        second.bring(LogTokens(6))
        second.bring(acts[-1])
        assert rows_of(path) == [1, 2, 3, 4, 5, 6]


@given(st.integers(0, 400))
def test_a_row_that_was_cut_off_is_written_anew(cut: int):
    import tempfile

    world = whole_phase()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        TokenLog(str(path), lambda: world.journal).bring(LogTokens(6))
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - cut)])
        TokenLog(str(path), lambda: world.journal).bring(LogTokens(6))
        assert path.read_bytes() == whole


def test_the_earlier_engines_rows_stay(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text('{"phase_id": "1c:M1", "tokens": {"builder": 77}}')
    world = whole_phase()
    TokenLog(str(path), lambda: world.journal).bring(LogTokens(6))
    assert path.read_text().startswith('{"phase_id": "1c:M1", "tokens": {"builder": 77}}\n{')
    assert rows_of(path) == [1, 2, 3, 4, 5, 6]


def test_a_supervisor_that_comes_back_brings_the_log_up_to_the_journal():
    world = whole_phase()
    world.crash()
    world.begin()
    assert world.acted(LogTokens)[-1] == LogTokens(6)
