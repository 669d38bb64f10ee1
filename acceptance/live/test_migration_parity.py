"""Gate: a migrated project is its live deployment again, and every planted difference is found, named, and the only one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from loops.projects.deployment.reading import read
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Verdict

from .shell_session import Operator
from .live_deployment import Live, engine_live
from .planted import LIVE, PLANTED, SEVERAL, STAGED, Findings, Planted, planted

TODAY = date(2026, 6, 14)


@dataclass(frozen=True, slots=True)
class Pair:
    """A live deployment that does not run, and the project that was staged from it."""

    live: Live
    staged: Path

    def bad(self) -> Findings:
        """What keeps parity from being reached now, by place."""
        found = compare(read(str(self.live.source)), read(str(self.staged)), (), TODAY)
        return {str(finding.place): finding.verdict.value for finding in found.findings if finding.verdict.bad}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One migration for the whole table; each difference is planted, and taken away again."""
    root = Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp"))
    live = engine_live(root / "srv")
    (root / "home").mkdir()
    Operator(root / "home", root / "run").loops("migrate", str(live.source), "--to", str(root / "staged"))
    yield Pair(live, root / "staged")
    shutil.rmtree(root)


def test_nothing_is_bad_after_the_migration(pair: Pair):
    found = compare(read(str(pair.live.source)), read(str(pair.staged)), (), TODAY)

    assert pair.bad() == {}
    assert sum(finding.verdict is Verdict.SAME for finding in found.findings) > 200
    assert {str(f.place) for f in found.findings if f.verdict is Verdict.EXPECTED} == {
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
