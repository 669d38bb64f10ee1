"""Where a clone leads out of its own directory: real repositories of every kind."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from loops.errors import LoopsError
from loops.isolation.pointers import Pointers, common_directory, find, settled
from loops.isolation.sandbox import Access, Mount


def git(directory: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(directory), *who, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """remote.git, and ``first``, a clone of it with one commit."""
    place = tmp_path.resolve()
    git(place, "init", "--quiet", "--bare", "remote.git")
    git(place, "clone", "--quiet", "remote.git", "first")
    git(place / "first", "commit", "--quiet", "--allow-empty", "--message", "x")
    git(place / "first", "push", "--quiet", "origin", "HEAD:main")
    return place


def led(place: Path, name: str) -> Pointers:
    return find(str(place / name), "origin")


def test_a_plain_clone_leads_to_its_remote_alone(place: Path) -> None:
    assert led(place, "first") == Pointers(remote=str(place / "remote.git"))


def test_the_remote_is_written_but_not_what_others_would_run(place: Path) -> None:
    remote = str(place / "remote.git")
    mounts = list(led(place, "first").mounts())
    assert Mount(remote, Access.WRITE) in mounts
    assert Mount(f"{remote}/config", Access.READ) in mounts
    assert Mount(f"{remote}/hooks", Access.READ) in mounts


def test_where_a_remote_has_no_hooks_none_can_be_made(place: Path) -> None:
    for hook in (place / "remote.git" / "hooks").iterdir():
        hook.unlink()
    (place / "remote.git" / "hooks").rmdir()
    assert Mount(str(place / "remote.git" / "hooks"), Access.HIDE) in list(led(place, "first").mounts())


@pytest.mark.parametrize(
    "url", ["https://example.invalid/x.git", "git@example.invalid:x.git", "ssh://example.invalid/x"]
)
def test_a_remote_elsewhere_is_no_path(place: Path, url: str) -> None:
    git(place / "first", "remote", "set-url", "origin", url)
    assert led(place, "first") == Pointers()


def test_a_relative_remote_a_url_of_a_file_and_a_separate_push_are_followed(place: Path) -> None:
    for url in ("../remote.git", f"file://{place}/remote.git", "../remote"):
        git(place / "first", "remote", "set-url", "origin", url)
        assert led(place, "first").remote == str(place / "remote.git")
    git(place, "clone", "--quiet", "--bare", "remote.git", "other.git")
    git(place / "first", "config", "remote.origin.pushurl", "../other.git")
    assert led(place, "first").remote == str(place / "other.git")


def test_a_remote_that_is_not_there_is_told(place: Path) -> None:
    git(place / "first", "remote", "set-url", "origin", "../nothing")
    with pytest.raises(LoopsError, match="no git repository is there"):
        led(place, "first")


def test_a_work_tree_leads_to_the_repository_that_it_is_of(place: Path) -> None:
    git(place / "first", "worktree", "add", "--quiet", "../second")
    found = led(place, "second")
    assert found.common == str(place / "first" / ".git")
    assert found.git.startswith(found.common)
    assert found.leads_into(common_directory(str(place / "first")))


def test_borrowed_objects_are_found_through_every_step(place: Path) -> None:
    git(place, "clone", "--quiet", "--shared", "first", "second")
    git(place, "clone", "--quiet", "--shared", "second", "third")
    found = led(place, "third")
    assert str(place / "first" / ".git" / "objects") in found.borrowed
    assert found.leads_into(common_directory(str(place / "first")))
    assert not led(place, "first").leads_into(common_directory(str(place / "third")))


def test_what_is_no_clone_leads_nowhere(tmp_path: Path) -> None:
    assert find(str(tmp_path), "origin") == Pointers()
    assert common_directory(str(tmp_path)) == ""


# ---- the record ----------------------------------------------------------------------------------------------------


def test_what_is_seen_first_is_kept_and_may_not_change(tmp_path: Path) -> None:
    record, first = str(tmp_path / "kept" / "a.json"), Pointers(remote="/r", borrowed=("/o",))
    assert settled(first, "/clone", record) == first
    assert settled(first, "/clone", record) == first
    for changed in (replace(first, remote="/home"), replace(first, borrowed=()), Pointers()):
        with pytest.raises(LoopsError, match="leads elsewhere"):
            settled(changed, "/clone", record)
    assert settled(first, "/clone", record) == first


def test_another_clone_is_the_operators_doing(tmp_path: Path) -> None:
    record = str(tmp_path / "a.json")
    settled(Pointers(remote="/r"), "/clone", record)
    assert settled(Pointers(remote="/s"), "/other", record).remote == "/s"
