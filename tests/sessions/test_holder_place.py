"""The holder keeps its place when cleaners of /tmp or people remove its files (fault class 3)."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from loops.sessions import place
from loops.sessions.place import Place, PlaceTaken


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # a short path: sockets have 107 bytes for it
    (tmp_path / "run").mkdir()
    return "run/holder.sock"


def answers(path: str, there: Place) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(path)
        there.listener.accept()[0].close()
    return True


def test_only_its_owner_may_connect(path: str) -> None:
    there = Place.take(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    there.leave()
    assert not os.path.exists(path)


def test_a_second_holder_is_told_who_is_there(path: str) -> None:
    there = Place.take(path)
    there.sign()
    with pytest.raises(PlaceTaken, match=rf"holder\.lock: held by the holder of this project, pid {os.getpid()}"):
        Place.take(path)
    assert answers(path, there)


@pytest.mark.parametrize("lost", ["run/holder.sock", "run/holder.lock", "run"])
def test_removed_files_are_made_again_and_guarded_again(path: str, lost: str) -> None:
    there = Place.take(path)
    assert not there.was_lost()
    shutil.rmtree(lost) if lost == "run" else os.unlink(lost)
    assert there.was_lost()
    there.take_again()
    assert not there.was_lost()
    assert answers(path, there)
    with pytest.raises(PlaceTaken):
        Place.take(path)


def test_a_place_that_another_holder_took_meanwhile_is_not_stolen_back(path: str) -> None:
    first = Place.take(path)
    shutil.rmtree("run")
    os.mkdir("run")
    second = Place.take(path)
    assert first.was_lost()
    first.take_again()
    assert answers(path, second)
    first.listener.close()


def test_files_in_use_stay_young(path: str) -> None:
    there = Place.take(path)
    for name in (path, place.lock_path(path)):
        os.utime(name, (0, 0))
    assert not there.was_lost()
    assert all(os.stat(name).st_mtime > 0 for name in (path, place.lock_path(path)))
