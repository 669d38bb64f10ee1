"""A pin is moved, and moved back; a failure or a kill at any step leaves everything as it was, or is mended."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fleet_samples import engine, git, pinned
from loops.config.fleet import load_fleet
from loops.errors import ConfigError, LoopsError, UsageError
from loops.places import Runtime
from loops.projects.fleet import moving, record, registry, update
from loops.projects.fleet.changes import Change
from loops.protocol.clone import Clone, GitError

FLEET = """\
# ours
[[project]]
name = "a"
location = "a"
ref = "v1"   # the pin
secrets = "none"
"""


@dataclass(frozen=True)
class Home:
    """A fleet with the project a, which pins v1 of an engine that has a v2 and a v3."""

    root: Path

    @property
    def fleet(self) -> str:
        return str(self.root / "fleet.toml")

    @property
    def project(self) -> Path:
        return self.root / "a"

    @property
    def pin(self) -> str:
        return git(self.project, "ls-tree", "HEAD", "engine").split()[2]

    def commit(self, tag: str) -> str:
        return git(self.root / "loops", "rev-parse", tag)

    def state(self) -> dict[str, object]:
        """All that an update may touch."""
        kept = record.read(Clone(str(self.project)))
        return {
            "fleet": Path(self.fleet).read_bytes(),
            "head": git(self.project, "rev-parse", "HEAD"),
            "branch": git(self.project, "symbolic-ref", "HEAD"),
            "status": git(self.project, "status", "--porcelain"),
            "engine": git(self.project / "engine", "rev-parse", "HEAD"),
            "engine branch": git(self.project / "engine", "branch", "--show-current"),
            "engine files": (self.project / "engine" / "agents.py").read_text(),
            "moves": kept.moves,
            "under way": kept.under_way,
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, and copied for each test."""
    root = tmp_path_factory.mktemp("made")
    engine(root / "loops", "v1", {"grace": 180, "old": True})
    pinned(root / "a", "a-", str(root / "loops"), "v1")
    (root / "fleet.toml").write_text(FLEET)
    engine(root / "loops", "v2", {"grace": 200, "new": "x"})
    engine(root / "loops", "v3", {"grace": 200, "new": "x"}, refuses="a-")
    return root


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(tmp_path / "run"))
    root = tmp_path / "h"
    shutil.copytree(made, root, symlinks=True)
    git(root / "a" / "engine", "remote", "set-url", "origin", str(root / "loops"))
    git(root / "a", "update-index", "--refresh")
    return Home(root)


# ---- what is told, and done --------------------------------------------------------------------------------------------


def test_a_pin_is_moved_with_its_mirror_by_one_commit(home: Home):
    before = git(home.project, "rev-parse", "HEAD")

    report = update.update(home.fleet, "a", "v2")

    assert home.pin == report.after == home.commit("v2")
    assert git(home.project, "rev-parse", "HEAD^") == before
    assert git(home.project, "log", "-1", "--format=%s") == "Pin the engine at v2"
    assert git(home.project, "show", "--name-only", "--format=", "HEAD") == "engine"
    assert git(home.project, "status", "--porcelain") == ""
    assert git(home.project / "engine", "rev-parse", "HEAD") == home.commit("v2")
    assert Path(home.fleet).read_text() == FLEET.replace('"v1"   #', '"v2"   #')


def test_what_the_new_engine_changes_is_told_before_anything_is_moved(home: Home):
    before = home.state()

    report = update.update(home.fleet, "a", "v2", dry_run=True)

    assert home.state() == before
    assert (report.newer, report.older, report.commit, report.checked_by) == (1, 0, "", "validate")
    assert report.effective == (
        Change("grace", "180", "200", "default"),
        Change("new", None, '"x"', "default"),
        Change("old", "true", None),
    )
    assert [change.key for change in report.schema] == ["defaults.grace", "defaults.new", "defaults.old"]
    assert report.prompts == ("prompts/builder.md",)


def test_a_configuration_that_the_new_engine_refuses_moves_nothing(home: Home):
    before = home.state()

    with pytest.raises(ConfigError, match=r"refuses .*/a/agents.toml, and nothing was moved: .*a- is refused"):
        update.update(home.fleet, "a", "v3")

    assert home.state() == before


@pytest.mark.parametrize("to", ["main", "COMMIT", "COMMIT10"])
def test_a_branch_and_a_commit_can_be_pinned_too(home: Home, to: str):
    git(home.root / "loops", "reset", "--quiet", "--hard", "v2")
    to = {"COMMIT": home.commit("v2"), "COMMIT10": home.commit("v2")[:10]}.get(to, to)

    update.update(home.fleet, "a", to)

    assert home.pin == home.commit("v2")
    assert load_fleet(home.fleet).entry("a").ref == to


