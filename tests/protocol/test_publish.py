"""Publishing on real repositories: all or nothing, from a remote and two clones of one's own."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from loops.config.model import Done, Handoff, Phase
from loops.errors import ProtocolError
from loops.protocol import publish
from loops.protocol.done import judge
from loops.protocol.evidence import Commit, Documents, PhaseEvidence, observe
from loops.protocol.review import Result, parse_review
from loops.protocol.statements import Vocabulary
from loops.protocol.status import GateState, parse_status
from loops.protocol.writers import ItemVerdict, finding_blocks
from publish_place import FIELDS, HANDOFF, PHASE, Place, git

NOW = 1_780_000_000.0


def snapshot(clone: Path) -> tuple[str, str, dict[str, bytes]]:
    """The head, what git thinks of the tree, and every file's bytes."""
    files = {str(path): path.read_bytes() for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts}
    return git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), files


def test_a_claim_is_written_committed_and_pushed(place: Place) -> None:
    published = publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, agent="builder", now=NOW)
    status = parse_status(place.pushed("machine-docs/STATUS-1c.md"))
    assert status.state_of("M1") is GateState.CLAIMED
    assert status.fields_of("M1") == FIELDS
    assert place.subject() == published.subject == "claim(1c M1): Gate M1 CLAIMED — the lint rung"
    assert published.sha == git(place.remote, "rev-parse", "main")
    assert snapshot(place.builder)[1] == ""


def test_a_second_claim_of_a_gate_takes_the_place_of_the_first(place: Place) -> None:
    publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    publish.claim(str(place.builder), PHASE, HANDOFF, "M1", {**FIELDS, "EXPECTED": "13 passed"}, now=NOW + 60)
    text = place.pushed("machine-docs/STATUS-1c.md")
    assert text.count("## Gate: M1") == 1
    assert parse_status(text).fields_of("M1")["EXPECTED"] == "13 passed"


def test_verdicts_and_a_veto_are_written_committed_and_pushed(place: Place) -> None:
    items = [ItemVerdict("M1", Result.PASS, "12 passed, cold clone"), ItemVerdict("M2", Result.FAIL, "leaks a token")]
    publish.verdict(str(place.adversary), PHASE, HANDOFF, items, veto="secrets in the log", agent="adversary", now=NOW)
    review = parse_review(place.pushed("machine-docs/REVIEW-1c.md"))
    assert [(one.item, one.result) for one in review.verdicts] == [("M1", Result.PASS), ("M2", Result.FAIL)]
    assert len(review.standing) == 1
    assert place.subject().startswith("review(1c): M1 PASS, M2 FAIL (leaks a token); VETO secrets in the log @")
    publish.verdict(str(place.adversary), PHASE, HANDOFF, [], withdraw=True, now=NOW)
    assert not parse_review(place.pushed("machine-docs/REVIEW-1c.md")).standing
    assert place.subject().startswith("review(1c): VETO withdrawn @")


def test_what_is_published_makes_a_phase_done(place: Place) -> None:
    claimed = publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    git(place.adversary, "pull", "--quiet", "--rebase")
    judged = publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.PASS)], now=NOW)
    status, review = place.pushed("machine-docs/STATUS-1c.md"), place.pushed("machine-docs/REVIEW-1c.md")
    marked = status.replace("Not yet.", "All verified.")
    evidence = PhaseEvidence("1c")
    for number, (subject, path, documents, email) in enumerate(
        (
            (claimed.subject, claimed.document, Documents(status, None), "b@x"),
            (judged.subject, judged.document, Documents(status, review), "a@x"),
            ("status(1c): ## DONE", claimed.document, Documents(marked, review), "b@x"),
        )
    ):
        commit = Commit(str(number), "x", email, NOW, subject, (path,))
        evidence = observe(evidence, commit, documents, PHASE, HANDOFF, Done())
    assert judge(evidence, PHASE, Done(), NOW + 60).done


def test_commits_that_others_pushed_meanwhile_are_rebased_upon(place: Place) -> None:
    (place.builder / "b.py").write_text("b = 1\n")
    git(place.builder, "add", "b.py")
    git(place.builder, "commit", "--quiet", "-m", "feat: local")
    place.work(place.adversary, "probe.txt")
    publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert place.pushed("probe.txt") == "b = 1"
    assert place.pushed("b.py") == "b = 1"


