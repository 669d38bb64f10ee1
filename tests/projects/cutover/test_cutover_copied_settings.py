"""A rehearsal reads the live side by the same unit and variables as the cutover, wherever they lie, and sees no secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cutover_world import ground, words
from hypothesis import given
from hypothesis import strategies as st
from loops.projects.cutover.copied_settings import lay, variables
from loops.projects.cutover.copying import Copied
from loops.projects.cutover.rehearsed import Asked
from loops.projects.cutover.steps import build
from loops.projects.deployment import unit_file

PLANTED = "pl4nt3d"


def asked(unit: Path | str = "", *env_files: Path) -> Asked:
    plan = build(replace(ground(), unit_file=str(unit)), words())
    return Asked(plan, (), (), "", env_files=tuple(map(str, env_files)), shown=frozenset({"LOOP_MODEL"}))


def test_what_lies_elsewhere_is_laid_and_named(tmp_path: Path) -> None:
    unit, variables_ = tmp_path / "x.service", tmp_path / "conf" / "ci.env"
    unit.write_text("[Service]\n")
    variables_.parent.mkdir()
    variables_.write_text(f"LOOP_MODEL='o p'\nKIMI_KEY={PLANTED}\n")
    copy, found = tmp_path / "copy", Copied()

    apart = lay(asked(unit, variables_), ["/srv/live"], str(copy), found)

    assert apart == [str(unit), str(variables_)]
    assert Path(f"{copy}{unit}").read_text() == "[Service]\n"
    assert Path(f"{copy}{variables_}").read_text() == 'LOOP_MODEL="o p"\n'
    assert any(str(variables_) in line for line in found.left_out)


def test_what_lies_in_the_live_tree_is_there_already_but_for_its_variables(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    inside = Path(f"{copy}{live}")
    for folder in (live, inside):
        folder.mkdir(parents=True)
    (live / "ci.env").write_text(f"LOOP_MODEL=opus\nKIMI_KEY={PLANTED}\n")
    (inside / "ci.env").write_text("{}\n")

    assert lay(asked("", live / "ci.env"), [str(live)], str(copy), Copied()) == []
    assert (inside / "ci.env").read_text() == 'LOOP_MODEL="opus"\n'


def test_nothing_is_written_through_a_link_of_the_copy(tmp_path: Path) -> None:
    live, copy, outside = tmp_path / "live", tmp_path / "copy", tmp_path / "outside"
    inside = Path(f"{copy}{live}")
    for folder in (live, inside, outside):
        folder.mkdir(parents=True)
    (outside / "ci.env").write_text("LOOP_MODEL=opus\nOTHER=1\n")
    for folder in (live, inside):
        (folder / "conf").symlink_to(outside)
        (folder / "one.env").symlink_to(outside / "ci.env")
    found = Copied()

    lay(asked("", live / "conf" / "ci.env", live / "one.env"), [str(live)], str(copy), found)

    assert (outside / "ci.env").read_text() == "LOOP_MODEL=opus\nOTHER=1\n"
    assert (inside / "one.env").read_text() == 'LOOP_MODEL="opus"\n'
    assert any("leads out of the copy" in line for line in found.left_out)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_any_value_is_the_same_in_the_copy(value: str) -> None:
    text = "".join(f"{name}={form}\n" for name, form in (("A", value), ("B", f"'{value}'"), ("C", f'"{value}"')))
    means = {each.name: each.value for each in unit_file.environment_file(text) if each.value is not None}

    again = "".join(variables(text, {"A", "B", "C"}))

    assert {each.name: each.value for each in unit_file.environment_file(again)} == {
        name: value for name, value in means.items() if name in ("A", "B", "C")
    }
