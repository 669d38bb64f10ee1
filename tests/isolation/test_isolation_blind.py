"""A blind clone: what its work tree shows, with real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from loops.config.model import Handoff
from loops.isolation import blind
from loops.protocol.evidence import Claim, PhaseEvidence
from loops.protocol.review import Result
from loops.protocol.verdicts import Point, Verdict

PATTERNS = ("machine-docs/JOURNAL-*",)
BLIND = ()


def git(directory: Path, *words: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=builder@example.invalid", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(directory), *who, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(clone: Path, patterns=PATTERNS, judged=BLIND) -> str:
    argv = blind.words(str(clone), patterns, judged)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def builder(tmp_path: Path) -> Path:
    remote, clone = tmp_path / "remote.git", tmp_path / "builder"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), str(clone))
    (clone / "machine-docs").mkdir()
    (clone / "machine-docs" / "STATUS-1.md").write_text("facts\n")
    (clone / "code.py").write_text("pass\n")
    return clone


def push(builder: Path, text: str = "reasons\n") -> None:
    (builder / "machine-docs" / "JOURNAL-1.md").write_text(text)
    git(builder, "add", "--all")
    git(builder, "commit", "--quiet", "--message", "work")
    git(builder, "push", "--quiet", "origin", "HEAD:main")


@pytest.fixture
def clone(builder: Path) -> Path:
    push(builder)
    clone = builder.parent / "adversary"
    git(builder.parent, "clone", "--quiet", "--branch", "main", str(builder.parent / "remote.git"), str(clone))
    git(clone, "config", "user.email", "adversary@example.invalid")
    return clone


def journal(clone: Path) -> Path:
    return clone / "machine-docs" / "JOURNAL-1.md"


def test_the_files_are_gone_and_nothing_else_is(clone: Path) -> None:
    assert seen(clone) == blind.HIDDEN
    assert not journal(clone).exists()
    assert (clone / "machine-docs" / "STATUS-1.md").exists()
    assert git(clone, "status", "--porcelain") == ""


def test_they_stay_away_when_something_is_pulled(clone: Path, builder: Path) -> None:
    seen(clone)
    push(builder, "better reasons\n")
    git(clone, "pull", "--quiet", "--rebase")
    assert not journal(clone).exists()
    assert git(clone, "rev-parse", "HEAD") == git(builder, "rev-parse", "HEAD")


def test_it_hides_the_work_tree_alone_the_objects_can_be_asked(clone: Path) -> None:
    seen(clone)
    assert git(clone, "show", "HEAD:machine-docs/JOURNAL-1.md") == "reasons\n"


def test_they_come_back_with_the_agents_own_verdict(clone: Path) -> None:
    seen(clone)
    assert seen(clone, judged=("other@example.invalid",)) == blind.HIDDEN
    assert seen(clone, judged=("adversary@example.invalid",)) == blind.SHOWN
    assert journal(clone).read_text() == "reasons\n"
    assert git(clone, "status", "--porcelain") == ""


def test_it_can_be_said_as_often_as_one_likes(clone: Path) -> None:
    for _ in range(2):
        assert seen(clone) == blind.HIDDEN
        assert not journal(clone).exists()
    for _ in range(2):
        assert seen(clone, judged=(blind.ANYBODY,)) == blind.SHOWN
        assert journal(clone).exists()


def test_other_patterns_take_the_place_of_the_earlier_ones(clone: Path) -> None:
    seen(clone)
    assert seen(clone, patterns=("*.py",)) == blind.HIDDEN
    assert journal(clone).exists()
    assert not (clone / "code.py").exists()
    assert seen(clone, patterns=()) == blind.SHOWN
    assert (clone / "code.py").exists()


def test_a_change_that_is_not_committed_is_left_alone(clone: Path) -> None:
    journal(clone).write_text("my notes\n")
    (clone / "code.py").write_text("mine\n")
    done = subprocess.run(blind.words(str(clone), PATTERNS, BLIND), capture_output=True, text=True, check=False)
    assert "JOURNAL-1.md" in done.stderr
    assert journal(clone).read_text() == "my notes\n"
    assert (clone / "code.py").read_text() == "mine\n"


def test_the_clones_own_sparse_checkout_is_kept(clone: Path) -> None:
    git(clone, "sparse-checkout", "set", "--no-cone", "/*", "!/code.py")
    seen(clone)
    assert not journal(clone).exists()
    assert seen(clone, judged=(blind.ANYBODY,)) == blind.SHOWN
    assert journal(clone).exists()
    assert not (clone / "code.py").exists()
    assert git(clone, "sparse-checkout", "list").split() == ["/*", "!/code.py"]


def test_a_hook_of_the_clone_is_not_run(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "post-index-change"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    seen(clone)
    assert not (clone / "ran").exists()


def test_what_is_no_clone_fails_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run(blind.words(str(tmp_path), PATTERNS, BLIND), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "not a git repository" in done.stderr


# ---- who has judged ------------------------------------------------------------------------------------------------

ONE = Handoff("repo")
TWO = Handoff("repo", adversary=("adversary", "second"))


def evidence(claimed: int, *verdicts: tuple[int, str, Result]) -> PhaseEvidence:
    given = {f"M{n}": Verdict(f"M{n}", result, Point(n, "c", 0.0), "", who) for n, who, result in verdicts}
    return PhaseEvidence("1", claim=Claim(("M1",), Point(claimed, "c", 0.0), "b"), verdicts=given)


@pytest.mark.parametrize(
    ("handoff", "agent", "facts", "judged"),
    [
        (ONE, "adversary", PhaseEvidence("1"), ()),
        (ONE, "adversary", evidence(3, (2, "a", Result.PASS)), ()),
        (ONE, "adversary", evidence(3, (4, "a", Result.FAIL)), ("*",)),
        (ONE, "adversary", evidence(3, (4, "b", Result.UNCLEAR)), ()),
        (ONE, "builder", evidence(3, (4, "a", Result.PASS)), ()),
        (TWO, "second", evidence(3, (4, "a", Result.PASS), (5, "s", Result.FAIL)), ("a", "s")),
        (None, "adversary", evidence(3, (4, "a", Result.PASS)), ()),
    ],
)
def test_a_verdict_after_the_last_claim_opens_the_eyes_of_who_gave_it(handoff, agent, facts, judged) -> None:
    assert blind.judges(facts, handoff, agent) == judged
