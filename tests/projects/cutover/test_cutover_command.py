"""`loops cutover plan` as it is typed: the plan that a cutover was done by stays, for the way back needs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.cli.entry import run
from loops.projects.cutover.position import Entry, Mark
from loops.projects.cutover.record import Places, Record, kept_plan

AGENTS = """\
[defaults]
session_prefix = "ci-"
log_dir = ".ao-state"
backend = "claude"

[[agent]]
name = "boss"
kind = "persistent"
prompt_file = "boss.md"
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A live deployment and its staged project, as words of a command."""
    live, staged = tmp_path / "live", tmp_path / "staged"
    live.mkdir()
    (live / "agents.toml").write_text(AGENTS)
    (live / "agents.py").write_text("")
    (live / "boss.md").write_text("Watch.\n")
    assert run(["migrate", str(live), "--to", str(staged)]) == 0
    return [str(live), str(staged)]


@pytest.fixture
def places(words: list[str]) -> Places:
    return Places(f"{words[1]}/.loops")


def test_a_plan_may_be_made_again_before_the_cutover(words: list[str], places: Places):
    assert run(["cutover", "plan", *words]) == 0
    first = Path(places.plan).read_bytes()

    assert run(["cutover", "plan", *words, "--soak", "5"]) == 0

    assert Path(places.plan).read_bytes() != first


def test_a_unit_whose_file_is_nowhere_is_told(words: list[str], places: Places):
    assert run(["cutover", "plan", *words, "--unit", "no-such-unit-anywhere.service"]) == 0

    assert "No file of no-such-unit-anywhere.service" in " ".join(kept_plan(places).notes)


def test_the_plan_of_a_cutover_that_is_done_stays(words: list[str], places: Places, capsys: pytest.CaptureFixture[str]):
    run(["cutover", "plan", *words])
    kept = Path(places.plan).read_bytes()
    with Record(places) as book:
        book.append(Entry(Mark.BEGUN))
        book.append(Entry(Mark.ARRIVED))

    code = run(["cutover", "plan", *words, "--soak", "5"])

    assert code == 1
    assert "--back" in capsys.readouterr().err
    assert Path(places.plan).read_bytes() == kept


def test_no_plan_is_made_while_another_process_runs_one(words: list[str], places: Places):
    run(["cutover", "plan", *words])
    kept = Path(places.plan).read_bytes()

    with Record(places):
        code = run(["cutover", "plan", *words, "--soak", "5"])

    assert code == 1
    assert Path(places.plan).read_bytes() == kept


def test_a_live_side_that_has_moved_on_since_its_state_was_carried_can_be_cut_over(
    words: list[str], places: Places, tmp_path: Path
):
    state = tmp_path / "live" / ".ao-state" / "state"
    state.mkdir(parents=True)
    (state / "boss.id").write_text("first")
    staged = str(tmp_path / "carried")
    run(["migrate", words[0], "--to", staged, "--carry-state"])
    (state / "boss.id").write_text("second")
    run(["cutover", "plan", words[0], staged])
    look = next(c for c in kept_plan(Places(f"{staged}/.loops")).steps[0].after if "parity" in c.command.words)

    assert run(["parity", words[0], staged]) == 1
    assert run(list(look.command.words[1:])) == 0
