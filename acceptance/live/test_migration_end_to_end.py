"""Gate: the work list of a migration, from the first look to the claim, beside a live deployment that never notices.

Scratch project, staged project, its prompts, parity, the fleet, the runbook, the live system untouched, the claim.  Everything
is typed as a person would; the transcript is kept beside the test's other files.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loops import config

from .live_deployment import ENGINE, SESSIONS, Live
from .live_plan import PLAN
from .migration import Migration, alarming, also

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.mark.heavy
def test_the_whole_work_list(migration: Migration, tmp_path: Path):
    """B1 to B9; each entry of the list is ticked when it is done, and the gate is claimed last."""
    live = migration.live
    pids = live.pids()
    steps = (scratch_project, staged_project, translated_configuration, same_prompts, parity_is_reached)
    steps += (it_is_registered, the_runbook_is_written, the_live_system_is_untouched, the_gate_is_claimed)
    try:
        migration.takes_baseline()
        keeps_a_work_list(migration)
        for number, step in enumerate(steps, 1):
            migration.notes(f"B{number}: {step.__name__.replace('_', ' ')}")
            step(migration)
            ticks(migration, number)
        assert live.pids() == pids
    finally:
        shutil.copy(migration.transcript, tmp_path / "transcript.txt")


@pytest.mark.heavy
def test_the_rehearsal_leaves_the_live_system_untouched(migration: Migration, tmp_path: Path):
    live = migration.live
    pids = live.pids()
    migration.takes_baseline()
    migration.migrates()
    try:
        said = migration.shell(f"{migration.plan_words('rehearse')} --soak 2 {also(live)}")
        if "there are none here" in said.text:
            pytest.skip(f"no namespaces: {said.text.strip().splitlines()[-1]}")
        assert said.code == 0, said.text
        assert "PASSED: forward, back, and forward again" in said.text
        assert said.text.count("each agent goes on in the conversation that it had") >= 2
        kept = list(migration.staged.glob(".loops/cutover/rehearsals/*/transcript.md"))
        assert len(kept) == 1
        assert alarming(migration.checks()) == []
        assert live.pids() == pids
        assert [entry["event"] for entry in live.conversation("builder")].count("resumed") == 1
    finally:
        shutil.copy(migration.transcript, tmp_path / "transcript.txt")


WORK_LIST = (
    "a scratch project lives and goes",
    "the staged project is there, with its first commit",
    "its agents.toml says what the live one says",
    "its prompts are the live ones, byte for byte",
    "parity is reached, and shown",
    "it stands in the fleet",
    "the runbook is written",
    "the live system is untouched",
    "the gate is claimed",
)


def keeps_a_work_list(person: Migration) -> None:
    """A clone with a backlog, as the Builder of such a phase has it."""
    person.types("git init -q --bare -b main work.git")
    person.types("git clone -q work.git work")
    entries = "".join(f"- [ ] **B{number} — {what}**\n" for number, what in enumerate(WORK_LIST, 1))
    docs = person.work / "machine-docs"
    docs.mkdir()
    (docs / "BACKLOG-poe2e.md").write_text(f"# Backlog\n\n## Build backlog\n\n{entries}\n## Adversary findings\n")
    (docs / "STATUS-poe2e.md").write_text("# Staged, compared, not switched over\n")
    person.types(
        "git switch -q -C main && git add -A && git commit -qm 'Begin poe2e' && git push -qu origin main",
        at=person.work,
    )


def ticks(person: Migration, number: int) -> None:
    path = person.work / "machine-docs" / "BACKLOG-poe2e.md"
    if number < len(WORK_LIST):  # the claim's own entry is not the Builder's to tick before
        path.write_text(path.read_text().replace(f"- [ ] **B{number} ", f"- [x] **B{number} "))


def scratch_project(person: Migration) -> None:
    root = person.place / "scratch"
    person.types("loops new scratch --template solo --backend demo")
    person.types("git clone -q --bare . ../scratch.git", at=root)
    person.types("git clone -q ../scratch.git work/builder", at=root)
    person.types("loops up", at=root)
    person.repeats("loops status", lambda said: bool(re.search(r"^builder .* RUNNING", said.text, re.M)), at=root)
    person.types("loops down", at=root)
    person.types("rm -rf scratch scratch.git")


def staged_project(person: Migration) -> None:
    person.migrates()
    assert person.types("git status --porcelain", at=person.staged).text == ""
    assert person.types("git rev-list --count HEAD", at=person.staged).text.strip() == "1"


def translated_configuration(person: Migration) -> None:
    person.types("loops validate", at=person.staged)
    assert "phase: 1 [1/19]" in person.types("loops status", at=person.staged).text
    loaded = config.load(str(person.staged / "agents.toml"))
    assert len(loaded.agents) == 8
    assert [phase.id for phase in loaded.loop.phases] == [phase.id for phase in PLAN]


def same_prompts(person: Migration) -> None:
    live, staged = person.live, person.staged
    for name in ("builder.md", "adversary.md"):
        assert (staged / "prompts" / name).read_bytes() == (live.source / "prompts" / name).read_bytes()
    report = (staged / "MIGRATION.md").read_text()
    assert "38 kickoffs" in report
    assert str(live.source) in report


def parity_is_reached(person: Migration) -> None:
    live, staged = person.live, person.staged
    clean = person.types(
        f"loops parity {person.source} {staged} --report {person.place}/parity.html --markdown {person.place}/parity.md"
    )
    assert "MISSING" not in clean.text
    assert (person.place / "parity.html").read_text().startswith("<!")
    captured = person.place / "status.txt"
    captured.write_text(live.status())
    person.types(f"loops parity {captured} {staged}")
    words = " ".join(f"{name}={value}" for name, value in live.settings.items() if " " not in value)
    command = f"env {words} {' '.join(live.status_command)}"
    person.types(f"loops parity --live-command '{command}' {staged}")


def it_is_registered(person: Migration) -> None:
    (person.place / "fleet.toml").write_text("# All that runs on this host.\n[fleet]\nversion = 1\n")
    person.types(f"loops fleet add cc-ci --location {person.staged} --disabled --secrets sops:secrets/cc-ci.yaml")
    person.types("loops fleet validate")
    assert "cc-ci" in person.types("loops fleet list").text
    assert (person.place / "fleet.toml").read_text().startswith("# All that runs on this host.\n")


def the_runbook_is_written(person: Migration) -> None:
    runbook = person.place / "RUNBOOK.md"
    person.types(f"{person.plan_words('plan')} --to {runbook}")
    text = runbook.read_text()
    for word in ("back", str(person.live.program), str(person.staged)):
        assert word.lower() in text.lower()


def the_live_system_is_untouched(person: Migration) -> None:
    assert alarming(person.checks()) == []
    assert "the live system's own" in person.types(f"loops untouched check {person.baseline}").text
    assert not (person.staged / ".loops" / "state" / "homes").exists(), "nothing of it was started"


def the_gate_is_claimed(person: Migration) -> None:
    words = "loops gate claim M1 --phase poe2e --box B9"
    refused = person.types(words, at=person.work, code=4)
    assert "BACKLOG-poe2e.md" in refused.text, "the ticks are not committed"
    person.types("git commit -qam 'Tick what is done' && git push -q", at=person.work)
    lacking = person.types(words, at=person.work, code=4)
    assert all(word in lacking.text for word in ("WHAT", "HOW", "EXPECTED", "WHERE"))
    fields = f"--what 'a staged project at parity' --expected 'no difference' --where {person.staged}"
    person.types(f"{words} {fields} --how 'loops parity {person.live.source} {person.staged}'", at=person.work)
    assert person.types("git log -1 --format=%s origin/main", at=person.work).text.startswith("claim(")
    assert person.types("git status --porcelain", at=person.work).text == ""


# ---- planted touches ---------------------------------------------------------------------------------------------------


def _byte(live: Live) -> None:
    path = live.source / ("agents.toml" if live.form == ENGINE else "launch.py")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"30", b"31", 1))


def _same_bytes_again(live: Live) -> None:
    path = live.source / "prompts" / "builder.md"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def _symlink(live: Live) -> None:
    link = live.source / "plan-now.md"
    link.unlink()
    link.symlink_to("plan.md")


def _kill(name: str) -> Callable[[Live], None]:
    def touch(live: Live) -> None:
        pid = live.pids()[name]
        os.kill(pid, signal.SIGKILL)
        live.wait(lambda: live.pids().get(name) != pid, "its end")

    return touch


def _tmux(*words: str) -> Callable[[Live], None]:
    return lambda live: live.tmux(*words)


def _commit(live: Live) -> None:
    live.git("cc-ci-adv", "commit", "-q", "--allow-empty", "-m", "review(mailu): M1 PASS")


TOUCHES: dict[str, tuple[Callable[[Live], Any], str, str]] = {
    "a byte of the configuration": (_byte, "file", "cc-ci-plan"),
    "the same bytes in a new file": (_same_bytes_again, "file", "prompts/builder.md"),
    "a mode": (lambda live: live.program.chmod(0o700), "file", "cc-ci-plan"),
    "a time": (lambda live: os.utime(live.source / "plan.md"), "file", "plan.md"),
    "a symlink": (_symlink, "file", "plan-now.md"),
    "a file more": (lambda live: (live.source / "left-behind.txt").touch(), "file", "left-behind.txt"),
    "a file less": (lambda live: (live.source / "plan-phase4-final-review.md").unlink(), "file", "plan-phase4"),
    "a setting of somebody": (lambda live: (live.source / ".loop-model").write_text("other\n"), "file", ".loop-model"),
    "a killed pane that nobody heals": (_kill("assistant"), "session", SESSIONS["assistant"]),
    "a new tmux session": (_tmux("new-session", "-d", "-s", "cc-ci-extra", "sleep 600"), "session", "cc-ci-extra"),
    "a renamed session": (_tmux("rename-session", "-t", "=cc-ci-adv", "cc-ci-x"), "session", "cc-ci-x"),
    "a commit in a clone": (_commit, "git", "refs/heads/main"),
    "a change in a work tree": (lambda live: (live.root / "cc-ci" / "README.md").write_text("x"), "git", "README.md"),
}


def test_every_planted_touch_is_found(migration: Migration):
    migration.takes_baseline()

    for touch, _, _ in TOUCHES.values():
        touch(migration.live)

    found = alarming(migration.checks())
    overlooked = [
        name
        for name, (_, thing, place) in TOUCHES.items()
        if not any(each["thing"] == thing and place in each["place"] for each in found)
    ]
    assert overlooked == [], found
