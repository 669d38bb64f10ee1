"""Gate: done is computed, never believed.

The agents here do nothing but note what reaches them; the test pushes in their stead, so that each case stands alone.
In each one the done marker stands and exactly one thing is wrong: the claim is refused for that reason, the Builder is
told once, and as soon as that one thing is mended the phase is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from loops.protocol.done import Rule
from loops.supervisor import events as ev
from scratch import PlannedPhase, Scratch

CLAIM = """\
# STATUS 1

## Gate: M1 — CLAIMED, awaiting Adversary

**WHAT:** the median of some numbers

**HOW:** ./check.sh 1, from a fresh clone

**EXPECTED:** 3 examples passed

**WHERE:** src/1.py
"""
DONE = "\n## DONE\n\nM1 has its PASS; ./check.sh 1 says: 3 examples passed.\n"
PASS = "# REVIEW 1\n\n## M1: PASS\n\nCold: 3 examples passed.\n"
RIGHT = (
    "def median(n):\n    n = sorted(n)\n    m = len(n) // 2\n    return n[m] if len(n) % 2 else (n[m - 1] + n[m]) / 2\n"
)
WRONG = "def median(n):\n    return sorted(n)[len(n) // 2]\n"
DAY = 86_400.0


class Play:
    """The two agents' parts, played by the test."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.builder = scratch.clone("builder")
        self.adversary = scratch.clone("adversary")

    def write(self, clone: Path, path: str, text: str) -> None:
        file = clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def build(self, source: str = RIGHT) -> None:
        self.write(self.builder, "src/1.py", source)
        self.scratch.push(self.builder, "feat(1): add src/1.py")

    def claim(self) -> None:
        self._pull(self.builder)
        self.write(self.builder, "machine-docs/STATUS-1.md", CLAIM)
        self.scratch.push(self.builder, "claim(1 M1): Gate M1 CLAIMED — the median")

    def mark_done(self) -> str:
        self._pull(self.builder)
        self.write(self.builder, "machine-docs/STATUS-1.md", CLAIM + DONE)
        return self.scratch.push(self.builder, "status(1): ## DONE")

    def review(self, text: str, subject: str, *, days_ago: float = 0.0) -> None:
        self._pull(self.adversary)
        self.write(self.adversary, "machine-docs/REVIEW-1.md", text)
        when = f"@{time.time() - days_ago * DAY:.0f} +0000"
        self.scratch.push(self.adversary, subject, GIT_COMMITTER_DATE=when, GIT_AUTHOR_DATE=when)

    def note(self) -> str:
        """Push something that changes nothing."""
        self._pull(self.builder)
        self.write(self.builder, "machine-docs/JOURNAL-1.md", f"- noted at {time.time()}\n")
        return self.scratch.push(self.builder, "journal(1): a note")

    def _pull(self, clone: Path) -> None:
        self.scratch.git(clone, "pull", "--quiet", "--rebase", "--autostash")


@dataclass(frozen=True, slots=True)
class Case:
    """``prepare`` leaves one thing wrong and sets the marker; ``mend`` puts it right."""

    rule: Rule
    words: str
    """What the refusal must say."""
    prepare: Callable[[Play], None]
    mend: Callable[[Play], None]


def _a_good_course(play: Play) -> None:
    play.build()
    play.claim()
    play.review(PASS, "review(1): M1 PASS")


def _false_done(play: Play) -> None:
    play.build()
    play.claim()


def _failed(play: Play) -> None:
    play.build()
    play.claim()
    play.review("# REVIEW 1\n\n## M1: FAIL\n\nAn even count is wrong.\n", "review(1): M1 FAIL")


def _stale(play: Play) -> None:
    play.build()
    play.claim()
    play.review(PASS, "review(1): M1 PASS", days_ago=2)


def _vetoed(play: Play) -> None:
    play.build()
    play.claim()
    play.review(PASS + "\n## VETO the examples are too few\n", "review(1): M1 PASS; VETO the examples are too few")


def _overtaken(play: Play) -> None:
    _a_good_course(play)
    play._pull(play.builder)
    play.build(RIGHT + "# faster\n")


