"""What the clone itself shows to be untrue is not published; what it cannot show is left to whoever verifies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from loops.config.model import Phase
from loops.projects import gate as gates
from loops.projects.gate import GateRefused
from work_list_clone import BACKLOG, FIELDS, GATE, NOW, WorkListClone, git

OPEN = BACKLOG.replace("- [ ] **B9 — Claim the gate.**", "- [x] **B9 — Say so.**")
"""A backlog without an entry that claims the gate."""


@pytest.fixture
def clone(tmp_path: Path) -> WorkListClone:
    return WorkListClone(tmp_path)


def told(clone: WorkListClone, **fields: str) -> dict[str, str]:
    """The rules that refuse a claim with these *fields*, with what they say; nothing is written."""
    before = clone.state()
    try:
        gates.check(str(clone.root), clone.work, replace(GATE, given={**FIELDS, **fields}), NOW)
    except GateRefused as refused:
        assert clone.state() == before
        return {problem.key: problem.message for problem in refused.problems}
    return {}


def test_a_commit_that_does_not_exist_is_refused(clone: WorkListClone) -> None:
    for text in ("staged/ at commit 0123abc", "commit `0123abc`", f"at {'0123abc4' * 5}"):
        assert "is none of this repository: correct it" in told(clone, WHERE=text)["commit"]


def test_a_commit_that_is_not_pushed_is_refused_and_one_that_is_is_not(clone: WorkListClone) -> None:
    pushed = git(clone.root, "rev-parse", "HEAD")
    aside = git(clone.root, "commit-tree", "-p", "HEAD", "-m", "aside", "HEAD^{tree}")

    assert "is not in what is pushed: push it" in told(clone, WHAT=f"all of commit {aside[:10]}")["commit"]
    assert told(clone, WHERE=f"commit {pushed[:10]}, {pushed}") == {}


def test_evidence_that_is_absent_or_kept_back_is_refused(clone: WorkListClone) -> None:
    clone.push("chore: ignore", {".gitignore": "out/\n"})
    (clone.root / "out").mkdir()
    (clone.root / "out" / "report.html").touch()

    assert (
        "docs/verify.md, which is not there: write and push it"
        in told(clone, WHERE="see docs/verify.md:12")["evidence"]
    )
    assert "is here and not committed" in told(clone, WHERE="`out/report.html`")["evidence"]


def test_a_program_that_the_verification_runs_and_that_is_not_there_is_refused(clone: WorkListClone) -> None:
    assert "HOW runs ./verify.sh, which is not there" in told(clone, HOW="`./verify.sh --all`, cold")["command"]

    clone.push("feat: verify", {"verify.sh": "exit 0\n"})
    assert told(clone, HOW="`./verify.sh --all`, cold") == {}


def test_a_program_that_is_built_or_installed_there_is_not_missed(clone: WorkListClone) -> None:
    clone.push("chore: ignore", {".gitignore": "/build/\n/result\n.venv/\n"})
    (clone.root / "result").symlink_to("/nonexistent")

    for how in ("`make`, then `./build/shop --version`", "`./result/bin/shop`", "`./.venv/bin/pytest -q`"):
        assert told(clone, HOW=how) == {}


def test_the_place_of_what_is_untrue_is_its_line_in_status(clone: WorkListClone) -> None:
    sections = "".join(f"**{name}:** {text}\n\n" for name, text in {**FIELDS, "WHERE": "docs/verify.md"}.items())
    clone.push("status: all", {"STATUS": f"# STATUS\n\n{sections}"})

    with pytest.raises(GateRefused) as refused:
        gates.claim(str(clone.root), clone.work, gates.Gate("M1", {}), NOW)

    (problem,) = refused.value.problems
    assert (problem.path, problem.line, problem.key) == ("machine-docs/STATUS-poe2e.md", 9, "evidence")


@pytest.mark.parametrize(
    "where",
    [
        "machine-docs/STATUS-poe2e.md",
        "BACKLOG-poe2e.md and machine-docs/BACKLOG-poe2e.md",
        "https://example.org/runs/7.html, example.org/x/y.html",
        "../staged/agents.toml, /srv/staged/agents.toml, ~/staged/x.md, $HOME/x/y.md",
        "origin/main, v1.2/3.4, and/or, staged/*.toml, runs/N/<id>.json, sha256:" + "ab" * 32,
        "coop/engine@" + "0123abc4" * 5,
        "e.g. 12.5 s; a.py",
    ],
)
def test_what_may_mean_something_else_is_left_to_the_verifier(clone: WorkListClone, where: str) -> None:
    assert told(clone, WHERE=where) == {}


def test_a_file_of_a_submodule_counts_when_it_is_there(clone: WorkListClone) -> None:
    git(clone.root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone.remote), "engine")
    clone.push("chore: engine", {})

    assert told(clone, WHERE="engine/machine-docs/BACKLOG-poe2e.md") == {}
    assert "evidence" in told(clone, WHERE="engine/machine-docs/none.md")


def test_a_gate_that_stands_nowhere_in_the_plan_is_refused_with_the_nearest(clone: WorkListClone) -> None:
    clone.push("chore: plan", {"BACKLOG": OPEN})

    with pytest.raises(GateRefused) as refused:
        gates.check(str(clone.root), clone.work, replace(GATE, label="poe2f"), NOW)

    (problem,) = refused.value.problems
    assert problem.key == "plan"
    assert (
        "'poe2f' stands neither in machine-docs/BACKLOG-poe2e.md nor in machine-docs/STATUS-poe2e.md" in problem.message
    )
    assert "did you mean" in problem.message
    assert gates.check(str(clone.root), clone.work, replace(GATE, label="B2"), NOW).problems == ()


def test_a_gate_may_stand_in_the_plan_itself_and_a_plan_elsewhere_proves_nothing(clone: WorkListClone) -> None:
    clone.push("chore: plan", {"BACKLOG": OPEN, "plan.md": "# Plan\n\nGate M1: all of it.\n"})
    there, elsewhere = (
        replace(clone.work, phase=Phase("poe2e", plan, status="STATUS-poe2e.md")) for plan in ("plan.md", "plans/p.md")
    )

    assert gates.check(str(clone.root), there, GATE, NOW).problems == ()
    assert gates.check(str(clone.root), elsewhere, replace(GATE, label="M7"), NOW).problems == ()
    with pytest.raises(GateRefused, match="nor in plan"):
        gates.check(str(clone.root), there, replace(GATE, label="M7"), NOW)
