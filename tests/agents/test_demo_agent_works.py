"""The scripted agent as an honest worker: real commits in real clones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from agent_terminal import PROGRAM, DemoAgent, Project, until
from loops.agents.demo_agent.clone import Clone
from loops.agents.demo_agent.documents import Documents, phase_of
from loops.agents.demo_agent.work import Task
from loops.agents.demo_agent.work import _finish as finished

KICKOFF = "You are the builder of phase 1. Status document: STATUS-1.md"
Hire = Callable[..., DemoAgent]


def test_builder_and_adversary_bring_a_phase_to_done(project: Project, hire: Hire) -> None:
    builder, adversary = hire("builder"), hire("adversary")

    builder.start(KICKOFF)
    builder.wait_turn()
    adversary.start(KICKOFF)
    adversary.wait_turn()
    builder.nudge("[nudge n1] review pushed: M1 PASS")

    assert project.subjects() == [
        "chore: begin",
        "feat(1): add src/1.py",
        "status(1): src/1.py is ready to be verified",
        "claim(1 M1): Gate M1 CLAIMED",
        "review(1): M1 PASS",
        "status(1): ## DONE — every item has a PASS",
    ]
    assert "## DONE\n\nEvery item of phase 1 has a PASS" in project.show("machine-docs/STATUS-1.md")


def test_a_false_claim_fails_cold_verification_and_is_fixed_once(project: Project, hire: Hire) -> None:
    builder = hire("builder", {"rules": [{"role": "builder", "mode": "false-claim"}]})
    adversary = hire("adversary")

    builder.start(KICKOFF)
    builder.wait_turn()
    adversary.start(KICKOFF)
    adversary.wait_turn()
    builder.nudge("[nudge n1] review pushed: M1 FAIL")
    builder.nudge("[nudge n2] still there?")
    adversary.nudge("[nudge n1] claim pushed: M1")
    builder.nudge("[nudge n3] review pushed: M1 PASS")

    judged = [subject for subject in project.subjects() if subject.startswith(("claim(", "review("))]
    assert judged == [
        "claim(1 M1): Gate M1 CLAIMED",
        "review(1): M1 FAIL",
        "claim(1 M1): Gate M1 CLAIMED",
        "review(1): M1 PASS",
    ]
    assert adversary.words[0] == [
        "verdict",
        "M1=FAIL:check.sh says: median([4, 1, 3, 2]) is 3, expected 2.5",
        "--phase",
        "1",
        "--finding",
        "./check.sh 1: median([4, 1, 3, 2]) is 3, expected 2.5",
    ]
    assert project.subjects()[-1] == "status(1): ## DONE — every item has a PASS"


def test_alone_it_claims_and_marks_in_one_turn_and_mends_what_the_engine_refuses(project: Project, hire: Hire) -> None:
    solo = hire("solo", {"rules": [{"role": "solo", "mode": "false-claim"}]})

    solo.start(KICKOFF)
    solo.wait_turn()
    lied = project.show("src/1.py")
    solo.nudge("[nudge n1] Phase 1 is not done: the phase's checks fail at 0123456789: ./check.sh 1")

    assert lied != project.show("src/1.py")
    assert [subject for subject in project.subjects() if not subject.startswith("feat(")] == [
        "chore: begin",
        "status(1): src/1.py is ready to be verified",
        "claim(1 M1): Gate M1 CLAIMED",
        "status(1): ## DONE — every item is claimed, and the checks judge",
        "status(1): src/1.py is ready to be verified",
        "claim(1 M1): Gate M1 CLAIMED",
        "status(1): ## DONE — every item is claimed, and the checks judge",
    ]


def test_a_repository_without_a_check_gets_one_with_the_first_work(project: Project, hire: Hire) -> None:
    seed = project.root / "seed"
    project.git(seed, "rm", "-q", "check.sh")
    project.git(seed, "commit", "-qm", "chore: no check")
    project.git(seed, "push", "-q", "origin", "HEAD:main")
    builder = hire("builder")

    builder.start(KICKOFF)
    builder.wait_turn()

    assert project.show("check.sh").startswith("#!/bin/sh")
    assert project.git(project.remote, "ls-tree", "main", "check.sh").startswith("100755 ")


def test_a_refused_claim_is_made_again(project: Project, hire: Hire) -> None:
    builder = hire("builder")
    builder.start(KICKOFF)
    builder.wait_turn()

    builder.nudge("[nudge n1] the claim of M1 was refused: ./check.sh 1 fails in a fresh clone")

    assert [words[:4] for words in builder.words] == [["claim", "M1", "--phase", "1"]] * 2


def test_files_that_a_power_cut_left_empty_are_as_they_were_committed(project: Project, hire: Hire) -> None:
    builder, adversary = hire("builder"), hire("adversary")
    builder.start(KICKOFF)
    builder.wait_turn()
    adversary.start(KICKOFF)
    adversary.wait_turn()
    emptied = [builder.clone / "src" / "1.py", adversary.clone / "machine-docs" / "STATUS-1.md"]
    before = [path.read_text() for path in emptied]
    for path in emptied:
        path.write_text("")

    adversary.nudge("[nudge n1] still there?")
    builder.nudge("[nudge n1] review pushed: M1 PASS")

    assert [path.read_text()[: len(text)] for path, text in zip(emptied, before, strict=True)] == before
    assert project.subjects()[-2:] == ["review(1): M1 PASS", "status(1): ## DONE — every item has a PASS"]


def test_a_kickoff_that_speaks_of_refusals_and_is_done_again_claims_nothing_twice(project: Project, hire: Hire) -> None:
    builder = hire("builder")
    for turn in (1, 2):  # a power cut came after the claim
        builder.start(f"{KICKOFF}\n\nThe engine checks everything itself; if it refuses, it names each reason.")
        builder.wait_turn(turn)
        builder.kill()

    assert [words[:2] for words in builder.words] == [["claim", "M1"]]


@pytest.mark.parametrize(
    ("subject", "line", "expected"),
    [
        ("review(1): M1 PASS, M2 FAIL @2026-11-21T10:14:09Z", "", [True, False, None]),
        ("review(1): see the document", "## M1: FAIL @2026-11-21T10:14:09Z", [False, None, None]),
        ("review(1): M10 PASS; ledger seeded, no gate yet", "M1 is being looked at", [None, None, None]),
        ("chore(1): M1 PASS", "## M1: PASS", [None, None, None]),
    ],
)
def test_a_verdict_is_taken_for_the_item_that_it_names(
    project: Project, subject: str, line: str, expected: list[bool | None]
) -> None:
    clone = Clone(str(project.clone("work")), "work")
    documents = Documents(clone, "1")
    for kind, subject_ in (
        ("STATUS", "claim(1 M1): Gate M1 CLAIMED"),
        ("STATUS", "claim(1 M2): Gate"),
        ("REVIEW", subject),
    ):
        documents.write(kind, documents.read(kind) + subject_ + "\n" + (line if kind == "REVIEW" else ""))
        clone.commit(subject_, [documents.path(kind)])

    assert [documents.verdict_on(item) for item in ("M1", "M2", "M3")] == expected
    assert documents.claimed_items() == ["M1", "M2"]


@pytest.mark.parametrize(
    ("kickoff", "phase"),
    [
        ("Phase 7. The status document is STATUS-1c.md.", "1c"),
        ("You work on phase `2w` now", "2w"),
        ("phase_id: 3", "3"),
        ("Watch the project.", ""),
    ],
)
def test_the_phase_is_found_in_the_kickoff(kickoff: str, phase: str) -> None:
    assert phase_of(kickoff) == phase


def test_a_push_that_was_overtaken_goes_on_top(project: Project) -> None:
    ours, theirs = (Clone(str(project.clone(name)), name) for name in ("ours", "theirs"))
    for clone, name in ((ours, "a"), (theirs, "b")):
        (project.root / clone.root / name).write_text(name)
        clone.commit(f"feat: {name}", [name])

    theirs.push()
    ours.push()

    assert project.subjects() == ["chore: begin", "feat: b", "feat: a"]


def test_a_pull_that_was_cut_off_in_its_checkout_is_made_again(project: Project) -> None:
    here, there = project.clone("mine"), project.clone("theirs")
    mine, theirs = Clone(str(here), "mine"), Clone(str(there), "theirs")
    (there / "new.md").write_text("whole\n")
    (there / "check.sh").write_text("changed\n")
    theirs.commit("feat: more", ["new.md", "check.sh"])
    theirs.push()
    mine.git("fetch", "--quiet")
    (here / "new.md").write_text("who")
    (here / "check.sh").write_text("chan")
    (here / "own.txt").write_text("not of the checkout\n")
    (here / ".git/index.lock").touch()

    mine.recover()
    mine.pull()

    assert (here / "new.md").read_text() == "whole\n"
    assert (here / "check.sh").read_text() == "changed\n"
    assert (here / "own.txt").read_text() == "not of the checkout\n"
    assert mine.git("status", "--porcelain", "--untracked-files=no") == ""


def test_on_a_plain_pipe_each_line_is_a_message(project: Project) -> None:
    said = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), "--role", "orchestrator", "Watch."],
        input="one\ntwo",
        capture_output=True,
        text=True,
        check=True,
        cwd=project.root,
    ).stdout

    assert [line for line in said.splitlines() if line.startswith("●")] == [
        "● Noted: Watch.",
        "● Noted: one",
        "● Noted: two",
    ]
    assert "\x1b" not in said


def test_what_was_received_is_recorded_once_with_its_nudge_id(hire: Hire) -> None:
    orchestrator = hire("orchestrator")
    orchestrator.start("Watch the project.")
    orchestrator.wait_turn()

    orchestrator.nudge("[nudge n12] two\nlines")

    assert [(entry["kind"], entry["id"], entry["text"], entry["incarnation"]) for entry in orchestrator.received] == [
        ("kickoff", "", "Watch the project.", "1"),
        ("nudge", "n12", "[nudge n12] two\nlines", "1"),
    ]
    assert [entry["nudge"] for entry in orchestrator.signals("turn.started")] == ["", "n12"]


def test_a_turn_ends_with_the_time_it_waits_for(hire: Hire) -> None:
    orchestrator = hire("orchestrator", {"wait": 120})
    before = time.time()

    orchestrator.start("Watch the project.")
    orchestrator.wait_turn()

    waiting_until = orchestrator.signals("turn.completed")[0]["waiting_until"]
    assert before + 119 <= waiting_until <= time.time() + 120
    shown = time.strftime("WAITING-UNTIL: %Y-%m-%dT%H:%M:%SZ", time.gmtime(waiting_until))
    until(
        lambda: shown in orchestrator.tail(), f"it shows {shown!r}"
    )  # the signal is written before the terminal's bytes are read


def test_a_task_writes_its_report_and_exits_0(hire: Hire) -> None:
    task = hire("task")

    task.start("Write the final report.")

    assert task.wait_exit() == 0
    assert "Write the final report." in (task.clone / "REPORT.md").read_text()


def test_a_done_marker_that_was_cut_off_before_its_commit_is_committed_by_the_next_turn(
    project: Project, hire: Hire
) -> None:
    clone = Clone(str(project.clone("builder")), "builder")
    status = os.path.join(clone.root, "machine-docs", "STATUS-1.md")
    os.makedirs(os.path.dirname(status), exist_ok=True)
    with open(status, "w", encoding="utf-8") as file:
        file.write("# STATUS 1\n\n## DONE\n\nEvery item of phase 1 has a PASS.\n")
    for name in ("index", "HEAD", "refs/heads/main", "refs/remotes/origin/main"):
        with open(os.path.join(clone.root, ".git", f"{name}.lock"), "w", encoding="utf-8"):
            pass

    clone.recover()
    list(finished(Task("builder", clone.root, "1", "", ["M1"], False), clone, Documents(clone, "1")))

    assert "## DONE" in clone.git("show", "origin/main:machine-docs/STATUS-1.md")
