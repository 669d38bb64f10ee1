"""A claim or verdict that was killed anywhere is typed again with the same words, and stands once."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import loops
import pytest
from loops.errors import ProtocolError
from loops.protocol import publish
from loops.protocol.repeated import without
from loops.protocol.review import Result, parse_review
from loops.protocol.status import GateState, parse_status
from loops.protocol.writers import ItemVerdict, appended
from publish_place import FIELDS, HANDOFF, PHASE, Place, git

STATUS = "machine-docs/STATUS-1c.md"
REVIEW = "machine-docs/REVIEW-1c.md"
NOW = 1_780_000_000.0
LATER = NOW + 3600
MOST_CUTS = 20
"""More steps than a command has, from the first change of a file on."""
COMMAND = f"""\
import os, signal, sys
sys.path[:0] = [{str(Path(loops.__file__).parents[1])!r}, {str(Path(__file__).parent)!r}]
import test_publish_killed as words

left = int(sys.argv[3])
writing = False

def cut(event, about):
    global left, writing
    writing = writing or event == "os.rename"
    if writing and event in ("os.rename", "subprocess.Popen"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(cut)
words.WORDS[sys.argv[1]](sys.argv[2], words.NOW)
"""
"""Cut right before it puts the document in its place, or before a git command behind that: all that it does are these."""


def claimed(clone: Path | str, when: float) -> publish.Published:
    return publish.claim(str(clone), PHASE, HANDOFF, "M1", FIELDS, agent="builder", now=when)


def judged(clone: Path | str, when: float) -> publish.Published:
    items = [ItemVerdict("M1", Result.PASS, "12 passed"), ItemVerdict("M2", Result.FAIL, "leaks a token")]
    found = ["a token in the log", "slow"]
    return publish.verdict(str(clone), PHASE, HANDOFF, items, findings=found, veto="secrets in the log", now=when)


def withdrawn(clone: Path | str, when: float) -> publish.Published:
    return publish.verdict(str(clone), PHASE, HANDOFF, [], withdraw=True, now=when)


WORDS = {"claim": claimed, "verdict": judged, "withdrawal": withdrawn}
WHO = {"claim": "builder", "verdict": "adversary", "withdrawal": "adversary"}
DOCUMENT = {"claim": STATUS, "verdict": REVIEW, "withdrawal": REVIEW}


def cut_off(clone: Path, words: str, cut_at: int) -> bool:
    """Type it, and kill it before its step *cut_at* (0: never); whether it was killed."""
    ran = subprocess.run(
        [sys.executable, "-c", COMMAND, words, str(clone), str(cut_at)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        start_new_session=True,
    )
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def lines_of(place: Place, path: str) -> list[str]:
    """The document's pushed lines, without their times, which differ."""
    return [line.partition(" @")[0] for line in place.pushed(path).splitlines()]


def subjects(place: Place) -> list[str]:
    return git(place.remote, "log", "--format=%s", "main").splitlines()


def prepared(place: Place, words: str) -> None:
    if words == "withdrawal":
        judged(place.adversary, NOW - 60)


@pytest.mark.heavy
@pytest.mark.parametrize("words", WORDS)
def test_what_was_killed_at_any_step_and_is_typed_again_is_written_committed_and_pushed_once(
    place: Place, words: str, tmp_path: Path
) -> None:
    prepared(place, words)
    for name in ("builder", "adversary"):
        git(tmp_path / name, "remote", "set-url", "origin", "../remote.git")
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path, kept, ignore=shutil.ignore_patterns("kept"))
    WORDS[words](tmp_path / WHO[words], NOW)
    wanted = lines_of(place, DOCUMENT[words]), [each.partition(" @")[0] for each in subjects(place)]

    for cut_at in range(1, MOST_CUTS):
        for each in (place.remote, place.builder, place.adversary):
            shutil.rmtree(each)
            shutil.copytree(kept / each.name, each)
        clone = tmp_path / WHO[words]
        if not cut_off(clone, words, cut_at):
            break
        again = WORDS[words](clone, LATER)

        assert (lines_of(place, DOCUMENT[words]), [one.partition(" @")[0] for one in subjects(place)]) == wanted, cut_at
        assert git(clone, "status", "--porcelain") == "", cut_at
        assert (again.sha, again.subject) == (git(place.remote, "rev-parse", "main"), subjects(place)[0])

    assert 6 <= cut_at < MOST_CUTS


