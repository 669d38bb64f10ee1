"""Adding, removing and changing entries on disk: whole, alone, and never into a bad state."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from fleet_samples import project
from loops.config import ConfigProblems
from loops.config.fleet import Entry, load_fleet
from loops.errors import LoopsError, UsageError
from loops.projects.fleet import registry


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """A fleet of one project, a."""
    project(tmp_path / "a", "a-")
    path = tmp_path / "fleet.toml"
    path.write_text('# mine\n[[project]]\nname = "a"\nlocation = "a"\nref = "v1" # pin\n')
    return str(path)


def names(path: str) -> list[str]:
    return [each.name for each in load_fleet(path).projects]


def test_a_first_project_makes_the_file(tmp_path: Path):
    project(tmp_path / "a", "a-")
    path = str(tmp_path / "fleet.toml")

    registry.add(path, Entry("a", "a"))

    assert names(path) == ["a"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_adding_and_removing_leaves_the_same_bytes_and_mode(fleet: str, tmp_path: Path):
    os.chmod(fleet, 0o640)
    before = Path(fleet).read_bytes()
    project(tmp_path / "b", "b-")

    registry.add(fleet, Entry("b", "b"))
    assert names(fleet) == ["a", "b"]
    registry.remove(fleet, "b")

    assert Path(fleet).read_bytes() == before
    assert stat.S_IMODE(os.stat(fleet).st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "fleet.toml"]


def test_a_symbolic_link_stays_one(fleet: str, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "fleet.toml"
    link.symlink_to(fleet)
    project(tmp_path / "b", "b-")

    registry.add(str(link), Entry("b", "b"))

    assert link.is_symlink()
    assert "b" in names(fleet)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (Entry("b", "nowhere"), "there is no directory"),
        (Entry("b", "a"), "one project needs one name"),
        (Entry("b", "same"), 'session_prefix "a-" of'),
        (Entry("b", "broken"), "1 mistake"),
        (Entry("b", "good", secrets=("hunter2",)), "where a location belongs"),
        (Entry("B b", "good"), "small letters"),
        (Entry("b", "good", ref="-x"), "must be a tag"),
        (Entry("b", "good", dir="x"), "leave it out"),
    ],
)
def test_what_validate_would_refuse_is_not_written(fleet: str, tmp_path: Path, entry: Entry, told: str):
    project(tmp_path / "same", "a-")
    project(tmp_path / "good", "good-")
    project(tmp_path / "broken", "broken-", more="[nonsense]\n")
    before = Path(fleet).read_bytes()

    with pytest.raises(ConfigProblems, match=told):
        registry.add(fleet, entry)

    assert Path(fleet).read_bytes() == before


def test_a_mistake_that_stands_already_keeps_nobody_from_adding(fleet: str, tmp_path: Path):
    with open(fleet, "a", encoding="utf-8") as file:
        file.write('[[project]]\nname = "gone"\nlocation = "gone"\n')
    project(tmp_path / "b", "b-")

    registry.add(fleet, Entry("b", "b"))

    assert names(fleet) == ["a", "gone", "b"]


def test_a_url_needs_no_checkout(fleet: str):
    registry.add(fleet, Entry("b", "https://example.org/b.git"))

    assert names(fleet) == ["a", "b"]


def test_a_name_that_is_taken_is_refused(fleet: str):
    with pytest.raises(UsageError, match="there is a project 'a' already"):
        registry.add(fleet, Entry("a", "https://example.org/a.git"))


def test_two_at_a_time_lose_nothing(fleet: str):
    wanted = [f"p{number}" for number in range(12)]
    failed: list[Exception] = []

    def enter(name: str) -> None:
        try:
            registry.add(fleet, Entry(name, f"https://example.org/{name}.git"))
        except LoopsError as error:
            failed.append(error)

    threads = [threading.Thread(target=enter, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert sorted(names(fleet)) == sorted(["a", *wanted])


def test_what_an_editor_saves_at_that_very_moment_is_not_lost(fleet: str, monkeypatch: pytest.MonkeyPatch):
    theirs = "# theirs\n"
    edit = registry.edits.with_ref

    def meanwhile(path: str, raw: bytes, name: str, ref: str) -> bytes:
        Path(fleet).write_text(theirs)
        return edit(path, raw, name, ref)

    monkeypatch.setattr(registry.edits, "with_ref", meanwhile)

    with pytest.raises(LoopsError, match="somebody else changed it at this very moment"):
        registry.set_ref(fleet, "a", "v2")

    assert Path(fleet).read_text() == theirs


def test_a_full_disk_leaves_the_file_and_nothing_beside_it(fleet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = Path(fleet).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(LoopsError, match="No space left on device; nothing was written"):
        registry.set_ref(fleet, "a", "v2")

    assert Path(fleet).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a", "fleet.toml"]


def test_a_ref_is_set_and_taken_back_byte_for_byte(fleet: str):
    before = Path(fleet).read_bytes()
    change = registry.RefChange(fleet, "a", "v2")

    change.take_back()
    assert Path(fleet).read_bytes() == before
    change.make()
    assert load_fleet(fleet).entry("a").ref == "v2"
    change.take_back()

    assert Path(fleet).read_bytes() == before


def test_a_ref_is_taken_back_without_the_edits_of_others(fleet: str):
    change = registry.RefChange(fleet, "a", "v2")
    change.make()
    with open(fleet, "a", encoding="utf-8") as file:
        file.write("# theirs\n")

    change.take_back()

    assert load_fleet(fleet).entry("a").ref == "v1"
    assert Path(fleet).read_text().endswith("# theirs\n")


def test_a_ref_that_cannot_stand_there_is_refused(fleet: str):
    with pytest.raises(ConfigProblems, match="must be a tag"):
        registry.check_ref(fleet, "a", "a b")