def test_a_push_that_loses_a_race_is_tried_again(place: Place) -> None:
    # The remote takes another commit just before ours arrives, once.
    git(place.adversary, "commit", "--quiet", "--allow-empty", "-m", "docs: race")
    git(place.adversary, "push", "--quiet", "origin", "HEAD:refs/heads/racer")
    hook = place.builder / ".git/hooks/pre-push"
    hook.write_text(
        f"#!/bin/sh\n[ -e raced ] && exit 0\n: > '{place.builder}/.git/raced'\n"
        f"[ -e '{place.builder}/.git/raced2' ] && exit 0\n: > '{place.builder}/.git/raced2'\n"
        f"git --git-dir='{place.remote}' update-ref refs/heads/main refs/heads/racer\n"
    )
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert git(place.remote, "log", "--format=%s", "main").splitlines()[:2] == [
        "claim(1c M1): Gate M1 CLAIMED — the lint rung",
        "docs: race",
    ]


def test_uncommitted_work_refuses_a_claim(place: Place) -> None:
    (place.builder / "a.py").write_text("a = 2\n")
    (place.builder / "new.py").write_text("n = 1\n")
    before = snapshot(place.builder)
    with pytest.raises(ProtocolError, match=r"a\.py, new\.py are not committed"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert snapshot(place.builder) == before


def test_findings_are_filed_in_review_and_numbered_on(place: Place) -> None:
    fail = [ItemVerdict("M1", Result.FAIL, "see the findings")]

    publish.verdict(place.adversary, PHASE, HANDOFF, fail, findings=["off by one for even counts"], now=NOW)
    publish.verdict(place.adversary, PHASE, HANDOFF, fail, findings=["no test for [5]", "slow"], now=NOW)

    review = (place.adversary / "machine-docs/REVIEW-1c.md").read_text()
    assert "### A1c-1 [adversary] OPEN @2026-05-28T20:26:40Z — off by one for even counts" in review
    assert "### A1c-2 [adversary]" in review
    assert "### A1c-3 [adversary]" in review
    assert [v.result for v in parse_review(review).verdicts] == [Result.FAIL, Result.FAIL]


@pytest.mark.parametrize("title", ["M2: PASS", "## VETO because", "all DoD PASS"])
def test_a_finding_never_gives_a_verdict_or_a_veto(title: str) -> None:
    block = finding_blocks("", "1c", [title], NOW)[0]

    read = parse_review(block, Vocabulary(("M1", "M2"), "1c"))

    assert not read.verdicts
    assert not read.vetoes


def test_a_probe_that_git_does_not_track_hinders_no_verdict_and_a_changed_file_does(place: Place) -> None:
    (place.adversary / "probe.py").write_text("p = 1\n")
    publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.FAIL)], now=NOW)
    (place.adversary / "a.py").write_text("a = 2\n")
    with pytest.raises(ProtocolError, match=r"a\.py is changed and not committed"):
        publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.FAIL)], now=NOW)


def test_another_branch_a_detached_head_and_no_repository_are_refused(place: Place, tmp_path: Path) -> None:
    git(place.builder, "switch", "--quiet", "-c", "side")
    with pytest.raises(ProtocolError, match="is on branch side, but the handoff is on main"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    git(place.builder, "switch", "--quiet", "--detach")
    with pytest.raises(ProtocolError, match="detached head"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    with pytest.raises(ProtocolError, match="no git work tree"):
        publish.claim(str(tmp_path), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    with pytest.raises(ProtocolError, match="no git work tree"):
        publish.claim(str(tmp_path / "nowhere"), PHASE, HANDOFF, "M1", FIELDS, now=NOW)


def test_each_document_has_one_writer(place: Place) -> None:
    before = snapshot(place.builder), snapshot(place.adversary)
    with pytest.raises(ProtocolError, match=r"STATUS-1c\.md is written by the Builder"):
        publish.claim(str(place.adversary), PHASE, HANDOFF, "M1", FIELDS, agent="adversary", now=NOW)
    with pytest.raises(ProtocolError, match=r"REVIEW-1c\.md is written by the Adversary"):
        publish.verdict(str(place.builder), PHASE, HANDOFF, [ItemVerdict("M1", Result.PASS)], agent="builder", now=NOW)
    assert (snapshot(place.builder), snapshot(place.adversary)) == before


def test_a_pass_on_code_that_has_changed_since_is_refused(place: Place) -> None:
    place.work(place.builder, "b.py")
    before = snapshot(place.adversary)
    with pytest.raises(ProtocolError, match=r"b\.py is changed on origin/main after .* verify again"):
        publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.PASS)], now=NOW)
    assert snapshot(place.adversary) == before
    publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.FAIL)], now=NOW)


