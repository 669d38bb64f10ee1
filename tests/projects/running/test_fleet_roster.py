"""The projects of a fleet, kept so that they come without a TOML parser; and fleet.toml as it is edited."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.errors import LoopsError
from loops.projects.fleet import roster as rosters
from loops.projects.fleet.roster import Listed, Roster
from loops.projects.fleet.roster_file import RosterFile
from loops.supervisor.errands import Result
from loops.supervisor.inotify import Inotify
from loops.supervisor.membership import CrewPlace
from loops.supervisor.reactor import Reactor

ENTRY = '[[project]]\nname = "{name}"\nlocation = "{name}"\nharness = "loops"\nref = ""\nenabled = {on}\nsecrets = ""\n'


class Place:
    """A fleet.toml in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "fleet.toml"
        self.stamp = 1_000_000_000

    def write(self, text: str = "", **entries: bool) -> None:
        """Replace the file; every version is told from every other, and is older than the clock's tick."""
        found = text + "".join(ENTRY.format(name=name, on=str(on).lower()) for name, on in entries.items())
        part = self.root / "part"
        part.write_text(found)
        self.stamp += 1
        os.utime(part, (self.stamp, self.stamp))
        part.replace(self.path)

    def config(self, name: str) -> str:
        return str((self.root / name / "agents.toml").resolve())

    def listed(self, **entries: bool) -> tuple[Listed, ...]:
        return tuple(Listed(name, self.config(name), on) for name, on in entries.items())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="lr-", dir="/tmp") as runtime:
        monkeypatch.setenv("LOOPS_RUNTIME_DIR", f"{runtime}/r")
        yield Place(tmp_path)


def test_what_was_read_once_is_kept_until_the_file_changes(place: Place) -> None:
    place.write(one=True, two=False)

    assert rosters.kept(str(place.path)) is None
    first = rosters.roster(str(place.path))
    kept = rosters.kept(str(place.path))
    place.write(one=True)

    assert first.projects == place.listed(one=True, two=False)
    assert kept == first
    assert rosters.kept(str(place.path)) is None
    assert rosters.roster(str(place.path)).projects == place.listed(one=True)


def test_from_its_cache_it_comes_without_parser_and_validator(place: Place) -> None:
    place.write(one=True)
    rosters.roster(str(place.path))
    script = "import sys; from loops.projects.fleet.roster import roster; roster(sys.argv[1]); print(*sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-c", script, str(place.path)], capture_output=True, text=True, check=True, timeout=60
    )

    assert {"tomllib", "tomlkit", "jsonschema", "subprocess"} & {
        each.partition(".")[0] for each in ran.stdout.split()
    } == set()


def test_a_link_that_leads_elsewhere_counts_at_once(place: Place) -> None:
    (place.root / "a").mkdir()
    (place.root / "b").mkdir()
    (place.root / "one").symlink_to("a")
    place.write(one=True)
    before = rosters.roster(str(place.path)).projects[0].config_path
    (place.root / "one").unlink()
    (place.root / "one").symlink_to("b")

    after = rosters.roster(str(place.path)).projects[0].config_path

    assert (before, after) == (place.config("a"), place.config("b"))


def test_one_bad_entry_is_told_and_the_others_are_there(place: Place) -> None:
    place.write("[[project]]\nname = 7\n", one=True)

    found = rosters.roster(str(place.path))

    assert found.projects == place.listed(one=True)
    assert any("fleet.toml" in problem for problem in found.problems)


def test_a_file_that_is_no_toml_is_an_error(place: Place) -> None:
    place.write("[[project\n")

    with pytest.raises(LoopsError, match="fleet"):
        rosters.roster(str(place.path))


# ---- as it is edited -----------------------------------------------------------------------------------------------------


class Desk:
    """A `RosterFile` whose clock and reading are the test's."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.now = 100.0
        self.reactor = Reactor(lambda: self.now)
        self.taken: list[Roster] = []
        self.said: list[str] = []
        self.file = RosterFile(
            CrewPlace(str(place.path)),
            self.reactor,
            lambda: self.now,
            Inotify(),
            take=self.taken.append,
            say=self.said.append,
        )

    def edit(self, text: str = "", **entries: bool) -> None:
        """Write the file, and let it be read."""
        self.place.write(text, **entries)
        self.read()

    def read(self) -> None:
        code, complaint = 0, ""
        try:
            rosters.read(str(self.place.path))
        except LoopsError as error:
            code, complaint = error.exit_code, str(error)
        self.file.look()
        if code:
            self.file._errands.close()
            self.file._read(Result(code, b"", complaint))

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.reactor.turn(waiting=False)

    @property
    def names(self) -> dict[str, bool]:
        return {each.name: each.enabled for each in self.taken[-1].projects}


@pytest.fixture
def desk(place: Place) -> Desk:
    return Desk(place)


def test_what_is_added_or_enabled_counts_at_once(desk: Desk) -> None:
    desk.edit(one=True, two=False)

    desk.edit(one=True, two=True, three=True)

    assert desk.names == {"one": True, "two": True, "three": True}


def test_what_is_gone_for_a_moment_only_was_never_gone(desk: Desk) -> None:
    desk.edit(one=True, two=True)

    desk.edit()  # an editor truncates first
    desk.later(0.5)
    desk.edit(one=True, two=True, three=True)
    desk.later(5.0)

    assert all({"one", "two"} <= {each.name for each in taken.projects if each.enabled} for taken in desk.taken)
    assert desk.names == {"one": True, "two": True, "three": True}


def test_what_stays_away_is_gone(desk: Desk) -> None:
    desk.edit(one=True, two=True, three=True)

    desk.edit(one=True, two=False)
    at_once = desk.names
    desk.later(1.5)

    assert at_once == {"one": True, "two": True, "three": True}
    assert desk.names == {"one": True, "two": False}


def test_an_edit_with_a_mistake_changes_nothing_and_is_told_once(desk: Desk) -> None:
    desk.edit(one=True, two=True)

    desk.edit("[[project]]\nname = 7\n", one=True, three=True)
    desk.read()
    desk.edit("[[project\n")
    desk.later(5.0)

    assert desk.names == {"one": True, "two": True}
    assert len(desk.taken) == 1
    assert len(desk.said) == 2


def test_to_begin_with_the_sound_entries_of_a_file_with_a_mistake_are_taken(desk: Desk) -> None:
    desk.edit("[[project]]\nname = 7\n", one=True)

    assert desk.names == {"one": True}
    assert len(desk.said) == 1
