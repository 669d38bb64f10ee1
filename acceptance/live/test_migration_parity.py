"""Gate: a migrated project is its live deployment again, and every planted difference is found, named, and the only one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from loops import config
from loops.projects.deployment.reading import read
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Comparison, Verdict
from operator_shell import Operator

from .conftest import MAKERS
from .live_deployment import ENGINE, LAUNCHERS, Live
from .planted import LIVE, NO_DIFFERENCE, OF_LAUNCHERS, PLANTED, SEVERAL, STAGED, UNTOLD
from .planting import Edit, Findings, Planted, at, dropped, phase, planted

TODAY = date(2026, 6, 14)
CASES = [(form, plant) for form, table in ((ENGINE, PLANTED), (LAUNCHERS, OF_LAUNCHERS)) for plant in table]


@dataclass(frozen=True, slots=True)
class Pair:
    """A live deployment that does not run, and the project that was staged from it."""

    live: Live
    staged: Path

    def comparison(self) -> Comparison:
        return compare(read(str(self.live.source)), read(str(self.staged)), (), TODAY)

    def bad(self) -> Findings:
        """What keeps parity from being reached now, by place."""
        return {str(each.place): each.verdict.value for each in self.comparison().findings if each.verdict.bad}


@pytest.fixture(scope="module")
def pairs() -> Iterator[Callable[[str], Pair]]:
    """One migration of each form for the whole table; each difference is planted, and taken away again."""
    root = Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp"))
    person = Operator(root)

    @cache
    def made(form: str) -> Pair:
        live = MAKERS[form](root / form)
        person.types(f"loops migrate {live.source} --to {root / 'staged'}-{form}")
        return Pair(live, root / f"staged-{form}")

    yield made
    person.leaves()
    shutil.rmtree(root)


@pytest.fixture
def pair(pairs: Callable[[str], Pair]) -> Pair:
    """That of the earlier engine."""
    return pairs(ENGINE)


@pytest.mark.parametrize("form", MAKERS)
def test_nothing_is_bad_after_the_migration(pairs: Callable[[str], Pair], form: str):
    compared = pairs(form).comparison()

    assert pairs(form).bad() == {}
    assert sum(finding.verdict is Verdict.SAME for finding in compared.findings) > 200
    assert {str(each.place) for each in compared.findings if each.verdict is Verdict.EXPECTED} == {
        *(["loop: log_dir"] if form == ENGINE else []),
        "loop: phase index",
        "loop: complete",
        "agent orchestrator: conversation",
        "agent builder: conversation",
        "agent adversary: conversation",
    }


@pytest.mark.parametrize(("form", "plant"), CASES, ids=[f"{form}: {plant.name}" for form, plant in CASES])
def test_a_planted_difference_is_found_and_nothing_else(pairs: Callable[[str], Pair], form: str, plant: Planted):
    pair = pairs(form)
    root = pair.live.source if plant.live else pair.staged

    with planted(root, plant.edit):
        assert pair.bad() == plant.finds

    assert pair.bad() == {}, "it was not taken away"


@pytest.mark.parametrize("name", UNTOLD)
def test_what_the_launchers_do_not_tell_is_listed_as_not_compared(pairs: Callable[[str], Pair], name: str):
    pair = pairs(LAUNCHERS)
    plant = next(plant for plant in STAGED if plant.name == name)

    with planted(pair.staged, plant.edit):
        gaps = {str(gap.place) for gap in pair.comparison().gaps}

    assert plant.finds.keys() <= gaps


@pytest.mark.parametrize(("name", "edit"), NO_DIFFERENCE, ids=[name for name, _ in NO_DIFFERENCE])
def test_what_changes_nothing_of_what_runs_is_no_difference(pairs: Callable[[str], Pair], name: str, edit: Edit):
    pair = pairs(LAUNCHERS)

    with planted(pair.live.source, edit):
        assert pair.bad() == {}, name


def test_there_are_more_than_forty_planted_differences_of_each_form():
    assert len(STAGED) + len(LIVE) + 1 == len(PLANTED) == len({plant.name for plant in PLANTED})
    assert len(PLANTED) > 40
    assert len(OF_LAUNCHERS) == len({plant.name for plant in OF_LAUNCHERS}) > 40
    assert len(SEVERAL.finds) == 4


@pytest.mark.parametrize("form", MAKERS)
def test_nobody_is_isolated_who_was_not(pairs: Callable[[str], Pair], form: str):
    agents = config.load(str(pairs(form).staged / "agents.toml")).agents

    assert {name: agents[name].isolate for name in ("builder", "adversary")} == {"builder": False, "adversary": False}


@pytest.mark.parametrize("form", MAKERS)
def test_a_staged_kickoff_is_what_the_live_program_says(pairs: Callable[[str], Pair], form: str):
    pair = pairs(form)
    said = pair.live.kickoffs()

    rendered = read(str(pair.staged)).kickoffs

    assert rendered is not None
    assert len(said) == 38
    assert {place: text.strip() for place, text in rendered.items()} == {p: text.strip() for p, text in said.items()}


def test_the_command_names_what_is_planted_and_says_so_by_its_exit_code(pair: Pair, tmp_path: Path):
    person = Operator(tmp_path)

    clean = person.types(f"loops parity {pair.live.source} {pair.staged}")
    with planted(pair.staged, SEVERAL.edit):
        told = json.loads(person.types(f"loops parity {pair.live.source} {pair.staged} --json", code=1).text)
        shown = person.types(f"loops parity {pair.live.source} {pair.staged} --wide", code=1)

    person.leaves()
    assert "DIFFERENT" not in clean.text
    assert "MISSING" not in clean.text
    assert {each["place"]: each["class"] for each in told["findings"] if each["class"].isupper()} == SEVERAL.finds
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