def test_documents_that_changed_since_do_not_hinder_a_pass(place: Place) -> None:
    place.work(place.builder, "machine-docs/JOURNAL-1c.md")
    publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.PASS)], now=NOW)


@pytest.mark.parametrize("hook", ["pre-receive", "pre-commit"])
def test_a_push_or_commit_that_a_hook_refuses_leaves_everything_as_it_was(place: Place, hook: str) -> None:
    git_dir = place.remote if hook == "pre-receive" else place.builder / ".git"
    path = git_dir / "hooks" / hook
    path.write_text("#!/bin/sh\necho 'the gate is closed' >&2\nexit 1\n")
    path.chmod(0o755)
    (place.builder / "machine-docs/STATUS-1c.md").write_text("# STATUS\n\nhalf a sentence\n")
    before = snapshot(place.builder)
    with pytest.raises(ProtocolError, match="the gate is closed"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert snapshot(place.builder) == before
    assert place.subject() == "feat: begin"


def test_a_document_that_did_not_exist_is_gone_again_after_a_failure(place: Place) -> None:
    path = place.remote / "hooks/pre-receive"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    before = snapshot(place.adversary)
    with pytest.raises(ProtocolError, match="taken back"):
        publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.FAIL)], now=NOW)
    assert snapshot(place.adversary) == before


def test_commits_that_conflict_are_refused_and_nothing_is_left_half_done(place: Place) -> None:
    git(place.builder, "commit", "--quiet", "--allow-empty", "-m", "x")
    (place.builder / "a.py").write_text("a = 2\n")
    git(place.builder, "commit", "--quiet", "-am", "feat: two")
    place.work(place.adversary, "a.py", "a = 3\n")
    before = snapshot(place.builder)
    with pytest.raises(ProtocolError, match="your commits conflict with origin/main"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert snapshot(place.builder) == before


def test_a_remote_that_cannot_be_read_is_named(place: Place) -> None:
    git(place.builder, "remote", "set-url", "origin", "/nonexistent/remote.git")
    before = snapshot(place.builder)
    with pytest.raises(ProtocolError, match="the remote origin cannot be read"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)
    assert snapshot(place.builder) == before


def test_an_incomplete_claim_and_a_note_that_states_another_result_are_refused(place: Place) -> None:
    with pytest.raises(ProtocolError, match="lacks HOW"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", {**FIELDS, "HOW": " "}, now=NOW)
    with pytest.raises(ProtocolError, match="the note states another result"):
        publish.verdict(str(place.adversary), PHASE, HANDOFF, [ItemVerdict("M1", Result.PASS, "M2: FAIL")], now=NOW)
    with pytest.raises(ProtocolError, match="named twice"):
        publish.verdict(
            str(place.adversary),
            PHASE,
            HANDOFF,
            [ItemVerdict("M1", Result.PASS), ItemVerdict("M1", Result.FAIL)],
            now=NOW,
        )


def test_the_documents_lie_in_the_root_where_there_is_no_directory_for_them(place: Place) -> None:
    handoff = Handoff(repo="work/builder", inbox="no-such-directory")
    published = publish.claim(str(place.builder), Phase("2w"), handoff, "WC4", FIELDS, now=NOW)
    assert published.document == "STATUS-2w.md"


@pytest.mark.parametrize("linked", ["machine-docs/STATUS-1c.md", "machine-docs"])
def test_what_lies_outside_the_clone_is_not_published_through_a_link(place: Place, linked: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "STATUS-1c.md").write_text("a secret\n")
    git(place.builder, "rm", "--quiet", "-r", linked)
    (place.builder / linked).parent.mkdir(exist_ok=True)
    (place.builder / linked).symlink_to(outside / Path(linked).relative_to("machine-docs"))
    git(place.builder, "add", ".")
    git(place.builder, "commit", "--quiet", "-m", "feat: link")
    before = snapshot(place.builder)

    with pytest.raises(ProtocolError, match="is a link out of the clone"):
        publish.claim(str(place.builder), PHASE, HANDOFF, "M1", FIELDS, now=NOW)

    assert snapshot(place.builder) == before
    assert (outside / "STATUS-1c.md").read_text() == "a secret\n"
