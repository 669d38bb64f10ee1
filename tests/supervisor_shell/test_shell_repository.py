"""Pushes are seen: through the pushing clone at once, through a fetch as the net; real remotes, real clones."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loops.config.model import Handoff
from loops.supervisor import repository
from loops.supervisor.clock import Clock
from loops.supervisor.clones import git_directory, read_ref
from loops.supervisor.errands import Errands, git_environment
from loops.supervisor.inotify import Inotify
from loops.supervisor.observation import Pushed
from loops.supervisor.reactor import Reactor
from loops.supervisor.repository import Repository, Subject

PATIENCE = 60.0
ENVIRONMENT = {
    **git_environment(),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": f"{who}@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *words], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, f"git {words}: {done.stderr}"
    return done.stdout.strip()


class World:
    """A remote, two clones, and a repository that watches them from the state that the brain would have."""

    def __init__(self, root: Path, branch: str = "main") -> None:
        self.root = root
        self.remote = root / "remote.git"
        git(root, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(self.remote))
        self.handoff = Handoff(str(root / "builder"), branch=branch)
        self.branch = branch
        self.reactor = Reactor(time.monotonic)
        self.errands = Errands(self.reactor, time.monotonic)
        self.inotify = Inotify()
        self.subject: Subject | None = Subject(self.handoff, "STATUS-1.md", "REVIEW-1.md", "")
        self.pushed: list[Pushed] = []
        self.said: list[str] = []
        self.repository = Repository(
            self.errands,
            self.inotify,
            str(root / "mirror.git"),
            ask=lambda: self.subject,
            tell=self._tell,
            say=self.said.append,
            clock=Clock(),
        )
        self.reactor.watch(self.inotify.fileno(), self._changed)

    def _changed(self) -> None:
        for change in self.inotify.read():
            if change.lost:
                self.watch()
                self.repository.look_everywhere()
            else:
                self.repository.changed(change.directory)

    def _tell(self, seen: Pushed) -> None:
        self.pushed.append(seen)
        assert self.subject is not None
        self.subject = Subject(self.handoff, self.subject.status, self.subject.review, seen.head)

    @property
    def clones(self) -> list[str]:
        return [str(self.root / "builder"), str(self.root / "adversary")]

    def watch(self) -> None:
        self.repository.watch(self.clones, self.handoff)

    def begin(self) -> None:
        """Watch, and take in what is there."""
        self.watch()
        self.repository.look_everywhere()
        self.idle()
        self.pushed.clear()

    def clone(self, name: str) -> Path:
        path = self.root / name
        git(self.root, "clone", "--quiet", str(self.remote), str(path))
        git(path, "symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        return path

    def commit(self, clone: Path, subject: str, **files: str) -> str:
        for name, text in files.items():
            (clone / name.replace("_", "-")).with_suffix(".md").write_text(text)
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--allow-empty", "--message", subject)
        return git(clone, "rev-parse", "HEAD")

    def push(self, clone: Path, subject: str, *words: str, **files: str) -> str:
        sha = self.commit(clone, subject, **files)
        git(clone, "push", "--quiet", *words, "origin", f"HEAD:{self.branch}")
        return sha

    def fetch(self) -> None:
        self.repository.fetch(self.handoff.repo, self.handoff)
        self.idle()

    def turn(self) -> None:
        self.reactor.at("look again", time.monotonic() + 0.01, lambda: None)
        self.reactor.turn()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"pushed: {self.pushed}; said: {self.said}"
            self.turn()

    def idle(self) -> None:
        """Until nothing is under way."""
        self.turn()
        self.until(lambda: not self.errands._running and not self.repository._busy)
        self.turn()

    @property
    def subjects(self) -> list[list[str]]:
        return [[commit.subject for commit, _ in seen.commits] for seen in self.pushed]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.errands.close()
    world.inotify.close()


@pytest.fixture
def builder(world: World) -> Path:
    """The Builder's clone, from which one commit was pushed and seen."""
    builder = world.clone("builder")
    world.push(builder, "begin")
    return builder


