"""Putting a project in its place: everything may be repeated, and nothing that an agent made is thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loops.boot import checkout
from loops.boot import prepare as preparing
from loops.boot.prepare import Wanted
from loops.errors import LoopsError, UsageError

WHO = {f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(directory: Path, *words: str) -> str:
    environment = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", *words], cwd=directory, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(directory: Path, **files: str) -> str:
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_text(content)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "change")
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    git(directory, "init", "--quiet", "--initial-branch=main")
    commit(directory, plan="one", agents__toml="of the source")
    return directory


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings"
    path.write_text("of the machine")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def prepare(root: Path, **wanted: object) -> list[str]:
    said: list[str] = []
    preparing.prepare(Wanted(str(root), **{key: _plain(value) for key, value in wanted.items()}), said.append)  # type: ignore[arg-type]
    return said


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def text(path: Path) -> str:
    return path.read_text()


# ---- agents.toml -------------------------------------------------------------------------------------------------------


def test_agents_toml_is_a_real_file_and_written_only_when_it_differs(root: Path, settings: Path) -> None:
    assert prepare(root, settings=settings) == [f"agents.toml is as {settings}"]
    written = root / "agents.toml"
    assert not written.is_symlink()
    before = written.stat()
    assert prepare(root, settings=settings) == []
    assert written.stat().st_mtime_ns == before.st_mtime_ns
    settings.write_text("changed")
    prepare(root, settings=settings)
    assert text(written) == "changed"
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_agents_toml_is_replaced_not_followed(root: Path, settings: Path) -> None:
    root.mkdir()
    (root / "agents.toml").symlink_to(settings)
    prepare(root, settings=settings)
    assert not (root / "agents.toml").is_symlink()


def test_settings_that_cannot_be_read_leave_everything_as_it_is(root: Path, settings: Path, tmp_path: Path) -> None:
    prepare(root, settings=settings)
    with pytest.raises(LoopsError, match="gone: No such file or directory"):
        prepare(root, settings=tmp_path / "gone")
    assert text(root / "agents.toml") == "of the machine"


# ---- the project's own repository --------------------------------------------------------------------------------------


def test_the_source_is_checked_out_and_agents_toml_is_the_machine_s(root: Path, source: Path, settings: Path) -> None:
    prepare(root, settings=settings, source=source, revision="main")
    assert (text(root / "plan"), text(root / "agents.toml")) == ("one", "of the machine")
    assert prepare(root, settings=settings, source=source, revision="main") == []


def test_without_settings_agents_toml_is_the_source_s(root: Path, source: Path) -> None:
    prepare(root, source=source)
    assert text(root / "agents.toml") == "of the source"


def test_a_branch_is_followed_and_a_commit_is_kept(root: Path, source: Path, settings: Path) -> None:
    first = git(source, "rev-parse", "HEAD")
    prepare(root, settings=settings, source=source, revision="main")
    commit(source, plan="two", agents__toml="of the source, later")
    prepare(root, settings=settings, source=source, revision="main")
    assert (text(root / "plan"), text(root / "agents.toml")) == ("two", "of the machine")
    prepare(root, settings=settings, source=source, revision=first)  # back, as in a rollback
    assert (text(root / "plan"), text(root / "agents.toml")) == ("one", "of the machine")
    prepare(root, settings=settings, source=source)  # nothing in particular: what is there may stay
    assert text(root / "plan") == "one"


def test_a_tag_and_a_commit_off_every_branch_are_found(root: Path, source: Path) -> None:
    git(source, "tag", "v1")
    lonely = commit(source, plan="lonely")
    git(source, "reset", "--quiet", "--hard", "v1")
    git(source, "config", "uploadpack.allowAnySHA1InWant", "true")
    prepare(root, source=source, revision="v1")
    assert text(root / "plan") == "one"
    prepare(root, source=source, revision=lonely)
    assert text(root / "plan") == "lonely"


def test_an_unknown_revision_is_an_error_and_changes_nothing(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    with pytest.raises(LoopsError, match="nosuch"):
        prepare(root, source=source, revision="nosuch")
    assert text(root / "plan") == "one"


def test_a_plain_directory_is_a_source_too_and_what_it_no_longer_has_goes(root: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    (plain / "deep").mkdir(parents=True)
    (plain / "plan").write_text("one")
    (plain / "deep" / "file").write_text("x")
    (plain / ".gitignore").write_text("deep\n")
    prepare(root, source=plain)
    assert text(root / "deep" / "file") == "x"
    (root / "made-here").write_text("stays")
    (plain / "plan").write_text("two")
    shutil.rmtree(plain / "deep")
    assert len(prepare(root, source=plain)) == 1
    assert text(root / "plan") == "two"
    assert not (root / "deep").exists()
    assert text(root / "made-here") == "stays"
    assert prepare(root, source=plain) == []


def test_a_source_that_is_away_stops_only_what_needs_it(root: Path, source: Path, tmp_path: Path) -> None:
    first = git(source, "rev-parse", "HEAD")
    git(source, "tag", "v1")
    prepare(root, source=source, revision="main")
    source.rename(tmp_path / "away")
    assert "was seen last" in prepare(root, source=source, revision="main")[0]
    assert prepare(root, source=source, revision=first) == []
    assert "was seen last" in prepare(root, source=source, revision="v1")[0]
    with pytest.raises(LoopsError, match="git fetch failed"):
        prepare(root, source=source, revision="v2")
    assert text(root / "plan") == "one"


def test_changed_files_are_never_written_over(root: Path, source: Path, settings: Path) -> None:
    prepare(root, settings=settings, source=source, revision="main")
    (root / "plan").write_text("somebody's work")
    commit(source, plan="two")
    with pytest.raises(LoopsError, match="its own changes are in the way"):
        prepare(root, settings=settings, source=source, revision="main")
    assert text(root / "plan") == "somebody's work"


def test_files_in_the_way_that_git_does_not_know_are_never_written_over(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    (root / "new").write_text("somebody's work")
    commit(source, new="of the source")
    with pytest.raises(LoopsError, match="its own changes are in the way"):
        prepare(root, source=source, revision="main")
    assert text(root / "new") == "somebody's work"


def test_files_that_gitignore_names_are_never_written_over_either(root: Path, source: Path) -> None:
    commit(source, __gitignore="notes\n")
    prepare(root, source=source, revision="main")
    (root / "notes").write_text("somebody's work")
    (source / "notes").write_text("of the source")
    git(source, "add", "--force", "notes")
    commit(source)
    with pytest.raises(LoopsError, match="its own changes are in the way"):
        prepare(root, source=source, revision="main")
    assert text(root / "notes") == "somebody's work"


class PowerCut(BaseException):
    """Nothing that happens after it."""


def _power_cut(monkeypatch: pytest.MonkeyPatch, tear: Callable[[], None]) -> None:
    """Let the next checkout be cut off in the middle: *tear* leaves the files as git had them then."""

    def cut(directory: str, *words: str, **more: Any) -> str:
        if words[0] == "checkout" and "--detach" in words:
            tear()
            raise PowerCut
        return run_git(directory, *words, **more)

    run_git = checkout.git
    monkeypatch.setattr(checkout, "git", cut)


@pytest.mark.parametrize("first", [True, False])
def test_a_power_cut_in_the_middle_of_a_checkout_is_made_good_at_the_next_start(
    root: Path, source: Path, settings: Path, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    commit(source, plan="one", late="one", gone="one", kept="one")
    if not first:
        prepare(root, settings=settings, source=source, revision="main")
        (root / "kept").write_text("somebody's change of another file")
    git(source, "rm", "--quiet", "gone")
    commit(source, plan="two, and longer", late="two", new="two")

    def tear() -> None:
        (root / "plan").write_text("two, and longer")
        (root / "new").write_text("t")  # torn
        (root / ".git" / "index.lock").touch()
        os.utime(root / ".git" / "index.lock", (1, 1))

    with monkeypatch.context() as patched:
        _power_cut(patched, tear)
        with pytest.raises(PowerCut):
            prepare(root, settings=settings, source=source, revision="main")
    assert "made good" in prepare(root, settings=settings, source=source, revision="main")[0]
    assert [text(root / name) for name in ("plan", "late", "new")] == ["two, and longer", "two", "two"]
    assert not (root / "gone").exists()
    assert text(root / "kept") == ("one" if first else "somebody's change of another file")
    assert text(root / "agents.toml") == "of the machine"
    assert git(root, "rev-parse", "HEAD") == git(source, "rev-parse", "HEAD")
    kept = git(root, "for-each-ref", "--format=%(objectname)", "refs/loops/kept").splitlines()
    assert git(root, "show", f"{kept[0]}:new") == "t"  # whoever wrote it
    assert prepare(root, settings=settings, source=source, revision="main") == []


def test_a_checkout_that_git_refuses_is_none_that_was_broken_off(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    (root / "plan").write_text("somebody's work")
    commit(source, plan="two")
    for _ in range(2):
        with pytest.raises(LoopsError, match="its own changes are in the way"):
            prepare(root, source=source, revision="main")
    assert text(root / "plan") == "somebody's work"


def test_commits_made_in_the_checkout_stay_reachable(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    own = commit(root, own="work")
    commit(source, plan="two")
    prepare(root, source=source, revision="main")
    assert text(root / "plan") == "two"
    assert git(root, "rev-parse", f"refs/loops/kept/{own}") == own


def test_the_source_s_hooks_are_not_run(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    commit(source, plan="two")
    prepare(root, source=source, revision="main")
    assert text(root / "plan") == "two"
    assert not (root / "ran").exists()


def test_a_lock_that_a_killed_git_left_is_taken_away_when_it_is_old(root: Path, source: Path) -> None:
    prepare(root, source=source, revision="main")
    commit(source, plan="two")
    lock = root / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(LoopsError, match=r"index\.lock"):  # another git may be at work
        prepare(root, source=source, revision="main")
    os.utime(lock, (1, 1))
    prepare(root, source=source, revision="main")
    assert text(root / "plan") == "two"


# ---- the agents' clones ------------------------------------------------------------------------------------------------


def test_a_missing_clone_is_made_and_an_existing_one_is_never_touched(root: Path, source: Path) -> None:
    assert prepare(root, clones={"work/builder": str(source)}) == [f"{root}/work/builder is a clone of {source}"]
    clone = root / "work" / "builder"
    (clone / "plan").write_text("uncommitted")
    commit(source, plan="two")
    assert prepare(root, clones={"work/builder": str(source)}) == []
    assert text(clone / "plan") == "uncommitted"


def test_a_commit_in_a_clone_is_on_the_disk_before_git_says_so(root: Path, source: Path) -> None:
    prepare(root, clones={"work/builder": str(source)})
    assert git(root / "work" / "builder", "config", "--local", "core.fsync") == "all"


def test_half_a_clone_of_before_a_power_cut_is_made_anew(root: Path, source: Path) -> None:
    half = root / "work" / "builder.loops-new"
    half.mkdir(parents=True)
    (half / "plan").write_text("hal")
    prepare(root, clones={"work/builder": str(source)})
    assert text(root / "work" / "builder" / "plan") == "one"
    assert not half.exists()


def test_a_clone_that_cannot_be_made_leaves_no_directory_and_no_new_agents_toml(root: Path, settings: Path) -> None:
    with pytest.raises(LoopsError, match="git clone failed"):
        prepare(root, settings=settings, clones={"work/builder": "/nonexistent"})
    assert not (root / "work" / "builder").exists()
    assert not (root / "agents.toml").exists()


@pytest.mark.parametrize("place", ["../other", "/elsewhere", ".", "work/../.."])
def test_a_clone_outside_of_the_project_is_refused(root: Path, source: Path, place: str) -> None:
    with pytest.raises(UsageError, match="must be a directory below"):
        prepare(root, clones={place: str(source)})
