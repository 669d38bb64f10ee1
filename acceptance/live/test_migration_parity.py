"""Gate: a migrated project is its live deployment again, and every planted difference is found, named, and the only one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from loops import config
from loops.projects.deployment.reading import read
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Verdict
from operator_shell import Operator

from .live_deployment import Live, engine_live
from .planted import LIVE, PLANTED, SEVERAL, STAGED, Edit, Findings, Planted, at, dropped, phase, planted

TODAY = date(2026, 6, 14)


@dataclass(frozen=True, slots=True)
class Pair:
    """A live deployment that does not run, and the project that was staged from it."""

    live: Live
    staged: Path

    def bad(self) -> Findings:
        """What keeps parity from being reached now, by place."""
        compared = compare(read(str(self.live.source)), read(str(self.staged)), (), TODAY)
        return {str(finding.place): finding.verdict.value for finding in compared.findings if finding.verdict.bad}


def found(told: dict[str, Any]) -> Findings:
    """The bad findings of the command's JSON."""
    return {each["place"]: each["class"] for each in told["findings"] if each["class"].isupper()}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One migration for the whole table; each difference is planted, and taken away again."""
    root = Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp"))
    live = engine_live(root / "srv")
    person = Operator(root)
    person.types(f"loops migrate {live.source} --to {root / 'staged'}")
    yield Pair(live, root / "staged")
    person.leaves()
    shutil.rmtree(root)


def test_nothing_is_bad_after_the_migration(pair: Pair):
    compared = compare(read(str(pair.live.source)), read(str(pair.staged)), (), TODAY)

    assert pair.bad() == {}
    assert sum(finding.verdict is Verdict.SAME for finding in compared.findings) > 200
    assert {str(f.place) for f in compared.findings if f.verdict is Verdict.EXPECTED} == {
        "loop: log_dir",
        "loop: phase index",
        "loop: complete",
        "agent orchestrator: conversation",
        "agent builder: conversation",
        "agent adversary: conversation",
    }


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.name)
def test_a_planted_difference_is_found_and_nothing_else(pair: Pair, plant: Planted):
    root = pair.live.source if plant.live else pair.staged

    with planted(root, plant.edit):
        assert pair.bad() == plant.finds

    assert pair.bad() == {}, "it was not taken away"


def test_there_are_more_than_forty_planted_differences_of_all_kinds():
    assert len(STAGED) + len(LIVE) + 1 == len(PLANTED) == len({plant.name for plant in PLANTED})
    assert len(PLANTED) > 40
    assert len(SEVERAL.finds) == 4


def test_nobody_is_isolated_who_was_not(pair: Pair):
    agents = config.load(str(pair.staged / "agents.toml")).agents

    assert {name: agents[name].isolate for name in ("builder", "adversary")} == {"builder": False, "adversary": False}


def test_the_command_names_what_is_planted_and_says_so_by_its_exit_code(pair: Pair, tmp_path: Path):
    person = Operator(tmp_path)

    clean = person.types(f"loops parity {pair.live.source} {pair.staged}")
    with planted(pair.staged, SEVERAL.edit):
        told = json.loads(person.types(f"loops parity {pair.live.source} {pair.staged} --json", code=1).text)
        shown = person.types(f"loops parity {pair.live.source} {pair.staged} --wide", code=1)

    person.leaves()
    assert "DIFFERENT" not in clean.text
    assert "MISSING" not in clean.text
    assert found(told) == SEVERAL.finds
    assert all(place in shown.text for place in SEVERAL.finds)


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (dropped("builder"), "loop.handoff.builder"),
        (dropped("report"), "loop.on_complete"),
        (at("defaults", "session_prefix"), "session_prefix"),
        (phase("2", id="1"), "loop.phases"),
    ],
    ids=["a loop agent missing", "the task of on_complete missing", "no prefix", "two phases of one name"],
)
def test_a_staged_project_that_cannot_be_run_is_refused_with_the_place(
    pair: Pair, tmp_path: Path, edit: Edit, names: str
):
    person = Operator(tmp_path)

    with planted(pair.staged, edit):
        said = person.types(f"loops parity {pair.live.source} {pair.staged}", code=3)

    person.leaves()
    assert names in said.text