# ---- a push is seen ------------------------------------------------------------------------------------------------


def test_the_history_is_read_quietly_at_first(world: World, builder: Path) -> None:
    world.push(builder, "claim(M1): all", STATUS_1="## Gate")
    world.watch()
    world.repository.look_everywhere()
    world.until(lambda: world.pushed)
    seen = world.pushed[0]
    assert seen.quiet
    assert world.subjects == [["begin", "claim(M1): all"]]
    documents = seen.commits[1][1]
    assert documents is not None
    assert documents.status == "## Gate"


def test_a_push_is_seen_through_the_clone_that_made_it(world: World, builder: Path) -> None:
    world.begin()
    sha = world.push(builder, "claim(M1): all", STATUS_1="## Gate")
    world.until(lambda: world.pushed)
    assert world.pushed[0].head == sha
    assert not world.pushed[0].quiet
    assert world.subjects == [["claim(M1): all"]]


def test_a_commit_that_is_not_pushed_is_not_seen(world: World, builder: Path) -> None:
    world.begin()
    world.commit(builder, "claim(M1): local")
    world.idle()
    assert world.pushed == []


def test_a_push_from_elsewhere_is_seen_by_the_fetch(world: World, builder: Path) -> None:
    world.begin()
    elsewhere = world.clone("elsewhere")
    git(elsewhere, "pull", "--quiet", "origin", "main")
    sha = world.push(elsewhere, "claim(M1): from afar")
    world.fetch()
    assert [seen.head for seen in world.pushed] == [sha]
    world.fetch()
    assert len(world.pushed) == 1


def test_each_push_is_told_once_though_every_clone_sees_it(world: World, builder: Path) -> None:
    adversary = world.clone("adversary")
    world.begin()
    world.push(builder, "claim(M1): all")
    world.until(lambda: world.pushed)
    git(adversary, "fetch", "--quiet")
    world.fetch()
    world.repository.look_everywhere(again=True)
    world.idle()
    assert world.subjects == [["claim(M1): all"]]


def test_a_clone_that_lags_behind_is_ignored(world: World, builder: Path) -> None:
    world.clone("adversary")  # it knows the first commit only, and never fetches
    world.begin()
    world.push(builder, "claim(M1): all")
    world.until(lambda: world.pushed)
    world.repository.look_everywhere(again=True)
    world.idle()
    assert len(world.pushed) == 1


def test_the_first_push_into_an_empty_remote_is_seen(world: World) -> None:
    builder = world.clone("builder")  # has no refs/remotes yet
    world.begin()
    world.push(builder, "begin")
    world.until(lambda: world.pushed)
    assert world.subjects == [["begin"]]


def test_a_branch_with_slashes_is_followed(tmp_path: Path) -> None:
    world = World(tmp_path, branch="release/v1/next")
    builder = world.clone("builder")
    world.begin()
    world.push(builder, "begin")
    world.until(lambda: len(world.pushed) == 1)
    git(builder, "pack-refs", "--all")
    world.push(builder, "more")
    world.until(lambda: len(world.pushed) == 2)
    assert world.subjects == [["begin"], ["more"]]
    world.errands.close()


def test_packed_refs_are_read_whatever_else_they_hold(world: World, builder: Path) -> None:
    world.begin()
    odd = os.path.join(os.fsencode(builder), b".git/refs/heads/caf\xe9")  # a name in latin-1
    Path(os.fsdecode(odd)).write_text(git(builder, "rev-parse", "HEAD") + "\n")
    world.push(builder, "claim(M1): all")
    git(builder, "pack-refs", "--all", "--prune")
    assert not (builder / ".git/refs/remotes/origin/main").exists()
    world.until(lambda: world.pushed)
    world.repository.look_everywhere()
    assert world.pushed[0].head == git(builder, "rev-parse", "HEAD")


