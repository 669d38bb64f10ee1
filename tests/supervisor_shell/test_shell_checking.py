"""A phase's checks run in a fresh clone of what was pushed, and always leave an answer that can be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loops.supervisor import checking
from loops.supervisor.errands import git_environment
from shell_project import PATIENCE, alive

ENVIRONMENT = {
    **git_environment(),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": f"{who}@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
Check = Callable[..., dict[str, Any]]


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Builder's clone: one commit was pushed, a second one was not."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "remote.git"), str(clone))
    (clone / "file").write_text("pushed\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "one")
    git(clone, "push", "--quiet", "origin", "HEAD:main")
    (clone / "file").write_text("local\n")
    git(clone, "commit", "--quiet", "--all", "--message", "two")
    (clone / "untracked").write_text("")
    return clone


@pytest.fixture
def check(clone: Path, tmp_path: Path) -> Check:
    """Run the program as the holder does; return its answer."""

    def run(*commands: str, commit: str = "HEAD~1", timeout: float = 30.0, remote: str = "origin") -> dict[str, Any]:
        order = {
            "repo": str(clone),
            "remote": remote,
            "commit": git(clone, "rev-parse", commit) if "HEAD" in commit else commit,
            "work": str(tmp_path / "checks" / "1"),
            "answer": str(tmp_path / "answer.json"),
            "commands": commands,
            "timeout": timeout,
        }
        argv = [sys.executable, "-I", "-S", checking.__file__, json.dumps(order)]
        done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "checks" / "1").exists()
        answer: dict[str, Any] = json.loads((tmp_path / "answer.json").read_text())
        assert answer["commit"] == order["commit"]
        return answer

    return run


def test_every_command_must_succeed_in_a_clean_clone_of_the_commit(check: Check) -> None:
    answer = check("grep -q pushed file", "test ! -e untracked", "git diff --quiet HEAD")
    assert answer["ok"] is True
    assert "3 checks succeeded" in answer["text"]


def test_the_first_failure_is_named_and_ends_the_run(check: Check, tmp_path: Path) -> None:
    answer = check("true", "exit 3", f"touch {tmp_path}/later")
    assert answer["ok"] is False
    assert "`exit 3` ended with exit 3" in answer["text"]
    assert not (tmp_path / "later").exists()


def test_a_killed_command_is_a_failure_with_its_signal(check: Check) -> None:
    assert "was killed by signal 9" in check("kill -9 $$")["text"]


def test_a_command_that_hangs_is_ended_with_its_children(check: Check, tmp_path: Path) -> None:
    answer = check(f"sleep 600 & echo $! > {tmp_path}/pid; wait", timeout=6.0)  # the clone is made in it too
    assert answer["ok"] is False
    assert "took too long" in answer["text"]
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("commit", ["HEAD", "1" * 40])
def test_a_commit_that_is_not_on_the_remote_is_refused(check: Check, commit: str) -> None:
    answer = check("true", commit=commit)
    assert answer["ok"] is False
    assert "no fresh clone" in answer["text"]


def test_a_remote_that_is_missing_or_gone_is_refused(check: Check, clone: Path, tmp_path: Path) -> None:
    assert check("true", remote="nowhere")["ok"] is False
    (tmp_path / "remote.git").rename(tmp_path / "moved.git")
    assert check("true")["ok"] is False


def test_a_remote_by_relative_path_is_cloned(check: Check, clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", "../remote.git")
    assert check("grep -q pushed file")["ok"] is True


def test_output_without_measure_is_no_matter(check: Check) -> None:
    assert check("head -c 20000000 /dev/zero")["ok"] is True


def test_what_an_earlier_run_left_is_removed_first(check: Check, tmp_path: Path) -> None:
    (tmp_path / "checks" / "1").mkdir(parents=True)
    (tmp_path / "checks" / "1" / "left").write_text("")
    assert check("test ! -e left")["ok"] is True


def test_commands_cannot_wait_for_a_persons_answer(check: Check) -> None:
    assert check("! read -r line", "! (: < /dev/tty) 2>/dev/null")["ok"] is True
