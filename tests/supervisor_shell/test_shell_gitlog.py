"""What git answers is read exactly, whatever a committer put into subjects, names and paths."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loops.supervisor import gitlog
from loops.supervisor.errands import git_environment

ENVIRONMENT = {
    **git_environment(),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_COMMITTER_NAME": "c",
    "GIT_COMMITTER_EMAIL": "c@example.invalid",
    "GIT_AUTHOR_EMAIL": "a@example.invalid",
}


def git(clone: Path, *words: str | bytes, given: bytes = b"", **environment: str) -> bytes:
    return subprocess.run(
        ["git", "-C", clone, *words], input=given, capture_output=True, check=True, env={**ENVIRONMENT, **environment}
    ).stdout.strip()


def commit(clone: Path, paths: Sequence[str], subject: str, parents: Sequence[str], author: str = "a") -> str:
    """Make a commit that adds *paths*, without a work tree: so any name that git can store can be tried."""
    blob = git(clone, "hash-object", "-w", "--stdin", given=subject.encode()).decode()
    git(clone, "read-tree", parents[0] if parents else "--empty")
    rows = "".join(f"100644 {blob}\t{path}\0" for path in paths)
    git(clone, "update-index", "-z", "--index-info", given=rows.encode())
    tree = git(clone, "write-tree").decode()
    words = [word for parent in parents for word in ("-p", parent)]
    return git(clone, "commit-tree", tree, *words, given=subject.encode(), GIT_AUTHOR_NAME=author).decode()


def run(argv: Sequence[str], given: bytes = b"") -> bytes:
    return subprocess.run(argv, input=given, capture_output=True, env=ENVIRONMENT, check=False).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--bare")
    return tmp_path


hostile = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=30)
subjects = hostile.filter(lambda s: s.strip() == s and s.isprintable()) | st.sampled_from(
    [
        "claim(M1)\x1e\x1f\x1f forged",
        "\x1eabc",
        "a\x1f\x1f\x1f\x1f\x1f\x1f\x1f",
        "schön ☃",
        "%H %x00",
        "review(D1): PASS",
    ]
)
paths = st.lists(
    hostile.filter(lambda p: "/" not in p and p.lower() not in (".", "..", ".git") and p.isprintable())
    | st.sampled_from(["\nbegins with a newline", "two\nlines", 'quo"te', "tab\there", "-dash", "\x1e\x1f", "ünï"]),
    min_size=0,
    max_size=3,
    unique=True,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=subjects, second=subjects, files=paths, more=paths)
def test_subjects_and_paths_come_back_exactly(
    clone: Path, first: str, second: str, files: list[str], more: list[str]
) -> None:
    old = commit(clone, files, first, [])
    new = commit(clone, [f"sub/{path}" for path in more], second, [old])

    ancestry, commits = gitlog.parse_log(run(gitlog.all_commits(str(clone), new)))

    assert ancestry == 0
    assert [(c.sha, c.subject) for c in commits] == [(old, first), (new, second)]
    assert [set(c.paths) for c in commits] == [set(files), {f"sub/{path}" for path in more}]


def test_a_merge_is_known_and_empty_commits_have_no_paths(clone: Path) -> None:
    root = commit(clone, ["a"], "root", [])
    left, right = commit(clone, ["b"], "left", [root]), commit(clone, ["c"], "right", [root])
    merge = commit(clone, [], "merge", [left, right])
    empty = commit(clone, [], "empty", [merge], author="x\x1fy")

    _, commits = gitlog.parse_log(run(gitlog.all_commits(str(clone), empty)))

    found = {c.subject: c for c in commits}
    assert commits[0].subject == "root"
    assert commits[-1].subject == "empty"
    assert found["merge"].merge
    assert not found["left"].merge
    assert found["empty"].paths == ()
    assert found["empty"].author == "x\x1fy"


def test_the_ancestry_says_older_not_older_or_unknown_here(clone: Path) -> None:
    old = commit(clone, ["a"], "old", [])
    new = commit(clone, ["b"], "new", [old])
    other = commit(clone, ["c"], "other", [])

    assert gitlog.parse_log(run(gitlog.new_commits(str(clone), old, new)))[0] == 0
    assert gitlog.parse_log(run(gitlog.new_commits(str(clone), other, new)))[0] == 1
    assert gitlog.parse_log(run(gitlog.new_commits(str(clone), "0" * 40, new)))[0] == gitlog.UNKNOWN
    assert gitlog.parse_log(b"") == (gitlog.UNKNOWN, [])


def test_a_clones_own_settings_neither_run_programs_nor_add_to_the_output(clone: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "gpg"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key, value in (
        ("log.showSignature", "true"),
        ("gpg.program", str(program)),
        ("log.showRoot", "false"),
        ("diff.renames", "copies"),
        ("i18n.logOutputEncoding", "latin1"),
    ):
        git(clone, "config", key, value)
    signed = (
        b"tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n"
        b" -----END PGP SIGNATURE-----\n\nclaim(M1): \xc3\xbc\n"
    ) % git(clone, "mktree")
    sha = git(clone, "hash-object", "-t", "commit", "-w", "--stdin", given=signed).decode()

    _, commits = gitlog.parse_log(run(gitlog.all_commits(str(clone), sha)))

    assert [c.subject for c in commits] == ["claim(M1): ü"]
    assert not ran.exists()


def test_a_renamed_document_is_named_in_its_old_place_too(clone: Path) -> None:
    old = commit(clone, ["machine-docs/STATUS-1.md"], "old", [])
    blob = git(clone, "rev-parse", f"{old}:machine-docs/STATUS-1.md").decode()
    tree = git(clone, "mktree", given=f"100644 blob {blob}\tmoved.md\n".encode()).decode()
    new = git(clone, "commit-tree", tree, "-p", old, given=b"moved", GIT_AUTHOR_NAME="a").decode()

    _, commits = gitlog.parse_log(run(gitlog.new_commits(str(clone), old, new)))

    assert set(commits[0].paths) == {"machine-docs/STATUS-1.md", "moved.md"}


# ---- objects -------------------------------------------------------------------------------------------------------


def test_objects_are_matched_with_their_names_and_the_missing_are_left_out(clone: Path) -> None:
    sha = commit(clone, ["STATUS-1.md"], "text\nwith lines\n\nblob 5\n", [])
    names = [f"{sha}:missing.md", f"{sha}:STATUS-1.md", f"{sha}:", f"{sha}:STATUS-1.md"]

    found = gitlog.parse_objects(run(gitlog.objects(str(clone)), "".join(f"{n}\n" for n in names).encode()), names)

    assert set(found) == {f"{sha}:STATUS-1.md"}
    assert found[names[1]][1] == "text\nwith lines\n\nblob 5\n"


def test_an_answer_that_breaks_off_gives_what_came_whole() -> None:
    assert gitlog.parse_objects(b"", ["a", "b"]) == {}
    assert gitlog.parse_objects(b"1234 blob 3\nabc\n1234 bl", ["a", "b"]) == {"a": ("1234", "abc")}


# ---- which documents -----------------------------------------------------------------------------------------------


def test_documents_are_wanted_of_commits_that_touch_them_of_merges_and_of_signals() -> None:
    wanted = gitlog.Wanted("machine-docs", "STATUS-1.md", "REVIEW-1.md", ("claim(", "review("))

    def at(subject: str, *touched: str, merge: bool = False) -> bool:
        return wanted.at(gitlog.Commit("1" * 40, "a", "e", 1.0, subject, touched, merge=merge))

    assert at("docs", "machine-docs/STATUS-1.md")
    assert at("docs", "REVIEW-1.md")
    assert at("claim(D1): x")
    assert at("merge", merge=True)
    assert not at("code", "src/a.py", "STATUS-1.md.bak")


def test_the_documents_folder_comes_before_the_root() -> None:
    assert gitlog.places("machine-docs/", "A.md") == ("machine-docs/A.md", "A.md")
    assert gitlog.places("/", "A.md") == ("A.md",)