def test_a_clone_that_appears_later_is_watched_at_once(world: World) -> None:
    world.begin()
    seed = world.clone("seed")
    world.push(seed, "begin")
    world.clone("builder")
    world.until(lambda: world.pushed)
    world.push(world.root / "builder", "claim(M1): all")
    world.until(lambda: len(world.pushed) == 2)


def test_a_clone_that_is_removed_and_made_anew_is_watched_again(world: World, builder: Path) -> None:
    world.begin()
    shutil.rmtree(builder)
    world.turn()
    again = world.clone("builder")
    world.idle()
    world.push(again, "claim(M1): all")
    world.until(lambda: world.pushed)


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_clone_whose_refs_live_elsewhere_is_followed(world: World, kind: str) -> None:
    seed = world.clone("seed")
    world.push(seed, "begin")
    if kind == "worktree":
        git(seed, "worktree", "add", "--quiet", "-b", "work", str(world.root / "builder"))
        builder = world.root / "builder"
    else:
        outer = world.root / "outer"
        git(world.root, "init", "--quiet", str(outer))
        git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(world.remote), "builder")
        builder = outer / "builder"
        (world.root / "builder").symlink_to(builder)
    world.begin()
    world.push(builder, "claim(M1): all")
    world.until(lambda: world.pushed)
    assert world.subjects == [["claim(M1): all"]]


# ---- rewritten histories -------------------------------------------------------------------------------------------


def test_a_rewritten_history_is_read_anew(world: World, builder: Path) -> None:
    world.push(builder, "claim(M1): first")
    world.begin()
    git(builder, "reset", "--quiet", "--hard", "HEAD~1")
    world.push(builder, "claim(M1): other", "--force")
    world.until(lambda: world.pushed)
    assert world.pushed[0].rewritten
    assert world.subjects == [["begin", "claim(M1): other"]]


def test_a_rewrite_from_elsewhere_is_proved_by_two_fetches(world: World, builder: Path) -> None:
    world.push(builder, "claim(M1): first")
    world.begin()
    elsewhere = world.clone("elsewhere")
    git(elsewhere, "checkout", "--quiet", "--orphan", "fresh")
    sha = world.push(elsewhere, "claim(M1): new world", "--force")
    world.fetch()  # into a mirror that has never seen our head
    world.repository.look_everywhere()
    assert world.pushed == []  # it may be what a killed supervisor's fetch wrote late
    world.fetch()
    assert [(seen.head, seen.rewritten) for seen in world.pushed] == [(sha, True)]


def test_a_branch_that_was_set_back_is_seen_by_the_second_fetch(world: World, builder: Path) -> None:
    first = git(builder, "rev-parse", "HEAD")
    world.push(builder, "claim(M1): first")
    world.begin()
    world.fetch()
    git(world.remote, "update-ref", "refs/heads/main", first)
    world.fetch()
    world.fetch()
    assert [(seen.head, seen.rewritten) for seen in world.pushed] == [(first, True)]


def test_a_mirror_that_is_older_than_the_head_proves_nothing(world: World, builder: Path) -> None:
    world.begin()
    world.fetch()
    world.push(builder, "claim(M1): all")
    world.until(lambda: world.pushed)
    world.repository.look_everywhere(again=True)
    world.idle()
    assert len(world.pushed) == 1


def test_a_branch_that_is_deleted_is_told_once_and_found_again(world: World, builder: Path) -> None:
    world.begin()
    git(world.remote, "update-ref", "-d", "refs/heads/main")
    world.fetch()
    world.fetch()
    assert len(world.said) == 1
    assert "main" in world.said[0]
    world.push(builder, "back")
    world.until(lambda: world.pushed)


# ---- the subject changes -------------------------------------------------------------------------------------------