def test_a_ref_that_the_engine_has_not_is_told_with_its_tags(home: Home):
    with pytest.raises(UsageError, match="no tag, branch or commit 'v9'; its newest tags: v3, v2, v1"):
        update.update(home.fleet, "a", "v9")


def test_an_unreachable_remote_is_said_and_what_was_fetched_serves(home: Home):
    git(home.project / "engine", "fetch", "--quiet", "--tags", "origin")
    shutil.rmtree(home.root / "loops" / ".git")

    report = update.update(home.fleet, "a", "v2")

    assert report.commit
    assert "the engine's remote cannot be fetched" in report.notes[0]


def test_a_pin_that_stands_there_already_only_sets_the_mirror(home: Home):
    git(home.project / "engine", "tag", "same", "v1")
    before = home.state()

    report = update.update(home.fleet, "a", "same")

    assert report.commit == ""
    assert "pinned there already" in report.notes[-1]
    assert home.state() == {**before, "fleet": FLEET.replace('"v1"   #', '"same"   #').encode()}


def test_an_engine_older_than_the_questions_is_taken_at_its_status(home: Home):
    engine(home.root / "loops", "v0", {}, verbs=("status",))

    report = update.update(home.fleet, "a", "v0")

    assert report.checked_by == "status"
    assert report.effective == ()
    assert any("does not tell its configuration" in note for note in report.notes)


def test_a_commit_without_an_engine_is_refused(home: Home):
    git(home.root / "loops", "rm", "--quiet", "agents.py")
    git(home.root / "loops", "commit", "--quiet", "-m", "Empty")
    git(home.root / "loops", "tag", "none")

    with pytest.raises(LoopsError, match=r"is no engine: it has no agents\.py"):
        update.update(home.fleet, "a", "none")


