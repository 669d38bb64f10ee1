"""A blind Adversary: its clone shows the Builder's reasons only behind its own verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loops.isolation.able import ability
from loops.supervisor import events as ev
from scratch import Scratch, checked

REVIEW = "# Review\n\n## M1\n\nM1: {} @2026-01-01T00:00:00Z\n"


def blind_project(scratch: Scratch, lines: str) -> Path:
    scratch.create([checked("1")], working=False)
    text = scratch.config_path.read_text()
    head = 'dir = "work/adversary"\n'
    scratch.config_path.write_text(text.replace(head, f'{head}blind = ["machine-docs/JOURNAL-*"]\n{lines}'))
    builder = scratch.clone("builder")
    (builder / "machine-docs" / "JOURNAL-1.md").write_text("why\n")
    scratch.push(builder, "docs: why")
    adversary = scratch.clone("adversary")
    scratch.git(adversary, "pull", "--quiet", "--rebase")
    return adversary / "machine-docs" / "JOURNAL-1.md"


def blinded(scratch: Scratch) -> list[tuple[str, ...]]:
    return [event.patterns for event in scratch.events(ev.AgentBlinded)]


@pytest.mark.parametrize(
    "isolated",
    [
        False,
        pytest.param(True, marks=pytest.mark.skipif(not ability(), reason=ability().reason)),
    ],
    ids=["open", "isolated"],
)
def test_reasons_appear_behind_the_verdict_and_go_with_the_next_claim(scratch: Scratch, isolated: bool) -> None:
    reads = json.dumps([str(scratch.root / "script.json")])
    journal = blind_project(scratch, f"isolate = true\nreads = {reads}\n" if isolated else "")
    builder, adversary = scratch.clone("builder"), scratch.clone("adversary")
    assert journal.exists()
    scratch.loops("up")
    scratch.wait_running("adversary")
    assert not journal.exists()  # before it ran
    assert blinded(scratch) == [("machine-docs/JOURNAL-*",)]

    scratch.push(builder, "claim(1): M1 stands")
    scratch.wait_event(ev.NudgeDelivered, "the claim is told")
    assert not journal.exists()

    scratch.git(adversary, "pull", "--quiet", "--rebase")
    (adversary / "machine-docs" / "REVIEW-1.md").write_text(REVIEW.format("FAIL"))
    scratch.push(adversary, "review(1): M1 FAIL")
    scratch.wait_for(journal.exists, "its verdict is pushed: it may read the reasons")
    scratch.wait_for(lambda: blinded(scratch)[-1] == (), "the journal says so")

    scratch.push(builder, "claim(1): M1 stands now")
    scratch.wait_for(lambda: not journal.exists(), "the next claim takes them away")
    assert "why" in scratch.git(adversary, "show", "HEAD:machine-docs/JOURNAL-1.md")


def test_a_clone_that_cannot_be_blinded_is_told_and_keeps_nobody_from_work(scratch: Scratch) -> None:
    blind_project(scratch, "")
    lock = scratch.clone("adversary") / ".git" / "index.lock"
    lock.touch()
    scratch.loops("up")
    scratch.wait_running("adversary")
    assert "could not be kept out of" in scratch.complaints
    assert blinded(scratch) == []
    lock.unlink()