def test_a_phase_that_begins_while_its_documents_are_read_is_read_again(world: World, builder: Path) -> None:
    world.begin()
    assert world.subject is not None
    world.push(builder, "docs", STATUS_1="old", STATUS_2="new")
    world.repository.look_everywhere()
    assert world.repository._busy
    world.subject = Subject(world.handoff, "STATUS-2.md", "REVIEW-2.md", world.subject.head)
    world.until(lambda: world.pushed)
    documents = world.pushed[0].commits[0][1]
    assert documents is not None
    assert documents.status == "new"


def test_without_a_subject_nothing_is_read(world: World, builder: Path) -> None:
    world.subject = None
    world.watch()
    world.repository.look_everywhere()
    world.fetch()
    assert world.pushed == []
    assert not (world.root / "mirror.git").exists()


def test_an_inbox_file_is_told_while_it_stands(world: World, builder: Path) -> None:
    world.begin()
    world.push(builder, "a word", BUILDER_INBOX="hello")
    world.until(lambda: world.pushed)
    (builder / "BUILDER-INBOX.md").unlink()
    world.push(builder, "read")
    world.until(lambda: len(world.pushed) == 2)
    assert [[name for name, _, _ in seen.inbox] for seen in world.pushed] == [["BUILDER-INBOX.md"], []]


# ---- things that go wrong ------------------------------------------------------------------------------------------


def test_a_clone_that_cannot_be_read_is_told_once_and_read_when_it_can(world: World, builder: Path) -> None:
    world.begin()
    git(builder, "config", "core.repositoryformatversion", "99")
    sha = git(world.remote, "rev-parse", "main")
    (builder / ".git/refs/remotes/origin/main").write_text("1" * 40 + "\n")
    world.until(lambda: world.said)
    world.repository.look_everywhere()
    world.idle()
    assert len(world.said) == 1
    assert str(builder) in world.said[0]
    (builder / ".git/config").write_text("[core]\n\trepositoryformatversion = 0\n")
    git(builder, "remote", "add", "origin", str(world.remote))
    (builder / ".git/refs/remotes/origin/main").write_text(sha + "\n")
    world.push(builder, "mended")
    world.until(lambda: world.pushed)
    assert world.subjects == [["mended"]]