def test_a_running_project_is_moved_and_said_to_run(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", f"/tmp/lfu-{os.getpid()}")
    runtime = Runtime(str((home.project / "agents.toml").resolve()))
    runtime.create()
    try:
        with socket.socket(socket.AF_UNIX) as supervisor:
            supervisor.bind(runtime.control_socket)
            supervisor.listen()

            report = update.update(home.fleet, "a", "v2")

        assert report.running == os.getpid()
        assert report.commit
    finally:
        shutil.rmtree(f"/tmp/lfu-{os.getpid()}")


# ---- nobody's work is in the way ---------------------------------------------------------------------------------------


def dirty_project(home: Home) -> None:
    with open(home.project / "agents.toml", "a", encoding="utf-8") as file:
        file.write("# mine\n")


def dirty_engine(home: Home) -> None:
    git(home.project, "config", "-f", ".gitmodules", "submodule.engine.ignore", "all")
    git(home.project, "commit", "--quiet", "-am", "Look away")
    (home.project / "engine" / "agents.py").write_text("mine\n")


def staged(home: Home) -> None:
    (home.project / "x").touch()
    git(home.project, "add", "x")


def strayed(home: Home) -> None:
    git(home.project / "engine", "fetch", "--quiet", "--tags")
    git(home.project / "engine", "checkout", "--quiet", "v2")


def merging(home: Home) -> None:
    (home.project / ".git" / "MERGE_HEAD").write_text(git(home.project, "rev-parse", "HEAD") + "\n")


def without_engine(home: Home) -> None:
    shutil.rmtree(home.project / "engine")
    (home.project / "engine").mkdir()


@pytest.mark.parametrize("hinder", [dirty_project, dirty_engine, staged, strayed, merging, without_engine])
def test_a_project_with_somebodys_work_in_it_is_left_alone(home: Home, hinder: Callable[[Home], None]):
    hinder(home)
    before, files = git(home.project, "rev-parse", "HEAD"), Path(home.fleet).read_bytes()

    with pytest.raises(LoopsError, match=r"not committed|half-done|another commit|not checked out"):
        update.update(home.fleet, "a", "v2")

    assert (git(home.project, "rev-parse", "HEAD"), Path(home.fleet).read_bytes()) == (before, files)


def test_files_that_git_does_not_know_are_in_nobodys_way(home: Home):
    (home.project / "note").write_text("mine\n")

    update.update(home.fleet, "a", "v2")

    assert (home.project / "note").read_text() == "mine\n"


def test_two_at_a_time_are_refused(home: Home):
    with record.locked(Clone(str(home.project))), pytest.raises(LoopsError, match="another update"):
        update.update(home.fleet, "a", "v2")


# ---- undo --------------------------------------------------------------------------------------------------------------


def test_undo_returns_to_the_pin_before_by_a_commit_of_its_own(home: Home):
    before = home.state()
    moved = update.update(home.fleet, "a", "v2")

    report = update.undo(home.fleet, "a")

    assert git(home.project, "rev-parse", "HEAD^") == moved.commit
    assert git(home.project, "rev-parse", "HEAD^{tree}") == git(home.project, "rev-parse", "HEAD~2^{tree}")
    assert f"Undoes {moved.commit}." in git(home.project, "log", "-1", "--format=%B")
    assert home.state() == {**before, "head": report.commit}


def test_undo_goes_back_one_update_at_a_time_then_says_that_there_is_none(home: Home):
    engine(home.root / "loops", "v4", {})
    update.update(home.fleet, "a", "v2")
    update.update(home.fleet, "a", "v4")

    update.undo(home.fleet, "a")
    assert home.pin == home.commit("v2")
    update.undo(home.fleet, "a")
    assert home.pin == home.commit("v1")

    with pytest.raises(UsageError, match="nothing to undo"):
        update.undo(home.fleet, "a")


def test_a_pin_that_somebody_else_moved_is_not_undone(home: Home):
    update.update(home.fleet, "a", "v2")
    git(home.project / "engine", "checkout", "--quiet", "v3")
    git(home.project, "commit", "--quiet", "-am", "Mine")

    with pytest.raises(LoopsError, match="moved since"):
        update.undo(home.fleet, "a")

    assert home.pin == home.commit("v3")


def test_what_the_old_engine_refuses_is_undone_all_the_same(home: Home):
    update.update(home.fleet, "a", "v2")
    git(home.project / "engine", "tag", "--force", "back", "v3")
    kept = record.read(Clone(str(home.project)))
    (move,) = kept.moves
    record.write(Clone(str(home.project)), record.Record((replace(move, before=home.commit("v3")),)))

    report = update.undo(home.fleet, "a")

    assert home.pin == home.commit("v3")
    assert any("a- is refused" in note for note in report.notes)


def test_an_undo_can_be_looked_at_first(home: Home):
    update.update(home.fleet, "a", "v2")
    before = home.state()

    report = update.undo(home.fleet, "a", dry_run=True)

    assert report.effective[0] == Change("grace", "200", "180", "default")
    assert home.state() == before


# ---- a failure at any step ---------------------------------------------------------------------------------------------

Doing = Callable[..., Any]


class Steps:
    """Counts every effect of a move, and does *what* at the one that is *due*: before it, or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, due: int, *, after: bool, what: Callable[[], None]) -> None:
        self.count, self._due, self._after, self._what, self.on = 0, due, after, what, False
        for where, name in ((Clone, "run"), (record, "write"), (registry, "_replace")):
            monkeypatch.setattr(where, name, self._watched(getattr(where, name)))
        carry_out = moving.carry_out

        def watched(*words: Any) -> str:
            self.on = True
            return carry_out(*words)

        monkeypatch.setattr(update, "carry_out", watched)

    def _watched(self, doing: Doing) -> Doing:
        def watched(*words: Any, **more: Any) -> Any:
            counts = self.on and "config" not in words  # what cannot be read there is as if it were not set
            self.count += counts
            now = counts and self.count == self._due
            if now and not self._after:
                self._what()
            done = doing(*words, **more)
            if now and self._after:
                self._what()
            return done

        return watched


def fail() -> None:
    raise GitError("git: it was made to fail")


def full() -> None:
    raise OSError(28, "No space left on device")


def interrupt() -> None:
    raise KeyboardInterrupt


def die() -> None:
    os._exit(9)


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is asked what it changes: that is before anything is moved, and takes most of the time."""

    def report(fleet: object, entry: object, held: Any, *rest: object, commit: str, ref: str, **more: object) -> object:
        return update.Report(held.project.root, held.pin.commit, commit, ref)

    monkeypatch.setattr(update, "_examine", report)


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize(
    ("what", "after", "undoing"),
    [(fail, False, False), (interrupt, True, False), (full, False, True), (fail, True, True)],
)
def test_a_failure_at_any_step_leaves_everything_as_it_was(
    home: Home, what: Callable[[], None], after: bool, undoing: bool
):
    git(home.project / "engine", "checkout", "--quiet", "-B", "work", "v1")  # a branch is to be given back too
    if undoing:
        update.update(home.fleet, "a", "v2")
        git(home.project / "engine", "checkout", "--quiet", "-B", "work", "v2")
    act = (lambda: update.undo(home.fleet, "a")) if undoing else (lambda: update.update(home.fleet, "a", "v2"))
    before = home.state()
    due, failed = 0, 0
    while True:
        due += 1
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(patch, due, after=after, what=what)
            try:
                act()
            except (LoopsError, OSError, KeyboardInterrupt):
                failed += 1
        if steps.count < due:
            break

        assert home.state() == before, f"at step {due}"

    assert failed > 8
    assert home.pin == home.commit("v1" if undoing else "v2")


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize(("after", "then"), [(False, "undo"), (True, "undo"), (False, "provide"), (True, "update")])
def test_a_kill_at_any_step_is_mended_by_the_next_call(home: Home, after: bool, then: str):
    before, due, killed = home.state(), 0, 0
    while True:
        due += 1
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                Steps(patch, due, after=after, what=die)
                update.update(home.fleet, "a", "v2")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            break
        killed += 1
        under_way = record.read(Clone(str(home.project))).under_way is not None

        if then == "undo":
            if under_way or record.read(Clone(str(home.project))).moves:
                update.undo(home.fleet, "a")
        elif then == "provide":
            update.provide(home.fleet, "a")
        else:
            update.update(home.fleet, "a", "v2")

        now = home.state()
        assert now["under way"] is None
        assert now["status"] == ""
        forward = home.pin == home.commit("v2")
        assert now["engine"] == home.pin, f"at step {due}"
        assert load_fleet(home.fleet).entry("a").ref == ("v2" if forward else "v1")
        assert then == "provide" or forward is (then == "update")
        if forward:
            update.undo(home.fleet, "a")
        assert {**home.state(), "head": "", "moves": ()} == {**before, "head": ""}
    assert killed > 8


def test_what_cannot_be_taken_back_now_is_said_and_taken_back_later(home: Home, monkeypatch: pytest.MonkeyPatch):
    before = home.state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.RefChange, "make", lambda *words: fail())
        patch.setattr(moving.Holding, "take_back", lambda *words: fail())
        with pytest.raises(LoopsError, match=r"cannot be taken back now .* tries that again"):
            update.update(home.fleet, "a", "v2")

    with pytest.raises(LoopsError, match="an update was broken off"):
        update.update(home.fleet, "a", "v2", dry_run=True)
    (*_, said) = update.provide(home.fleet, "a")

    assert "has been taken back" in said
    assert home.state() == before


