"""Looks at real repositories: every change of theirs is found, and looking changes nothing and runs nothing of theirs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from loops.projects.untouched import repositories
from loops.projects.untouched.baseline import take
from loops.projects.untouched.check import compare
from loops.projects.untouched.model import Scope
from loops.projects.untouched.rules import known
from loops.projects.untouched.touch import Touch
from loops.projects.untouched.witnesses import witnessed

WHO = {f"GIT_{role}_{what}": f"o@{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENV = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", **WHO}


def git(directory: Path, *words: str) -> str:
    command = ["git", "-C", str(directory), *words]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with two commits, a changed file and an untracked one."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), "clone")
    clone = tmp_path / "clone"
    for number in range(2):
        (clone / "a.txt").write_text(f"{number}\n")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", f"claim({number})")
    git(clone, "push", "-q", "origin", "main")
    (clone / "a.txt").write_text("changed\n")
    (clone / "notes of today.txt").write_text("x\n")
    return clone


def touches(clone: Path, touch: Callable[[Path], object]) -> tuple[Touch, ...]:
    before = take(Scope(repositories=(str(clone),)))
    assert not before.repositories[0].unseen
    touch(clone)
    after = take(before.scope, before)
    return witnessed(compare(before, after, known()), before, after)


def found(clone: Path, touch: Callable[[Path], object]) -> set[tuple[str, str, str]]:
    return {(each.place.rpartition(": ")[2], each.change.value, each.cause.value) for each in touches(clone, touch)}


MAIN = "refs/heads/main"


@pytest.mark.parametrize(
    ("touch", "wanted"),
    [
        (lambda c: None, set()),
        (lambda c: git(c, "status"), set()),
        (lambda c: git(c, "commit", "-q", "--amend", "-m", "other"), {(MAIN, "moved", "unknown")}),
        (lambda c: git(c, "branch", "new"), {("refs/heads/new", "added", "unknown")}),
        (lambda c: git(c, "tag", "-a", "-m", "x", "v1"), {("refs/tags/v1", "added", "unknown")}),
        (lambda c: git(c, "switch", "-q", "--detach"), {("HEAD", "moved", "unknown")}),
        (
            lambda c: git(c, "add", "a.txt"),
            {("index", "index", "unknown"), ("a.txt", "worktree", "unknown")},
        ),
        (
            lambda c: git(c, "update-index", "--assume-unchanged", "a.txt"),
            {
                ("index", "index", "unknown"),
                ("a.txt", "worktree", "unknown"),
            },
        ),
        (
            lambda c: git(c, "stash", "-q"),
            {("stash", "stash", "unknown"), ("a.txt", "worktree", "unknown")},
        ),
        (lambda c: (c / "a.txt").write_text("changed again\n"), {("a.txt", "worktree", "unknown")}),
        (lambda c: (c / "notes of today.txt").unlink(), {("notes of today.txt", "worktree", "unknown")}),
        (lambda c: (c / "new").write_text(""), {("new", "worktree", "unknown")}),
        (lambda c: git(c, "config", "user.name", "x"), {("config", "config", "unknown")}),
        (
            lambda c: git(c, "worktree", "add", "-q", "-b", "side", "../side"),
            {("worktrees", "worktrees", "unknown"), ("refs/heads/side", "added", "unknown")},
        ),
        (
            lambda c: git(c, "update-ref", "refs/remotes/origin/main", "HEAD~1"),
            {
                ("refs/remotes/origin/main", "moved", "live"),
            },
        ),
        (
            lambda c: (c / ".git" / "MERGE_HEAD").write_text(git(c, "rev-parse", "HEAD") + "\n"),
            {
                (".git/MERGE_HEAD", "worktree", "unknown"),
            },
        ),
    ],
    ids=[
        *("nothing", "status", "amend", "new branch", "new tag", "detached", "staged", "hidden from status", "stashed"),
        *(
            "changed again",
            "untracked removed",
            "untracked added",
            "configuration",
            "worktree",
            "fetched",
            "a merge begun",
        ),
    ],
)
def test_each_change_is_found(clone: Path, touch: Callable[[Path], object], wanted: set[tuple[str, str, str]]):
    assert found(clone, touch) == wanted


def test_the_reflog_says_who_moved_a_branch(clone: Path):
    (touch,) = touches(clone, lambda c: git(c, "commit", "-q", "--amend", "-m", "other"))

    assert any("commit (amend): other" in hint and "o@EMAIL" in hint for hint in touch.hints)


def test_a_bare_repository_and_a_worktree_can_be_looked_at(clone: Path):
    remote = clone.parent / "remote.git"
    git(clone, "worktree", "add", "-q", "-b", "side", "../side")

    assert found(remote, lambda r: git(r, "update-ref", "refs/heads/x", MAIN)) == {("refs/heads/x", "added", "unknown")}
    assert found(clone.parent / "side", lambda w: (w / "y").write_text("")) == {("y", "worktree", "unknown")}


def test_a_directory_that_is_no_repository_is_said_to_be_none(tmp_path: Path):
    assert "not a git repository" in repositories.look(str(tmp_path)).unseen


def test_looking_changes_no_byte_and_no_time(clone: Path):
    git(clone, "checkout", "-q", "-f", "HEAD")
    os.utime(clone / "a.txt", (2e9, 2e9))  # git would like to refresh its index now
    scope = Scope(roots=(str(clone),))
    before = take(scope)

    repositories.look(str(clone))

    assert compare(before, take(scope, before), ()) == ()


def test_looking_runs_no_program_of_the_repository_s_settings(clone: Path, tmp_path: Path):
    trap = tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/sprung\ncat\n')
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "gpg.program", "core.pager", "core.editor"):
        git(clone, "config", key, str(trap))
    git(clone, "config", "log.showSignature", "true")
    git(clone, "config", "filter.y.process", str(trap))
    (clone / ".git" / "info" / "attributes").write_text("a.txt filter=x\n*.md filter=y\n")
    (clone / "b.md").write_text("x")
    for name in ("post-index-change", "fsmonitor-watchman"):
        hook = clone / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(trap.read_text())
        hook.chmod(0o755)
    git(clone, "update-ref", "-m", "signed", MAIN, _signed(clone))
    git(clone, "update-ref", "--create-reflog", "-m", "signed", "refs/stash", _signed(clone))
    (clone / "a.txt").write_text("1\n")  # of the size that the index knows, so that its content has to be read
    os.utime(clone / "a.txt", (2e9, 2e9))

    seen = repositories.look(str(clone))
    list(repositories.moves(str(clone), 0.0))

    assert not seen.unseen
    assert not (tmp_path / "sprung").exists()


def _signed(clone: Path) -> str:
    """A commit like HEAD with a signature, which `git log` may be told to verify."""
    head, _, message = git(clone, "cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    (clone.parent / "signed").write_text(f"{head}\n{signature}\n\n{message}\n")
    return git(clone, "hash-object", "-t", "commit", "-w", str(clone.parent / "signed"))
