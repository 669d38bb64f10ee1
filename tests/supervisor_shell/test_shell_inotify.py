"""Inotify: every change is told, and so is the loss of the means to see them."""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.supervisor.inotify import Change, Inotify


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    inotify = Inotify()
    yield inotify
    inotify.close()


def changes(inotify: Inotify) -> list[Change]:
    """All that is known now: the kernel queues an event before the call that causes it returns."""
    found: list[Change] = []
    while select.select([inotify.fileno()], [], [], 0)[0]:
        found += inotify.read()
    return found


@pytest.mark.parametrize("how", ["write", "rename", "create", "delete", "away"])
def test_changes_are_told_once_each(inotify: Inotify, tmp_path: Path, how: str) -> None:
    place, other = tmp_path / "place", tmp_path / "other"
    place.mkdir()
    (place / "there").write_text("x")
    other.write_text("y")
    assert inotify.watch(str(place))
    if how == "write":
        (place / "there").write_text("a" * 100_000)
    elif how == "rename":
        other.rename(place / "there")
    elif how == "create":
        (place / "there\nnew").mkdir()
    elif how == "delete":
        (place / "there").unlink()
    else:
        (place / "there").rename(other)
    assert changes(inotify) == [Change(str(place), "there\nnew" if how == "create" else "there")]


def test_a_directory_that_does_not_exist_cannot_be_watched_yet(inotify: Inotify, tmp_path: Path) -> None:
    assert not inotify.watch(str(tmp_path / "later"))
    (tmp_path / "file").write_text("")
    assert not inotify.watch(str(tmp_path / "file"))
    (tmp_path / "later").mkdir()
    assert inotify.watch(str(tmp_path / "later"))
    assert not inotify.exhausted


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_lost_watch_is_told_and_can_be_set_again(inotify: Inotify, tmp_path: Path, how: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    inotify.watch(str(place))
    if how == "removed":
        place.rmdir()
    else:
        place.rename(tmp_path / "elsewhere")
    assert changes(inotify) == [Change(str(place), "", lost=True)]
    place.mkdir()
    assert inotify.watch(str(place))
    (place / "new").write_text("")
    assert changes(inotify) == [Change(str(place), "new")]


def test_another_directory_at_the_same_path_is_noticed_when_asked_again(inotify: Inotify, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "inner").mkdir(parents=True)
    inotify.watch(str(outer / "inner"))
    outer.rename(tmp_path / "old")  # of which the inner one hears nothing
    (outer / "inner").mkdir(parents=True)
    assert inotify.watch(str(outer / "inner"))
    (tmp_path / "old" / "inner" / "x").write_text("")
    (outer / "inner" / "y").write_text("")
    assert changes(inotify) == [Change(str(outer / "inner"), "y")]


def test_two_paths_to_one_directory_are_both_told(inotify: Inotify, tmp_path: Path) -> None:
    place, link = tmp_path / "place", tmp_path / "link"
    place.mkdir()
    link.symlink_to(place)
    inotify.watch(str(place))
    inotify.watch(str(link))
    (place / "new").write_text("")
    assert {change.directory for change in changes(inotify)} == {str(place), str(link)}
    inotify.forget(str(place))
    (place / "more").write_text("")
    assert {change.directory for change in changes(inotify)} == {str(link)}
    shutil.rmtree(place)
    assert Change(str(link), "", lost=True) in changes(inotify)


def test_what_is_forgotten_is_not_told(inotify: Inotify, tmp_path: Path) -> None:
    inotify.watch(str(tmp_path))
    inotify.forget(str(tmp_path))
    inotify.forget(str(tmp_path))
    (tmp_path / "new").write_text("")
    assert changes(inotify) == []


def test_an_overflowing_queue_is_told_as_a_loss_anywhere(inotify: Inotify, tmp_path: Path) -> None:
    inotify.watch(str(tmp_path))
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [os.fsencode(tmp_path / f"f{i}") for i in range(2)]
    for number in range(most + 2):  # two names in turn, for equal neighbours are merged
        os.close(os.open(names[number % 2], os.O_CREAT | os.O_WRONLY))
    assert Change("", "", lost=True) in changes(inotify)