def _failing_checks(play: Play) -> None:
    play.build(WRONG)
    play.claim()
    play.review(PASS, "review(1): M1 PASS")


def _no_verdict(play: Play) -> None:
    play.build()
    play.claim()
    play.review("# REVIEW 1\n\nI read the claim; the examples look plausible.\n", "review(1): had a look")


def _repair(play: Play) -> None:
    play._pull(play.builder)
    play.build(RIGHT)
    play.claim()
    _pass_again(play)
    play.mark_done()


def _pass_again(play: Play) -> None:
    play.review(PASS + f"\n## M1: PASS again at {time.time():.0f}\n", "review(1): M1 PASS")


CASES = {
    "false done": Case(Rule.NO_VERDICT, "M1: no verdict", _false_done, _pass_again),
    "a FAIL": Case(Rule.VERDICT_FAILED, "is a FAIL", _failed, _pass_again),
    "stale verdict": Case(Rule.VERDICT_STALE_AGE, "verdict_max_age (24 h)", _stale, _pass_again),
    "standing veto": Case(
        Rule.VETO_STANDING,
        "the examples are too few",
        _vetoed,
        lambda play: play.review(
            PASS + "\n## VETO withdrawn: the examples are too few\n", "review(1): VETO withdrawn, M1 PASS"
        ),
    ),
    "verdict older than the change": Case(Rule.VERDICT_OLDER_THAN_CHANGE, "src/1.py", _overtaken, _pass_again),
    "failing own checks": Case(Rule.CHECK_FAILED, "`./check.sh 1` ended with exit 1", _failing_checks, _repair),
    "review without verdict": Case(Rule.NO_VERDICT, "M1: no verdict", _no_verdict, _pass_again),
}


@pytest.mark.parametrize("name", CASES)
def test_done_is_refused_for_the_right_reason_and_the_builder_is_told_once(scratch: Scratch, name: str) -> None:
    case = CASES[name]
    play = _begin(scratch)
    case.prepare(play)
    play.mark_done()

    refused = scratch.wait_event(ev.DoneRefused, f"the refusal of {name}")
    assert refused.rules == (case.rule.value,), refused
    assert case.words in refused.reasons[0], refused
    scratch.wait_for(lambda: _refusals(scratch), "the Builder's nudge")
    _wait_seen(scratch, play.note())
    assert scratch.events(ev.DoneRefused) == [refused]
    assert [text for text in _refusals(scratch) if case.words not in text] == []
    assert len(_refusals(scratch)) == 1, _refusals(scratch)
    assert "done was refused" in scratch.loops("status").out
    assert scratch.events(ev.PhaseDone) == []

    case.mend(play)
    scratch.wait_event(ev.PhaseDone, "the phase's end once it is mended")


def test_done_is_accepted_when_nothing_is_wrong(scratch: Scratch) -> None:
    play = _begin(scratch)
    _a_good_course(play)
    play.mark_done()
    scratch.wait_event(ev.PhaseDone, "the phase's end")
    assert scratch.events(ev.DoneRefused) == []


def test_a_review_without_a_verdict_is_a_message_to_the_builder(scratch: Scratch) -> None:
    play = _begin(scratch)
    _no_verdict(play)
    scratch.wait_for(lambda: _told(scratch, "message without a verdict"), "the message's nudge")
    assert [e.kind for e in scratch.events(ev.CommitSeen)] == ["claim", "message"]


def _begin(scratch: Scratch) -> Play:
    scratch.create([PlannedPhase("1", "plan.md", checks=("./check.sh 1",))], working=False)
    scratch.loops("up")
    scratch.wait_running("builder", "adversary")
    # From the first quiet reading of the history on, each push is news.
    scratch.wait_event(ev.EvidenceTaken, "the first reading of the branch")
    return Play(scratch)


def _wait_seen(scratch: Scratch, commit: str) -> None:
    scratch.wait_event(ev.EvidenceTaken, f"{commit[:10]} read", lambda e: e.head == commit)


def _told(scratch: Scratch, words: str) -> list[str]:
    return [m.text for m in scratch.received("builder") if m.kind == "nudge" and words in m.text]


def _refusals(scratch: Scratch) -> list[str]:
    return _told(scratch, "is not done")