def test_what_is_killed_again_and_again_is_written_once(place: Place) -> None:
    cuts = 0
    while cut_off(place.adversary, "verdict", cuts + 1):
        cuts += 1

    assert cuts >= 3
    review = parse_review(place.pushed(REVIEW))
    assert [(one.item, one.result) for one in review.verdicts] == [("M1", Result.PASS), ("M2", Result.FAIL)]
    assert len(review.standing) == 1
    assert [finding.id for finding in review.findings] == ["A1c-1", "A1c-2"]
    assert len(subjects(place)) == 2


@pytest.mark.parametrize("words", ["claim", "verdict"])
def test_what_was_killed_when_the_remote_had_taken_it_already_is_not_pushed_twice(place: Place, words: str) -> None:
    hook = place.remote / "hooks/post-receive"
    hook.write_text('#!/bin/sh\nrm "$0"\nkill -KILL 0\n')
    hook.chmod(0o755)
    assert cut_off(place.builder if words == "claim" else place.adversary, words, 0)
    before = git(place.remote, "rev-parse", "main")
    assert len(subjects(place)) == 2

    again = WORDS[words](place.builder if words == "claim" else place.adversary, LATER)

    assert git(place.remote, "rev-parse", "main") == before == again.sha
    assert again.subject == subjects(place)[0]


def test_what_somebody_else_wrote_into_the_document_and_did_not_commit_goes_along_as_ever(place: Place) -> None:
    (place.adversary / REVIEW).write_text("# REVIEW\n\nread before\n")
    assert cut_off(place.adversary, "verdict", 2)
    with (place.adversary / REVIEW).open("a") as file:
        file.write("\nread after\n")

    judged(place.adversary, LATER)

    pushed = place.pushed(REVIEW)
    assert pushed.startswith("# REVIEW\n\nread before\n\nread after\n\n## M1: PASS")
    assert pushed.count("## M1: PASS") == pushed.count("read before") == pushed.count("read after") == 1


def test_a_verdict_that_is_refused_after_a_kill_leaves_what_it_found(place: Place) -> None:
    assert cut_off(place.adversary, "verdict", 2)
    left = (place.adversary / REVIEW).read_text()
    place.work(place.builder, "b.py")

    with pytest.raises(ProtocolError, match="verify again"):
        judged(place.adversary, LATER)

    assert (place.adversary / REVIEW).read_text() == left
    git(place.adversary, "pull", "--quiet", "--rebase")
    judged(place.adversary, LATER)
    assert place.pushed(REVIEW).count("## M1: PASS") == 1


def test_commits_of_others_that_came_meanwhile_are_rebased_upon(place: Place) -> None:
    assert cut_off(place.builder, "claim", 4)
    assert git(place.builder, "log", "-1", "--format=%s").startswith("claim(1c M1)")
    place.work(place.adversary, "probe.txt")

    claimed(place.builder, LATER)

    assert [each.partition(":")[0] for each in subjects(place)] == ["claim(1c M1)", "feat", "feat"]
    assert parse_status(place.pushed(STATUS)).state_of("M1") is GateState.CLAIMED


def test_a_verdict_with_other_words_is_another_one(place: Place) -> None:
    assert cut_off(place.adversary, "verdict", 4)

    publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.FAIL)], now=LATER)

    assert [one.result for one in parse_review(place.pushed(REVIEW)).verdicts] == [
        Result.PASS,
        Result.FAIL,
        Result.FAIL,
    ]


@pytest.mark.parametrize("words", ["claim", "verdict"])
def test_what_was_pushed_and_is_said_again_is_said_again(place: Place, words: str) -> None:
    clone = place.builder if words == "claim" else place.adversary
    first = WORDS[words](clone, NOW)

    second = WORDS[words](clone, LATER)

    assert first.sha != second.sha
    assert len(subjects(place)) == 3
    assert place.pushed(DOCUMENT[words]).count("M1") >= 1


def test_lines_are_taken_out_only_where_nobody_committed_them_and_all_of_them_stand_there() -> None:
    def write(text: str, when: float) -> str:
        return appended(text, f"## M1: PASS @2026-01-01T00:00:0{when % 10:.0f}Z\n\nnote\n")

    own = write("# REVIEW\n", NOW)

    assert without(own, "# REVIEW\n", write) == "# REVIEW\n\n"
    assert without(own, own, write) == own
    assert without(own.replace("note", "another"), "", write) == own.replace("note", "another")
    assert without("", "", write) == ""
