"""Done is computed from pushed commits: what counts, what does not, and every refusal with its rule."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from loops.config.model import Done, Handoff, Item, Phase, Verdicts
from loops.errors import JournalError
from loops.protocol.done import CheckResult, Judgement, Rule, candidate, judge
from loops.protocol.encoding import decode, encode
from loops.protocol.evidence import Commit, Documents, Kind, PhaseEvidence, classify, observe
from loops.protocol.review import Result

HANDOFF = Handoff(repo="work/builder")
DONE = Done()
START = 1_780_000_000.0
BUILDER, ADVERSARY = "builder@example.org", "adversary@example.org"
FIELDS = "**WHAT:** all of it\n**HOW:** `pytest`\n**EXPECTED:** 12 passed\n**WHERE:** src at HEAD\n"
CLAIM = f"## Gate: M1 — CLAIMED, awaiting Adversary\n\n{FIELDS}"
MARKED = f"{CLAIM}\n## DONE\n\nEverything was verified.\n"


class History:
    """A branch under construction: each step is one pushed commit, a minute after the one before."""

    def __init__(self, phase: Phase | None = None) -> None:
        self.phase = phase or Phase("1c")
        self.evidence = PhaseEvidence(self.phase.id)
        self.status: str | None = None
        self.review: str | None = None
        self.time = START

    def push(
        self,
        subject: str,
        *paths: str,
        status: str | None = None,
        review: str | None = None,
        by: str = BUILDER,
        merge: bool = False,
        at: float | None = None,
        seen: float = float("inf"),
    ) -> History:
        changed = list(paths)
        if status is not None:
            self.status = status
            changed.append(f"machine-docs/STATUS-{self.phase.id}.md")
        if review is not None:
            self.review = review
            changed.append(f"machine-docs/REVIEW-{self.phase.id}.md")
        self.time += 60
        number = self.evidence.position + 1
        commit = Commit(f"{number:040x}", "x", by, self.time if at is None else at, subject, tuple(changed), merge)
        documents = Documents(self.status, self.review)
        self.evidence = observe(self.evidence, commit, documents, self.phase, HANDOFF, DONE, seen=seen)
        return self

    def code(self, *paths: str) -> History:
        return self.push("feat: work", *(paths or ("src/a.py",)))

    def claim(self, text: str = CLAIM) -> History:
        return self.push("claim(1c M1): Gate M1 CLAIMED — all of it", status=text)

    def judged(self, review: str, subject: str = "review(1c): verified", by: str = ADVERSARY) -> History:
        return self.push(subject, review=(self.review or "") + review, by=by)

    def marked(self) -> History:
        return self.push("status(1c): ## DONE", status=MARKED)

    def judge(self, check: CheckResult | None = None, now: float | None = None) -> Judgement:
        return judge(self.evidence, self.phase, DONE, self.time + 60 if now is None else now, check)

    def rules(self, check: CheckResult | None = None, now: float | None = None) -> set[str]:
        return {refusal.rule.value for refusal in self.judge(check, now).refusals}

    def result(self, item: str = "M1") -> Result | None:
        verdict = self.evidence.verdicts.get(item)
        return verdict.result if verdict else None


def complete() -> History:
    return History().code().claim().judged("## M1: PASS @2026-05-28T20:29Z\n").marked()


def test_a_claim_a_later_pass_and_a_standing_mark_are_done() -> None:
    assert complete().judge() == Judgement(True, (), ())


def test_nothing_at_all_is_refused_for_its_missing_mark_and_items() -> None:
    judgement = History().judge()
    assert not judgement.done
    assert [refusal.rule for refusal in judgement.refusals] == [Rule.MARKER_ABSENT, Rule.NO_ITEMS]


def test_a_placeholder_mark_is_refused() -> None:
    history = complete().push(
        "status(1c): tidy", status=f"{CLAIM}\n## DONE\n\nNot yet. Written here only when all pass.\n"
    )
    assert history.rules() == {"marker-placeholder"}


def test_a_mark_set_by_a_review_commit_is_unclear() -> None:
    history = History().code().claim().push("review(1c): M1 PASS", status=MARKED, review="M1: PASS\n", by=ADVERSARY)
    assert history.rules() == {"unclear"}


def test_a_claimed_label_without_a_verdict_is_open() -> None:
    judgement = History().code().claim(MARKED).judge()
    assert [refusal.rule for refusal in judgement.refusals] == [Rule.NO_VERDICT]
    assert judgement.open_items == ("M1",)


def test_the_phases_own_items_decide_when_it_names_them() -> None:
    phase = Phase("1c", items=(Item("D1"), Item("docs")))
    history = History(phase).code().claim().judged("D1: PASS\nM1: PASS\n").marked()
    assert history.judge().open_items == ("docs",)
    assert history.judged("docs: PASS\n").judge().done


def test_one_verdict_on_all_covers_every_item_that_was_claimed_before() -> None:
    history = History().code().claim().judged("### ALL DoD PASS @2026-06-13T19:46Z — phase DONE\n").marked()
    assert history.judge().done
    history.push("claim(1c M2): CLAIMED", status=MARKED.replace("M1", "M2"))
    assert history.judge().open_items == ("M2",)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("M1: FAIL — leaks\n", "verdict-failed"),
        ("M1: PARTIAL PASS\n", "verdict-failed"),
        ("M1: PASS (provisional)\n", "verdict-provisional"),
        ("M1: PASS on linux, FAIL on mac\n", "unclear"),
        ("M1: PASS?\n", "unclear"),
        ("Once M1 PASS is logged we go on.\n", "no-verdict"),
    ],
)
def test_all_but_a_clear_pass_is_refused(line: str, rule: str) -> None:
    assert History().code().claim().judged(line).marked().rules() == {rule}


def test_a_later_fail_ends_an_earlier_pass_and_a_later_pass_ends_the_fail() -> None:
    history = complete().judged("## M1: FAIL\n")
    assert history.rules() == {"verdict-failed"}
    assert history.judged("## M1: PASS @2026-06-01T10:00Z\n").judge().done


def test_a_remark_that_names_a_pass_changes_nothing_but_a_remark_that_names_a_fail_does() -> None:
    assert complete().judged("Before the M1 PASS we had to wait.\n").judge().done
    assert complete().judged("I now think that M1 should FAIL for the leak.\n").rules() == {"unclear"}


def test_a_pass_goes_stale_with_age_and_no_commit_may_be_dated_younger_than_it_was_seen() -> None:
    history = complete()
    assert history.rules(now=history.time + DONE.verdict_max_age + 120) == {"verdict-stale-age"}
    ahead = History().code().claim().push("review(1c): M1 PASS", by=ADVERSARY, at=START + 9e6).marked()
    assert ahead.rules() == {"verdict-stale-age"}
    capped = History().code().claim().push("review(1c): M1 PASS", by=ADVERSARY, at=START + 9e6, seen=START).marked()
    assert capped.judge().done


def test_a_change_of_code_after_the_pass_makes_it_stale_and_a_change_of_documents_does_not() -> None:
    assert complete().push("docs", "machine-docs/JOURNAL-1c.md", "DECISIONS.md", "BUILDER-INBOX.md").judge().done
    assert complete().code().rules() == {"verdict-older-than-change"}
    assert complete().push("docs", "machine-docs/run.sh").rules() == {"verdict-older-than-change"}


def test_a_review_commit_that_changes_code_does_not_cover_that_code() -> None:
    history = History().code().claim().push("review(1c): M1 PASS", "src/a.py", review="M1: PASS\n", by=ADVERSARY)
    assert history.marked().rules() == {"verdict-older-than-change"}


def test_an_item_that_covers_paths_goes_stale_by_those_alone() -> None:
    phase = Phase("1c", items=(Item("D1", ("src/**/*.py",)), Item("D2", ("web",))))
    history = History(phase).code().judged("D1: PASS\nD2: PASS\n").marked()
    assert history.code("README.md").judge().done
    assert history.code("src/deep/b.py").judge().open_items == ("D1",)
    assert history.code("web/index.html").judge().open_items == ("D1", "D2")


def test_a_glob_added_to_the_configuration_later_counts_every_earlier_change() -> None:
    history = History(Phase("1c", items=(Item("D1", ("web",)),))).judged("D1: PASS\n").marked().code("src/a.py")
    assert history.judge().done
    history.phase = Phase("1c", items=(Item("D1", ("src",)),))
    history.push("docs", "DECISIONS.md")
    assert history.rules() == {"verdict-older-than-change"}


def test_a_standing_veto_blocks_until_a_review_commit_withdraws_it() -> None:
    history = complete().judged("## VETO secrets in the log\n")
    assert history.rules() == {"veto-standing"}
    without = (history.review or "").replace("## VETO secrets in the log\n", "")
    history.push("docs: tidy", review=without)
    assert history.rules() == {"veto-standing"}
    assert history.judged("## VETO secrets in the log\n\n## VETO withdrawn: fixed\n").judge().done


def test_a_veto_raised_in_a_subject_blocks() -> None:
    history = complete().push("review(1c): VETO — secrets in the log", by=ADVERSARY)
    assert history.rules() == {"veto-standing"}
    assert history.push("review(1c): VETO withdrawn", by=ADVERSARY).judge().done


def test_incident_30_a_verdict_written_by_a_claim_commit_is_none() -> None:
    history = History().code().push("claim(1c M1): CLAIMED", status=MARKED, review="## M1: PASS\n")
    assert history.rules() == {"unclear"}
    assert "no review commit" in history.judge().refusals[0].text
    history.push("review(1c): looked around", review="## M1: PASS\n\nhello\n", by=ADVERSARY)
    assert history.rules() == {"unclear"}, "the forged line is not new in the review commit"
    assert history.judged("## M1: PASS @2026-06-01T10:00Z\n").judge().done


def test_a_forged_line_that_came_with_a_merge_is_none() -> None:
    history = History().code().claim(MARKED).push("Merge branch 'x'", review="## M1: PASS\n", merge=True)
    assert history.rules() == {"unclear"}


def test_lines_that_were_there_before_the_first_commit_seen_give_no_verdict() -> None:
    history = History()
    history.review = "## M1: PASS\n"
    assert history.code().claim(MARKED).rules() == {"no-verdict"}


def test_a_pass_whose_line_has_gone_no_longer_counts() -> None:
    assert complete().push("review(1c): tidy", review="# REVIEW\n", by=ADVERSARY).rules() == {"unclear"}


def test_a_verdict_may_stand_in_the_subject_alone() -> None:
    assert History().code().claim().push("review(1c): M1 PASS @00:40Z", by=ADVERSARY).marked().judge().done


def test_subject_and_document_that_contradict_are_unclear() -> None:
    assert History().code().claim().judged("M1: FAIL\n", "review(1c): M1 PASS").marked().rules() == {"unclear"}


def test_a_fail_and_a_later_pass_in_one_commit_are_a_history_when_both_carry_their_time() -> None:
    timed = "M1: FAIL @2026-06-01T10:00Z\n\nM1: PASS @2026-06-01T11:00Z\n"
    assert History().code().claim().judged(timed).marked().judge().done
    assert History().code().claim().judged("M1: FAIL\n\nM1: PASS\n").marked().rules() == {"unclear"}


def test_the_same_line_written_again_is_a_new_verdict() -> None:
    history = complete().judged("## M1: FAIL\n").judged("## M1: PASS @2026-05-28T20:29Z\n")
    assert history.judge().done


def test_a_fence_that_is_never_closed_blocks_because_it_may_hide_a_veto() -> None:
    assert complete().judged("```\nlog\n\n## VETO secrets\n").rules() == {"unclear"}


def test_an_incomplete_claim_is_refused_and_says_what_it_lacks() -> None:
    history = History().code().claim(MARKED.replace("**EXPECTED:** 12 passed\n", "")).judged("M1: PASS\n")
    (refusal,) = history.judge().refusals
    assert refusal.rule is Rule.CLAIM_INCOMPLETE
    assert "EXPECTED" in refusal.text


def test_a_claimer_may_not_judge_where_identities_are_told_apart() -> None:
    alone = History().code().claim().judged("M1: PASS\n", by=BUILDER).marked()
    assert alone.judge().done, "old projects share one identity"
    assert alone.judged("more words\n", by=ADVERSARY).rules() == {"self-review"}


def test_checks_must_have_succeeded_at_the_very_commit_that_would_be_accepted() -> None:
    history = complete()
    history.phase = replace(history.phase, checks=("./check.sh",))
    commit = candidate(history.evidence)
    assert commit == history.evidence.claim.at.sha if history.evidence.claim else False
    assert history.rules() == {"check-missing"}
    assert history.rules(CheckResult("f" * 40, True, "")) == {"check-missing"}
    assert history.rules(CheckResult(commit, False, "1 failed")) == {"check-failed"}
    assert history.judge(CheckResult(commit, True, "")).done


def test_a_change_of_code_after_the_claim_is_what_the_checks_must_run_on() -> None:
    history = History().claim().code()
    assert candidate(history.evidence) == history.evidence.head


def test_a_claim_without_a_label_takes_the_gates_that_status_claims_else_the_phase() -> None:
    assert History().push("claim(1c): all", status="## Gate: M1 — CLAIMED\n").evidence.labels == ("M1",)
    assert History().push("claim(1c): all", status="nothing\n").evidence.labels == ("1c",)


@pytest.mark.parametrize(
    ("subject", "paths", "kind", "phase"),
    [
        ("claim(1c): x", (), Kind.CLAIM, "1c"),
        ("claim(M1): x", ("machine-docs/STATUS-1c.md",), Kind.CLAIM, "1c"),
        ("claim(M1): x", ("machine-docs/STATUS-2.md",), Kind.CLAIM, "2"),
        ("claim(2 M1): x", (), Kind.CLAIM, "2"),
        ("review(1c): M1 FAIL", (), Kind.VERDICT, "1c"),
        ("review(1c): loop live", (), Kind.MESSAGE, "1c"),
        ("chore(1c): M1 PASS", (), Kind.OTHER, "1c"),
    ],
)
def test_commits_are_classified_by_subject_and_paths(
    subject: str, paths: tuple[str, ...], kind: Kind, phase: str
) -> None:
    commit = Commit("a" * 40, "x", BUILDER, START, subject, paths)
    got = classify(commit, HANDOFF, "1c", frozenset(("1c", "2")))
    assert (got.kind, got.phase) == (kind, phase)


def test_what_the_last_commit_was_is_known_once_its_document_is_read() -> None:
    assert History().judged("M1: PASS\n").evidence.latest is Kind.VERDICT
    assert History().judged("hello\n").evidence.latest is Kind.MESSAGE
    assert History().claim().evidence.latest is Kind.CLAIM
    assert complete().code().evidence.latest is Kind.OTHER


def test_claims_and_verdicts_of_another_phase_are_not_ours() -> None:
    history = History(Phase("1c"))
    commit = Commit("a" * 40, "x", BUILDER, START, "claim(2 M9): x", ("machine-docs/STATUS-2.md",))
    after = observe(history.evidence, commit, None, history.phase, HANDOFF, DONE, others=frozenset(("2",)))
    assert (after.labels, after.latest, after.position) == ((), Kind.OTHER, 1)


def test_a_document_that_was_not_read_is_an_error_and_never_an_absent_one() -> None:
    commit = Commit("a" * 40, "x", BUILDER, START, "docs", ("machine-docs/REVIEW-1c.md",))
    with pytest.raises(ValueError, match=r"REVIEW-1c\.md"):
        observe(PhaseEvidence("1c"), commit, None, Phase("1c"), HANDOFF, DONE)


def test_evidence_survives_the_journal() -> None:
    history = complete().judged("## VETO x\n```\n").judged("", "review(1c): M2 FAIL")
    history.phase = Phase("1c", items=(Item("D1", ("src",)),))
    history.code()
    assert decode(json.loads(json.dumps(encode(history.evidence)))) == history.evidence
    assert decode(json.loads(json.dumps(encode(PhaseEvidence("p"))))) == PhaseEvidence("p")


def test_a_broken_snapshot_is_refused() -> None:
    with pytest.raises(JournalError, match="fold the commits again"):
        decode({**encode(complete().evidence), "done": ["maybe", 0, ""]})


def test_a_refusal_reads_the_same_however_often_it_is_asked_for() -> None:
    history = complete().code()
    late = history.time + 2 * DONE.verdict_max_age
    assert history.judge(now=late) == history.judge(now=late + 4000)


def test_a_label_of_any_shape_is_known_from_its_canonical_claim_on() -> None:
    text = MARKED.replace("M1", "user-login")
    history = History().push("claim(1c user-login): Gate user-login CLAIMED — x", status=text)
    assert history.evidence.labels == ("user-login",)
    assert history.judged("## user-login: PASS @2026-06-01T10:00:00Z\n").judge().done


def test_a_loosely_written_fail_is_not_overlooked() -> None:
    assert complete().judged("M1: failed\n").rules() == {"unclear"}


def test_two_reviewers_who_merge_lose_no_verdict() -> None:
    phase = Phase("1c", items=(Item("D1"), Item("D2")))
    history = History(phase).code().claim(MARKED)
    history.push("review(1c): one", review="D1: FAIL\n", by=ADVERSARY)
    history.push("review(1c): again", review="D1: FAIL\n\nD1: PASS @2026-06-01T10:00Z\n", by=ADVERSARY)
    history.push("review(1c): two", review="D2: PASS\n", by="second@example.org")
    assert history.judge().open_items == ("D1",), "on this side of the history its line is not there"
    history.push("Merge", review="D1: FAIL\n\nD1: PASS @2026-06-01T10:00Z\n\nD2: PASS\n", merge=True)
    assert history.judge().done


def test_a_pass_that_was_taken_back_and_is_written_in_again_by_the_builder_is_none() -> None:
    history = complete().push("review(1c): taken back", review="# REVIEW\n", by=ADVERSARY)
    assert history.push("docs: restore", review="## M1: PASS @2026-05-28T20:29Z\n").rules() == {"unclear"}


def test_a_veto_that_stands_in_subject_and_document_is_one() -> None:
    history = complete().judged("## VETO secrets in the log\n", "review(1c): VETO secrets in the log")
    assert len(history.judge().refusals) == 1
    assert history.judged("## VETO withdrawn: secrets in the log\n", "review(1c): mended").judge().done


# ---- where nobody reviews ----------------------------------------------------------------------------------------------

ALONE = Done(verdicts=Verdicts.OPTIONAL)
CHECKED = Phase("1c", items=(Item("M1"),), checks=("./check.sh",))


def alone(history: History, *, ok: bool = True) -> Judgement:
    check = CheckResult(candidate(history.evidence), ok, "" if ok else "median is wrong")
    return judge(history.evidence, CHECKED, ALONE, history.time + 60, check)


def test_without_reviewers_a_claim_a_mark_and_the_checks_are_done() -> None:
    history = History(CHECKED).code().claim().marked()

    assert alone(history) == Judgement(True, (), ())
    assert {r.rule for r in judge(history.evidence, CHECKED, DONE, history.time).refusals} >= {Rule.NO_VERDICT}


@pytest.mark.parametrize(
    ("history", "ok", "rules"),
    [
        (History(CHECKED).code().claim().marked(), False, [Rule.CHECK_FAILED]),
        (History(CHECKED).code().claim(), True, [Rule.MARKER_ABSENT]),
        (History(CHECKED).code().push("status(1c): ## DONE", status=MARKED), True, [Rule.NOT_CLAIMED]),
        (
            History(CHECKED).code().claim().judged("## M1: FAIL @2026-05-28T20:29Z\n").marked(),
            True,
            [Rule.VERDICT_FAILED],
        ),
        (History(CHECKED).code().claim().judged("## VETO it leaks\n").marked(), True, [Rule.VETO_STANDING]),
    ],
    ids=["checks fail", "no mark", "never claimed", "somebody says FAIL", "a veto"],
)
def test_without_reviewers_everything_else_still_counts(history: History, ok: bool, rules: list[Rule]) -> None:
    assert [refusal.rule for refusal in alone(history, ok=ok).refusals] == rules


def test_without_reviewers_a_pass_that_has_become_stale_takes_nothing_away() -> None:
    history = History(CHECKED).code().claim().judged("## M1: PASS @2026-05-28T20:29Z\n").code().claim().marked()

    assert alone(history).done


def test_without_reviewers_the_checks_must_have_run_where_it_would_be_accepted() -> None:
    history = History(CHECKED).code().claim().marked()

    assert [r.rule for r in judge(history.evidence, CHECKED, ALONE, history.time, None).refusals] == [
        Rule.CHECK_MISSING
    ]
