"""Claiming a gate of a work list, on real repositories: what is written, what is refused, and that all reasons are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.config.model import Handoff
from loops.errors import ProtocolError
from loops.projects import gate as gates
from loops.projects.gate import GateRefused
from loops.projects.gate_list import work_list
from loops.protocol.backlog import read_build_backlog
from loops.protocol.status import GateState, parse_status
from work_list_clone import BACKLOG, FIELDS, GATE, NOW, SECTIONS, WorkListClone, git

Break = Callable[[WorkListClone], object]


def refused(clone: WorkListClone, gate: gates.Gate = GATE) -> dict[str, list[str]]:
    """The reasons, by their rule; nothing may have changed."""
    before = clone.state()
    with pytest.raises(GateRefused) as caught:
        gates.claim(str(clone.root), clone.work, gate, NOW)
    assert clone.state() == before
    assert caught.value.exit_code == 4
    found: dict[str, list[str]] = {}
    for problem in caught.value.problems:
        found.setdefault(problem.key, []).append(f"{problem.path}:{problem.line}: {problem.message}")
    return found


# ---- what is claimed ---------------------------------------------------------------------------------------------------


def test_a_ready_gate_is_written_committed_and_pushed_in_the_canonical_form(clone: WorkListClone) -> None:
    claimed = gates.claim(str(clone.root), clone.work, GATE, NOW)

    status = parse_status(clone.pushed("STATUS"))
    assert not claimed.again
    assert status.state_of("M1") is GateState.CLAIMED
    assert status.fields_of("M1") == FIELDS
    assert clone.subjects() == ["chore: begin", "claim(poe2e M1): Gate M1 CLAIMED — a staged project"]
    assert claimed.published.sha == git(clone.remote, "rev-parse", "main")
    assert git(clone.root, "status", "--porcelain") == ""


def test_what_is_not_given_is_taken_from_status_and_what_is_given_wins(clone: WorkListClone) -> None:
    clone.push("status: prepare", {"STATUS": f"# STATUS\n\n## Gate: M1 — NOT YET CLAIMED\n\n{SECTIONS}"})

    gates.claim(str(clone.root), clone.work, replace(GATE, given={"EXPECTED": "13 passed"}), NOW)

    assert parse_status(clone.pushed("STATUS")).fields_of("M1") == {**FIELDS, "EXPECTED": "13 passed"}
    assert clone.pushed("STATUS").count("Gate: M1") == 1


def test_the_sections_of_another_gate_are_not_taken_for_this_ones(clone: WorkListClone) -> None:
    clone.push("status: M0", {"STATUS": f"# STATUS\n\n## Gate: M0 — CLAIMED\n\n{SECTIONS}"})

    (message,) = refused(clone, replace(GATE, given={}))["status"]

    assert "says no WHAT, no HOW, no EXPECTED, no WHERE for M1" in message


def test_a_repeated_claim_writes_nothing(clone: WorkListClone) -> None:
    first = gates.claim(str(clone.root), clone.work, GATE, NOW)
    clone.push("journal: why", {"JOURNAL": "# JOURNAL\n"})
    before = clone.state()

    second = gates.claim(str(clone.root), clone.work, GATE, NOW + 60)

    assert (second.again, second.published) == (True, first.published)
    assert clone.state() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda clone: clone.push("fix: a", {"a.py": "a = 2\n"}),
        lambda clone: clone.push("status: taken back", {"STATUS": "# STATUS\n\n## Gate: M1 — FAIL\n\n" + SECTIONS}),
    ],
    ids=["code changed", "STATUS says something else"],
)
def test_after_a_change_the_same_words_are_a_new_claim(clone: WorkListClone, change: Break) -> None:
    first = gates.claim(str(clone.root), clone.work, GATE, NOW)
    change(clone)

    second = gates.claim(str(clone.root), clone.work, GATE, NOW + 60)

    assert not second.again
    assert second.published.sha != first.published.sha


def test_other_words_are_a_new_claim(clone: WorkListClone) -> None:
    gates.claim(str(clone.root), clone.work, GATE, NOW)

    again = gates.claim(str(clone.root), clone.work, replace(GATE, given={**FIELDS, "EXPECTED": "13 passed"}), NOW + 60)

    assert not again.again
    assert parse_status(clone.pushed("STATUS")).fields_of("M1")["EXPECTED"] == "13 passed"


def test_a_list_without_an_id_and_without_a_folder_is_claimed_as_well(clone: WorkListClone) -> None:
    for name in ("machine-docs/BACKLOG-poe2e.md",):
        git(clone.root, "mv", name, "BACKLOG.md")
    clone.push("chore: flat", {"STATUS.md": "# STATUS\n"})

    gates.claim(str(clone.root), work_list(str(clone.root), "", None), GATE, NOW)

    assert clone.subjects()[-1] == "claim(M1): Gate M1 CLAIMED — a staged project"
    assert "Gate: M1" in (clone.root / "STATUS.md").read_text()


def test_a_check_finds_the_same_and_writes_nothing(clone: WorkListClone) -> None:
    before = clone.state()

    seen = gates.check(str(clone.root), clone.work, GATE, NOW)

    assert (dict(seen.fields), seen.problems, seen.standing) == (FIELDS, (), None)
    assert clone.state() == before
    clone.write({"a.py": "a = 2\n"})
    with pytest.raises(GateRefused):
        gates.check(str(clone.root), clone.work, GATE, NOW)


# ---- what is refused ---------------------------------------------------------------------------------------------------


def _commit(clone: WorkListClone) -> None:
    clone.write({"a.py": "a = 2\n"})
    git(clone.root, "commit", "--quiet", "-am", "feat: not pushed")


def _both(clone: WorkListClone) -> None:
    _commit(clone)
    clone.somebody_pushes("theirs.py")


def _half_a_rebase(clone: WorkListClone) -> None:
    clone.somebody_pushes("b.py")
    clone.write({"b.py": "ours\n"})
    git(clone.root, "add", "b.py")
    git(clone.root, "commit", "--quiet", "-m", "feat: ours")
    git(clone.root, "fetch", "--quiet")
    with pytest.raises(AssertionError):
        git(clone.root, "rebase", "--quiet", "origin/main")


BROKEN: dict[str, tuple[Break, str, str]] = {
    "a changed file": (
        lambda clone: clone.write({"a.py": "a = 2\n"}),
        "clean",
        "a.py (changed); commit, ignore or remove",
    ),
    "an untracked file": (lambda clone: clone.write({"b.py": ""}), "clean", "b.py (untracked)"),
    "an untracked file in a new folder": (
        lambda clone: ((clone.root / "new").mkdir(), (clone.root / "new" / "c").touch()),
        "clean",
        "new/c (untracked)",
    ),
    "a staged file": (
        lambda clone: (clone.write({"b.py": ""}), git(clone.root, "add", "b.py")),
        "clean",
        "b.py (changed)",
    ),
    "a changed STATUS": (lambda clone: clone.write({"STATUS": "# STATUS\n"}), "clean", "STATUS-poe2e.md (untracked)"),
    "a commit that is not pushed": (_commit, "pushed", "HEAD is 1 commit ahead of origin/main: git push"),
    "a commit that is not pulled": (
        lambda clone: clone.somebody_pushes("theirs.py"),
        "pushed",
        "HEAD is 1 commit behind origin/main: git pull --rebase",
    ),
    "both": (_both, "pushed", "HEAD has 1 commit that origin/main lacks, and lacks 1 of its"),
    "a remote branch that is gone": (
        lambda clone: git(clone.remote, "update-ref", "-d", "refs/heads/main"),
        "pushed",
        "git push --set-upstream origin main",
    ),
    "a remote that is gone": (
        lambda clone: git(clone.root, "remote", "set-url", "origin", "/nowhere"),
        "pushed",
        "whether HEAD is pushed cannot be told",
    ),
    "another branch": (
        lambda clone: git(clone.root, "switch", "--quiet", "-c", "side"),
        "branch",
        "branch side is checked out, but work is handed over on main: git switch main",
    ),
    "no branch": (
        lambda clone: git(clone.root, "checkout", "--quiet", "--detach"),
        "branch",
        "no branch is checked out",
    ),
    "half a rebase": (_half_a_rebase, "busy", "a rebase is half-done"),
    "no backlog": (
        lambda clone: (clone.path("BACKLOG").unlink(), clone.push("chore: none", {})),
        "backlog",
        "there is no such document",
    ),
    "a backlog without the section": (
        lambda clone: clone.push("chore: bare", {"BACKLOG": "# BACKLOG\n\n- [x] B1 — x\n"}),
        "backlog",
        'no heading "## Build backlog"',
    ),
    "an open box": (
        lambda clone: clone.push("chore: more", {"BACKLOG": BACKLOG.replace("- [x] B2", "- [ ] B2")}),
        "backlog",
        "BACKLOG-poe2e.md:8: B2 (Staged skeleton) is open: finish it and tick its box",
    ),
    "an entry without a box": (
        lambda clone: clone.push("chore: more", {"BACKLOG": BACKLOG.replace("- [x] B2", "- B2")}),
        "backlog",
        "BACKLOG-poe2e.md:8: B2 (Staged skeleton) has no box",
    ),
    "a fence that hides the rest": (
        lambda clone: clone.push("chore: more", {"BACKLOG": BACKLOG.replace("(Builder-owned)", "```\n")}),
        "backlog",
        "is never closed",
    ),
    "a fence in STATUS": (
        lambda clone: clone.push("chore: more", {"STATUS": "# S\n\n```\n"}),
        "status",
        "is never closed",
    ),
}


@pytest.mark.parametrize(("spoil", "rule", "told"), BROKEN.values(), ids=BROKEN)
def test_each_reason_alone_refuses_the_gate_with_its_remedy(
    clone: WorkListClone, spoil: Break, rule: str, told: str
) -> None:
    spoil(clone)

    assert any(told in message for message in refused(clone).get(rule, []))


@pytest.mark.parametrize("name", FIELDS)
def test_each_missing_section_is_named_with_its_option(clone: WorkListClone, name: str) -> None:
    given = {key: text for key, text in FIELDS.items() if key != name}

    (message,) = refused(clone, replace(GATE, given=given))["status"]

    assert f"--{name.lower()} TEXT" in message


@pytest.mark.parametrize(
    ("gate", "rule", "told"),
    [
        (replace(GATE, box="B8"), "backlog", "has no box 'B8'"),
        (replace(GATE, box="B1"), "backlog", "B9 (Claim the gate. Clean tree, and await the Adversary.) is open"),
        (replace(GATE, label="two words"), "status", "cannot name a gate"),
        (replace(GATE, given={**FIELDS, "WHAT": "x\n\n## DONE\n\nall"}), "status", "WHAT holds a heading"),
        (replace(GATE, agent="adversary"), "author", "is written by the Builder"),
    ],
)
def test_what_is_asked_wrongly_is_refused_too(clone: WorkListClone, gate: gates.Gate, rule: str, told: str) -> None:
    assert any(told in message for message in refused(clone, gate)[rule])


@pytest.mark.parametrize(("label", "box"), [("B9", ""), ("M1", "B9"), ("M1", "")])
def test_the_gates_own_box_may_be_open(clone: WorkListClone, label: str, box: str) -> None:
    assert not gates.claim(str(clone.root), clone.work, replace(GATE, label=label, box=box), NOW).again


def test_every_reason_is_told_at_once(clone: WorkListClone) -> None:
    clone.push("chore: more", {"BACKLOG": BACKLOG.replace("[x]", "[ ]")})
    _both(clone)
    clone.write({"b.py": "", "a.py": "a = 3\n"})

    found = refused(clone, replace(GATE, given={}))

    assert found.keys() == {"clean", "pushed", "status", "backlog"}
    assert len(found["backlog"]) == 2


def test_names_that_would_speak_to_the_terminal_are_harmless(clone: WorkListClone) -> None:
    clone.push("chore: more", {"BACKLOG": BACKLOG.replace("- [x] B2 — Staged", "- [ ] B2 — \x1b]0;owned\x07Staged")})
    (clone.root / "\x1b[31mred").touch()

    with pytest.raises(GateRefused) as caught:
        gates.claim(str(clone.root), clone.work, GATE, NOW)

    assert "\x1b" not in str(caught.value)
    assert "\x07" not in str(caught.value)


def test_a_push_that_fails_leaves_everything_as_it_was(clone: WorkListClone) -> None:
    hook = clone.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    before = clone.state()

    with pytest.raises(ProtocolError, match="everything was taken back"):
        gates.claim(str(clone.root), clone.work, GATE, NOW)

    assert clone.state() == before
    hook.unlink()
    assert not gates.claim(str(clone.root), clone.work, GATE, NOW).again


# ---- which list --------------------------------------------------------------------------------------------------------


def test_the_only_status_document_names_the_list(clone: WorkListClone) -> None:
    clone.push("status: begin", {"STATUS": "# STATUS\n"})

    assert work_list(str(clone.root), "", None) == clone.work


def test_of_several_lists_one_must_be_named(clone: WorkListClone) -> None:
    clone.push("status: begin", {"STATUS": "# STATUS\n", "machine-docs/STATUS-canon.md": "# STATUS\n"})

    with pytest.raises(ProtocolError, match=r"there are STATUS-canon\.md, STATUS-poe2e\.md: name the work list"):
        work_list(str(clone.root), "", None)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda clone: git(clone.root, "branch", "--unset-upstream"), "branch main has no upstream"),
        (lambda clone: git(clone.root, "checkout", "--quiet", "--detach"), "no branch is checked out"),
        (lambda clone: git(clone.root, "switch", "--quiet", "-c", "x", "--track", "main"), "follows another branch"),
    ],
)
def test_a_branch_that_is_pushed_nowhere_has_nobody_to_claim_to(clone: WorkListClone, spoil: Break, told: str) -> None:
    spoil(clone)

    with pytest.raises(ProtocolError, match=told):
        work_list(str(clone.root), "poe2e", None)


def test_a_project_says_itself_where_work_is_handed_over(clone: WorkListClone) -> None:
    handoff = Handoff(repo=str(clone.root), branch="work", remote="mine")

    assert work_list(str(clone.root), "poe2e", handoff).handoff == handoff


def test_outside_any_clone_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="is no git work tree"):
        work_list(str(tmp_path), "x", None)


# ---- the boxes, whatever stands around them ----------------------------------------------------------------------------

ENTRY = st.tuples(st.booleans(), st.booleans(), st.sampled_from(["", "  detail\n", "\n", "  - a note\n", "prose\n\n"]))


@given(st.lists(ENTRY, max_size=12), st.sampled_from(["## Build backlog\n", "## Build Backlog (Builder-owned)\n\n"]))
def test_exactly_the_open_boxes_of_the_section_are_open(entries: list[tuple[bool, bool, str]], heading: str) -> None:
    lines = []
    for number, (ticked, bold, after) in enumerate(entries, 1):
        text = f"**B{number} — do it**" if bold else f"B{number} — do it"
        lines.append(f"- [{'x' if ticked else ' '}] {text}\n{after}")
    text = f"# B\n\n- [ ] Z1 — before\n\n{heading}{''.join(lines)}\n## Adversary findings\n- [ ] Z2 — behind\n"

    backlog = read_build_backlog(text)

    assert backlog is not None
    found = [(item.id, item.done) for item in backlog.items]
    assert found == [(f"B{number}", ticked) for number, (ticked, _, _) in enumerate(entries, 1)]
    assert backlog.without_box == ()
