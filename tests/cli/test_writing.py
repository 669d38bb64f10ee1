"""The commands that write: init, claim, verdict; and explain, which tells what was written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cli_scratch import Scratch

LOOP = """
[[agent]]
name = "adversary"
kind = "loop"
role = "adversary"
dir = "work/adversary"

[loop]
handoff = { repo = "work/builder" }
phases = [{ id = "1", plan = "plan.md", items = ["M1"] }]
"""


@pytest.fixture
def clones(scratch: Scratch) -> Scratch:
    """With a real remote and a clone for each agent."""
    scratch.write(
        scratch.config_path.read_text().replace(
            'kind = "persistent"', 'kind = "loop"\nrole = "builder"\ndir = "work/builder"', 1
        )
        + LOOP
    )
    remote = scratch.root / "remote.git"

    def git(directory: Path, *words: str) -> None:
        subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True, env=scratch.env)

    git(scratch.root, "init", "--bare", "--initial-branch=main", str(remote))
    for name in ("builder", "adversary"):
        work = scratch.root / "work" / name
        git(scratch.root, "clone", str(remote), str(work))
        git(work, "config", "user.name", name)
        git(work, "config", "user.email", f"{name}@example.invalid")
        git(work, "switch", "-C", "main")
        if name == "builder":
            (work / "median.py").write_text("def median(): ...\n")
            (work / "machine-docs").mkdir()
            (work / "machine-docs/DECISIONS.md").write_text("# Decisions\n")
            git(work, "add", "--all")
            git(work, "commit", "-m", "feat: median")
            git(work, "push", "origin", "HEAD:main")
    return scratch


def subjects(scratch: Scratch) -> list[str]:
    listed = subprocess.run(
        ["git", "-C", str(scratch.root / "remote.git"), "log", "--format=%s", "main"],
        capture_output=True,
        text=True,
        check=True,
        env=scratch.env,
    )
    return listed.stdout.splitlines()


CLAIM = ("--what", "median works", "--how", "./check.sh", "--expected", "exit 0", "--where", "median.py")


def test_a_claim_and_its_verdict_are_committed_and_pushed(clones: Scratch) -> None:
    builder, adversary = (clones.root / "work" / name for name in ("builder", "adversary"))
    me = {"LOOPS_AGENT": "builder", "LOOPS_PHASE": "1"}

    claimed = clones.loops("claim", "M1", *CLAIM, "--json", cwd=builder, env=me)
    assert claimed.code == 0, claimed
    assert claimed.facts["document"] == "machine-docs/STATUS-1.md"
    subprocess.run(["git", "-C", str(adversary), "pull"], check=True, capture_output=True, env=clones.env)
    judged = clones.loops(
        "verdict", "M1=FAIL: even counts", "--finding", "even counts are wrong", "--phase=1", "--json", cwd=adversary
    )

    assert judged.code == 0, judged
    verdict, claim = subjects(clones)[:2]
    assert verdict.startswith("review(1): M1 FAIL")
    assert claim == "claim(1 M1): Gate M1 CLAIMED — median works"
    assert "even counts are wrong" in (adversary / judged.facts["document"]).read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("verdict", "M1", "--phase=1"), 2, "ITEM=PASS"),
        (("verdict", "M1=MAYBE", "--phase=1"), 2, "ITEM=PASS"),
        (("verdict", "M1=PASS"), 2, "--phase"),
        (("verdict", "M1=PASS", "--phase=11"), 2, 'did you mean "1"?'),
        (("verdict", "--phase=1"), 4, "at least one item"),
        (("claim", "M1", *CLAIM, "--phase=1"), 4, "probe.py"),
    ],
    ids=["no result", "no such result", "no phase", "unknown phase", "nothing", "not committed"],
)
def test_a_claim_or_verdict_that_is_refused_leaves_the_remote_as_it_was(
    clones: Scratch, words: tuple[str, ...], code: int, told: str
) -> None:
    work = clones.root / "work/builder"
    (work / "probe.py").write_text("left lying about\n")
    before = subjects(clones)

    said = clones.loops(*words, cwd=work)

    assert (said.code, told in said.err) == (code, True), said
    assert subjects(clones) == before


def test_outside_a_clone_a_claim_says_where_it_belongs(clones: Scratch) -> None:
    (clones.root / "elsewhere").mkdir()

    said = clones.loops("claim", "M1", *CLAIM, "--phase=1", cwd=clones.root / "elsewhere")

    assert said.code == 4
    assert "own clone" in said.err


def test_explain_says_why_an_agent_was_started(scratch: Scratch) -> None:
    assert scratch.loops("explain").out == "the journal is empty\n"
    scratch.loops("up")

    told = scratch.loops("explain", "builder").out

    assert "builder is started" in told
    assert "ticker" not in told
    assert scratch.loops("explain", "builder", "--json").facts["lines"] == told.splitlines()
    assert scratch.loops("explain", "9999").out == "the journal has nothing about 9999\n"
    assert 'did you mean "builder"?' in scratch.loops("explain", "bilder").err


def test_init_writes_a_project_that_is_valid_and_never_writes_over_one(scratch: Scratch, tmp_path: Path) -> None:
    new = tmp_path / "New Project"

    written = scratch.loops("init", str(new), "--json").facts["files"]

    assert f"{new}/agents.toml" in written
    assert scratch.loops("validate", "--config", str(new)).code == 0
    again = scratch.loops("init", str(new))
    assert again.code == 2
    assert "exists already" in again.err
    assert sorted(written) == sorted(os.path.join(top, name) for top, _, names in os.walk(new) for name in names)
