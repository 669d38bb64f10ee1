"""Conversations' own files go along with their ids, there and back, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops import config
from loops.config.model import Config
from loops.projects.migrate.transcripts import Taken, take_back, take_over

ID = "e933222d-4e68-57a3-83f4-e4e5730bf9ab"
PROJECT = """\
[defaults]
session_prefix = "t-"
log_dir = ".loops"
backend = "{backend}"
{more}
[[agent]]
name = "builder"
kind = "persistent"
"""


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own home."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return tmp_path / "user"


def project(root: Path, backend: str = "claude", more: str = "") -> Config:
    root.mkdir(exist_ok=True)
    (root / "agents.toml").write_text(PROJECT.format(backend=backend, more=more))
    return config.load(str(root / "agents.toml"))


def kept(home: Path, text: str) -> Path:
    path = home / ".claude" / "projects" / "-srv-cc-ci" / f"{ID}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def private(root: Path) -> Path:
    return root / ".loops" / "state" / "homes" / "builder"


def test_the_file_of_a_conversation_is_copied_to_the_agents_own_home(tmp_path: Path, user: Path):
    found = project(tmp_path / "p")
    theirs = kept(user, "one\n")

    taken = take_over(found, [("builder", ID)])

    assert taken == (Taken("builder", ID),)
    copy = private(tmp_path / "p") / theirs.relative_to(user)
    assert copy.read_text() == "one\n"
    assert theirs.read_text() == "one\n"


def test_the_users_own_variable_says_where_his_conversations_are(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "elsewhere" / ".claude"))
    kept(tmp_path / "elsewhere", "one\n")

    assert not take_over(project(tmp_path / "p"), [("builder", ID)])[0].why


def test_what_was_said_since_goes_back(tmp_path: Path, user: Path):
    found = project(tmp_path / "p")
    theirs = kept(user, "one\n")
    take_over(found, [("builder", ID)])
    kept(private(tmp_path / "p"), "one\ntwo\n")

    taken = take_back(found, [("builder", ID)])

    assert not taken[0].why
    assert theirs.read_text() == "one\ntwo\n"


def test_a_file_that_the_new_one_does_not_go_on_from_stays(tmp_path: Path, user: Path):
    found = project(tmp_path / "p")
    theirs = kept(user, "one\nelse\n")
    kept(private(tmp_path / "p"), "one\ntwo\n")

    taken = take_back(found, [("builder", ID)])

    assert "stays as it is" in taken[0].why
    assert theirs.read_text() == "one\nelse\n"


def test_a_conversation_without_its_file_is_named(tmp_path: Path, user: Path):
    taken = take_over(project(tmp_path / "p"), [("builder", ID)])

    assert f"{user}/.claude/projects/*/{ID}.jsonl" in taken[0].why
    assert not private(tmp_path / "p").exists()


def test_a_backend_that_keeps_no_such_files_is_named(tmp_path: Path):
    taken = take_over(project(tmp_path / "p", "opencode"), [("builder", ID)])

    assert taken[0].why.startswith("opencode keeps it in no file of its own")


def test_a_backend_described_by_data_needs_nothing(tmp_path: Path):
    found = project(tmp_path / "p", "mine", '[backend.mine]\nbin = "mine"\n')

    assert take_over(found, [("builder", ID), ("nobody", ID)]) == ()


def test_an_id_is_no_pattern(tmp_path: Path, user: Path):
    kept(user, "one\n")

    assert take_over(project(tmp_path / "p"), [("builder", "*")])[0].why
