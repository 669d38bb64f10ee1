"""What a start removes of the incarnations before it."""

from __future__ import annotations

import os
from pathlib import Path

from loops.places import State as StatePlaces
from loops.supervisor import past_runs

NOW = 2_000_000_000.0
LONG_AGO = NOW - past_runs.FORGOTTEN_AFTER - 1


def run(places: StatePlaces, number: int, written: float) -> None:
    path = Path(places.runs, "one", str(number))
    (path / "raw").mkdir(parents=True)
    (path / "raw" / "out.jsonl").write_text("{}\n")
    (path / "events.normalized.jsonl").write_text("{}\n")
    os.utime(path / "events.normalized.jsonl", (written, written))


def left(places: StatePlaces) -> list[int]:
    return sorted(int(path.name) for path in Path(places.runs, "one").iterdir())


def test_the_newest_runs_stay_however_old_they_are(tmp_path: Path) -> None:
    places = StatePlaces(str(tmp_path))
    for number in range(1, past_runs.KEPT + 3):
        run(places, number, LONG_AGO)
    past_runs.drop(places, "one", past_runs.KEPT + 3, NOW)
    assert left(places) == list(range(3, past_runs.KEPT + 3))


def test_a_row_of_crashes_does_not_drive_out_what_happened_before_it(tmp_path: Path) -> None:
    places = StatePlaces(str(tmp_path))
    run(places, 1, NOW - 86_400)
    for number in range(2, 3 * past_runs.KEPT):
        run(places, number, NOW)
    past_runs.drop(places, "one", 3 * past_runs.KEPT, NOW)
    assert 1 in left(places)


def test_a_start_does_not_wait_for_a_long_tidying(tmp_path: Path) -> None:
    places = StatePlaces(str(tmp_path))
    for number in range(1, past_runs.KEPT + 11):
        run(places, number, LONG_AGO)
    past_runs.drop(places, "one", 99, NOW)
    assert left(places)[0] == past_runs.AT_ONCE + 1
    for _ in range(9):
        past_runs.drop(places, "one", 99, NOW)
    assert len(left(places)) == past_runs.KEPT


def test_signals_and_answers_go_with_their_incarnation(tmp_path: Path) -> None:
    places = StatePlaces(str(tmp_path))
    for number in (1, 2):
        Path(places.signals).mkdir(exist_ok=True, parents=True)
        Path(places.signals, f"one.{number}.jsonl").touch()
        Path(places.answers, f"one.{number}").mkdir(parents=True)
    past_runs.drop(places, "one", 2, NOW)
    assert os.listdir(places.signals) == ["one.2.jsonl"]
    assert os.listdir(places.answers) == ["one.2"]


def test_an_agent_without_recordings_leaves_nothing_to_tidy(tmp_path: Path) -> None:
    past_runs.drop(StatePlaces(str(tmp_path)), "one", 1, NOW)
    assert list(tmp_path.iterdir()) == []