def test_a_log_that_breaks_off_is_no_push(world: World, builder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    broken = ["sh", "-c", "printf '0\\n\\0%040d\\0a\\0e\\01\\0\\0half\\0' 7; kill -9 $$"]
    monkeypatch.setattr(repository.gitlog, "new_commits", lambda *_: broken)
    sha = world.push(builder, "claim(M1): all")
    world.until(lambda: world.said)
    assert world.pushed == []
    monkeypatch.undo()
    world.repository.look_everywhere()
    world.until(lambda: world.pushed)
    assert world.pushed[0].head == sha


def test_an_answer_that_does_not_come_is_no_rewrite(
    world: World, builder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin()
    monkeypatch.setattr(repository.gitlog, "is_older", lambda *_: ["false"])
    git(builder, "commit", "--quiet", "--amend", "--allow-empty", "--message", "amended")
    git(builder, "push", "--quiet", "--force", "origin", "HEAD:main")
    world.until(lambda: world.said)
    world.idle()
    assert world.pushed == []


def test_a_remote_that_hangs_is_given_up_and_the_pushes_of_our_clones_are_seen_meanwhile(
    world: World, builder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin()
    program = world.root / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setattr(repository, "FETCH_WITHIN", 1.5)
    git(builder, "remote", "set-url", "origin", "ssh://nowhere/remote.git")
    git(builder, "remote", "set-url", "--push", "origin", str(world.remote))
    world.repository.fetch(world.handoff.repo, world.handoff)
    world.push(builder, "claim(M1): all")
    world.until(lambda: world.pushed)
    world.until(lambda: world.said)
    assert "took too long" in world.said[0]
    git(builder, "remote", "set-url", "origin", str(world.remote))
    monkeypatch.undo()
    world.said.clear()
    world.fetch()
    assert world.said == []


def test_a_mirror_with_locks_of_a_killed_fetch_or_no_mirror_at_all_is_mended(world: World, builder: Path) -> None:
    mirror = world.root / "mirror.git"
    mirror.mkdir()
    (mirror / "half-made").write_text("")
    world.begin()
    world.fetch()
    (mirror / "refs/heads/main.lock").write_text("")
    elsewhere = world.clone("elsewhere")
    git(elsewhere, "pull", "--quiet", "origin", "main")
    sha = world.push(elsewhere, "more")
    world.fetch()
    assert world.said == []
    assert world.pushed[-1].head == sha


@pytest.mark.parametrize("lost", ["refs", "objects", "config", "HEAD"])
def test_a_mirror_whose_files_a_power_cut_left_empty_is_made_anew(world: World, builder: Path, lost: str) -> None:
    world.begin()
    world.fetch()
    mirror = world.root / "mirror.git"
    for path in [path for path in (mirror / lost, *(mirror / lost).rglob("*")) if path.is_file()]:
        path.chmod(0o600)
        path.write_bytes(b"")
    elsewhere = world.clone("elsewhere")
    git(elsewhere, "pull", "--quiet", "origin", "main")
    sha = world.push(elsewhere, "more")
    world.fetch()
    world.fetch()
    assert world.said == []
    assert world.pushed[-1].head == sha


def test_a_mirror_that_lacks_a_document_is_made_anew(world: World, builder: Path) -> None:
    world.begin()
    world.fetch()
    elsewhere = world.clone("elsewhere")
    git(elsewhere, "pull", "--quiet", "origin", "main")
    (elsewhere / "machine-docs").mkdir(exist_ok=True)
    (elsewhere / "machine-docs" / "STATUS-1.md").write_text("# told elsewhere\n")
    sha = world.push(elsewhere, "more")
    blob = git(elsewhere, "rev-parse", f"{sha}:machine-docs/STATUS-1.md").strip()
    mirror = world.root / "mirror.git"
    git(mirror, "fetch", "--quiet", str(world.remote), "+refs/heads/main:refs/heads/main")
    lost = mirror / "objects" / blob[:2] / blob[2:]
    lost.chmod(0o600)
    lost.write_bytes(b"")
    for _ in range(3):
        world.fetch()
    [complaint] = world.said
    assert "is empty" in complaint
    assert world.pushed[-1].head == sha
    assert world.pushed[-1].commits[-1][1].status == "# told elsewhere\n"


def test_a_remote_that_is_named_by_a_relative_path_is_fetched(world: World, builder: Path) -> None:
    git(builder, "remote", "set-url", "origin", "../remote.git")
    world.begin()
    world.fetch()
    assert world.said == []
    assert read_ref(str(world.root / "mirror.git"), "refs/heads/main") == git(builder, "rev-parse", "HEAD")


# ---- refs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"ref: refs/heads/other\n", b"\xff\xfe", b"--upload-pack=evil\n", b"abc\n"])
def test_a_ref_without_a_commit_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs/x").write_bytes(content)
    assert read_ref(str(tmp_path), "refs/x") == ""


def test_what_is_no_clone_has_no_git_directory(tmp_path: Path) -> None:
    assert git_directory(str(tmp_path)) is None
    (tmp_path / ".git").write_bytes(b"\xff\xfe nonsense")
    assert git_directory(str(tmp_path)) is None
    assert git_directory(str(tmp_path / "none")) is None


def test_a_commit_is_dated_by_the_steady_clock_though_the_wall_clock_was_set_back_a_day() -> None:
    """Fault class 5: else every verdict of the last day would look as if it came from the future."""
    wall = [1_000_000.0]
    clock = Clock(wall=lambda: wall[0], boottime=lambda: 50.0)
    before = clock.steady(999_990.0)

    wall[0] -= 86_400.0

    assert before == clock.now() - 10.0
    assert clock.steady(wall[0] - 10.0) == clock.now() - 10.0