def test_work_that_was_done_after_a_kill_is_kept(home: Home):
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(moving.Holding, "commit", lambda *words: die())
            update.update(home.fleet, "a", "v2")
    os.waitpid(child, 0)
    assert record.read(Clone(str(home.project))).under_way is not None
    (home.project / "engine" / "agents.py").write_text("mine\n")

    update.undo(home.fleet, "a")

    kept = git(home.project / "engine", "for-each-ref", "--format=%(refname)", "refs/loops/kept")
    assert git(home.project / "engine", "show", f"{kept}:agents.py") == "mine"
    assert git(home.project / "engine", "rev-parse", "HEAD") == home.commit("v1")


def test_an_unreadable_record_is_said_and_nothing_is_moved(home: Home):
    update.update(home.fleet, "a", "v2")
    (home.project / ".git" / "loops" / "pin.json").write_text("{")

    with pytest.raises(LoopsError, match=r"pin.json: cannot be read"):
        update.undo(home.fleet, "a")


# ---- checkouts of URLs -------------------------------------------------------------------------------------------------


def as_url(home: Home) -> str:
    url = f"file://{home.project}"
    Path(home.fleet).write_text(FLEET.replace('location = "a"', f'location = "{url}"'))
    return url


def test_a_url_is_cloned_with_its_engine_and_then_moved(home: Home):
    url = as_url(home)

    (said,) = update.provide(home.fleet, "a")
    report = update.update(home.fleet, "a", "v2")

    checkout = home.root / "checkouts" / "a"
    assert said == f"cloned {url} into {checkout}"
    assert report.root == str(checkout)
    assert git(checkout, "ls-tree", "HEAD", "engine").split()[2] == home.commit("v2")
    assert home.pin == home.commit("v1")


def test_a_checkout_is_fetched_and_its_branch_is_not_moved(home: Home):
    as_url(home)
    update.provide(home.fleet, "a")
    git(home.project, "commit", "--quiet", "--allow-empty", "-m", "More")
    head = git(home.root / "checkouts" / "a", "rev-parse", "HEAD")

    (said,) = update.provide(home.fleet, "a")

    assert "1 commits behind" in said
    assert git(home.root / "checkouts" / "a", "rev-parse", "HEAD") == head


def test_a_dead_remote_leaves_nothing(home: Home):
    Path(home.fleet).write_text(FLEET.replace('location = "a"', f'location = "file://{home.root}/nowhere"'))

    with pytest.raises(LoopsError, match=r"cannot be cloned: .*nothing is left of it"):
        update.provide(home.fleet, "a")

    assert os.listdir(home.root / "checkouts") == []


def test_what_stands_in_the_place_of_a_checkout_is_left_alone(home: Home):
    as_url(home)
    (home.root / "checkouts" / "a").mkdir(parents=True)
    (home.root / "checkouts" / "a" / "mine").touch()

    with pytest.raises(LoopsError, match="is left as it is"):
        update.provide(home.fleet, "a")
