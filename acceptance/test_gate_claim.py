"""Gate: the work list of a migration is claimed by the real command, as a person or an agent keeps it, and refused in time.

The list has the form of the one that the command was made for: B1 to B9, the last of which is to claim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from operator_shell import Operator

WORK = {
    "B1": "Scratch project, full life (D1)",
    "B2": "Staged project skeleton (D2)",
    "B3": "Migrate agents.toml (D2)",
    "B4": "Migrate prompts/ (D2)",
    "B5": "Parity verification (D2)",
    "B6": "Register the staged project (D3)",
    "B7": "Operator cutover runbook (D4)",
    "B8": "Prove the live system untouched (D5)",
}
OWN = "B9 — Claim the gate.** Clean tree, STATUS with WHAT/HOW/EXPECTED/WHERE; await the Adversary."
STATUS = """\
# STATUS — phase poe2e

**WHAT:** a staged project at parity with the live one

**HOW:** `./verify.sh`, from a fresh clone

**EXPECTED:** no difference, exit 0

**WHERE:** staged/, machine-docs/PARITY.md
"""


def backlog(done: int) -> str:
    boxes = [
        f"- [{'x' if n < done else ' '}] **{id} — {text}.** Details.\n" for n, (id, text) in enumerate(WORK.items())
    ]
    return f"# BACKLOG — phase poe2e\n\n## Build backlog\n\n(Builder-owned)\n\n{''.join(boxes)}- [ ] **{OWN}\n"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    person = Operator(tmp_path)
    person.types("git config --global user.name Somebody && git config --global user.email somebody@example.org")
    person.types("git init --quiet --bare --initial-branch=main remote.git && git clone --quiet remote.git list")
    person.types(
        "git checkout --quiet -B main && mkdir machine-docs && : >verify.sh >machine-docs/PARITY.md",
        at=person.place / "list",
    )
    yield person
    person.leaves()


def write(operator: Operator, name: str, text: str) -> None:
    (operator.place / "list" / "machine-docs" / f"{name}-poe2e.md").write_text(text)


def push(operator: Operator) -> None:
    line = "git add --all && git commit --quiet -m work && git push --quiet --set-upstream origin main"
    operator.types(line, at=operator.place / "list")


def test_a_work_list_is_claimed_when_and_only_when_all_its_work_is_done_and_pushed(operator: Operator) -> None:
    at = operator.place / "list"
    write(operator, "BACKLOG", backlog(6))
    push(operator)
    (at / "notes.txt").touch()
    (at / "verify.sh").write_text("exit 1\n")

    said = operator.types("loops gate claim M1 --phase poe2e", at=at, code=4).text
    reasons = [line.removeprefix("loops: ") for line in said.splitlines()]
    for told in (
        r"clean: not committed: verify\.sh \(changed\), notes\.txt \(untracked\); commit, ignore or remove them",
        r"machine-docs/STATUS-poe2e\.md: status: there is no such document: write .* --what TEXT --how TEXT",
        r"machine-docs/BACKLOG-poe2e\.md:13: backlog: B7 \(Operator cutover runbook \(D4\)\. Details\.\) is open",
        r"machine-docs/BACKLOG-poe2e\.md:14: backlog: B8 .* is open: finish it and tick its box",
    ):
        assert any(re.search(told, line) for line in reasons), (told, said)
    assert len(reasons) == 4

    write(operator, "BACKLOG", backlog(8))
    write(operator, "STATUS", STATUS)
    operator.types("rm notes.txt && git add --all && git commit --quiet -m 'all is done'", at=at)
    said = operator.types("loops gate check M1", at=at, code=4).text
    assert said.strip().endswith("pushed: HEAD is 1 commit ahead of origin/main: git push")

    operator.types("git push --quiet", at=at)
    assert "M1 can be claimed" in operator.types("loops gate check M1", at=at).text
    facts = json.loads(operator.types("loops gate claim M1 --json", at=at).text)
    assert facts["subject"] == "claim(poe2e M1): Gate M1 CLAIMED — a staged project at parity with the live one"
    assert not facts["again"]

    again = operator.types("loops gate claim M1", at=at).text
    assert again.startswith(f"claimed already, and nothing has changed since: {facts['commit'][:10]} ")
    operator.types("git clone --quiet remote.git adversary")
    cold = operator.types(
        "git log --format=%s && cat machine-docs/STATUS-poe2e.md", at=operator.place / "adversary"
    ).text
    assert cold.count("claim(poe2e M1): ") == 1
    assert "## Gate: M1 — CLAIMED, awaiting Adversary @" in cold
    assert all(f"**{name}:**" in cold.partition("## Gate")[2] for name in ("WHAT", "HOW", "EXPECTED", "WHERE"))


def test_refusals_are_facts_for_programs(operator: Operator) -> None:
    write(operator, "BACKLOG", backlog(8))
    write(operator, "STATUS", STATUS)
    push(operator)
    (operator.place / "list" / "notes.txt").touch()

    facts = json.loads(operator.types("loops gate claim M1 --json", at=operator.place / "list", code=4).text)

    assert facts["exit"] == 4
    assert [(problem["key"], problem["line"]) for problem in facts["problems"]] == [("clean", 0)]


def test_in_an_agents_clone_the_projects_own_words_hold(operator: Operator) -> None:
    """The prefix of claims, and who may write STATUS, are those of agents.toml; elsewhere below the project they are not."""
    write(operator, "BACKLOG", backlog(8))
    write(operator, "STATUS", STATUS)
    push(operator)
    (operator.place / "agents.toml").write_text(
        '[defaults]\nsession_prefix = "p-"\nlog_dir = ".loops"\nbackend = "demo"\n'
        '[[agent]]\nname = "builder"\ndir = "list"\n[[agent]]\nname = "adversary"\ndir = "other"\n'
        '[loop]\nhandoff = { repo = "list", claim = "gate(" }\n'
    )
    operator.types("git clone --quiet remote.git elsewhere")

    refused = operator.types("LOOPS_AGENT=adversary loops gate claim M1", at=operator.place / "list", code=4).text
    mine = operator.types("LOOPS_AGENT=builder loops gate claim M1", at=operator.place / "list").text
    operator.types("git pull --quiet", at=operator.place / "elsewhere")
    words = "--what a --how b --expected c --where d"
    other = operator.types(f"LOOPS_AGENT=adversary loops gate claim M2 {words}", at=operator.place / "elsewhere").text

    assert "is written by the Builder (builder) alone, and you are adversary" in refused
    assert " gate(poe2e M1): Gate M1 CLAIMED" in mine
    assert " claim(poe2e M2): Gate M2 CLAIMED" in other
