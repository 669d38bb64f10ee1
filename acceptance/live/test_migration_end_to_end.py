"""Gate: the work list of a migration, from the first look to the claim, beside a live deployment that never notices.

Scratch project, staged project, its prompts, parity, the fleet, the runbook, the live system untouched, the claim.  Everything
is typed as a person would; the transcript is kept beside the test's other files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from operator_shell import Operator

from .live_deployment import ENGINE, LAUNCHERS, SESSIONS, Live

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
CLONES = ("cc-ci", "cc-ci-adv", "cc-ci-plan", "cc-ci.git")


class Migration(Operator):
    """Somebody who migrates a live deployment: the user that it runs as."""

    def __init__(self, root: Path, live: Live) -> None:
        super().__init__(root)
        self.live = live
        self.home = live.root / "home"
        self.environment |= {"HOME": str(self.home), "PATH": f"{live.root}/bin:{self.environment['PATH']}"}
        self.baseline = root / "before.json"
        self.staged = self.place / "cc-ci"

    @property
    def source(self) -> str:
        """The live deployment as commands are told of it: launchers by their unit."""
        unit = f" --unit {self.live.unit}" if self.live.form == LAUNCHERS else ""
        return f"{self.live.source}{unit}"

    def takes_baseline(self) -> None:
        repositories = " ".join(f"--repo {self.live.root / name}" for name in CLONES)
        self.types(
            f"loops untouched baseline {self.live.root} --tmux {self.live.tmux_socket} {repositories} "
            f"--process {self.live.root} --to {self.baseline}"
        )

    def checks(self) -> dict[str, Any]:
        """What `loops untouched check` says now."""
        said = self._run(f"loops untouched check {self.baseline} --json", self.place)
        self._keep("loops untouched check --json", said)
        facts: dict[str, Any] = json.loads(said.text)
        assert said.code == (1 if alarming(facts) else 0), said.text
        return facts

    def plan_words(self, verb: str) -> str:
        """A verb of the cutover, with all that it must know of the live side."""
        where = f"--unit {self.live.unit} --tmux {self.live.tmux_socket}"
        return f"loops cutover {verb} {self.live.source} {self.staged} {where}"

    def migrates(self) -> None:
        self.types(f"loops migrate {self.source} --to {self.staged}")


def alarming(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The differences that nobody explains, or that are ours on the live system."""
    return [touch for touch in facts["touches"] if touch["alarming"]]


@pytest.fixture
def migration(running: Live, short_root: Path) -> Iterator[Migration]:
    """A live deployment of each form that runs, and somebody beside it."""
    (short_root / "o").mkdir()
    person = Migration(short_root / "o", running)
    yield person
    left = person.processes()
    person.leaves()
    assert not left, f"left behind: {left}"


@pytest.mark.heavy
def test_the_whole_work_list(migration: Migration, tmp_path: Path):
    live, staged = migration.live, migration.staged
    pids = live.pids()
    try:
        migration.notes("before anything: how the live system looks")
        migration.takes_baseline()

        migration.notes("B1: a scratch project's full life")
        scratch_project(migration)

        migration.notes("B2, B3, B4: the staged project, its agents.toml, its prompts")
        migration.migrates()
        the_staged_project_is_a_repository_with_the_same_prompts(migration)

        migration.notes("B5: parity")
        parity_is_reached(migration)

        migration.notes("B6: register it")
        it_is_registered(migration)

        migration.notes("B7: the runbook")
        the_runbook_is_written(migration)

        migration.notes("B8: the live system is untouched")
        facts = migration.checks()
        assert alarming(facts) == []
        assert "the live system's own" in migration.types(f"loops untouched check {migration.baseline}").text
        assert live.pids() == pids
        assert not (staged / ".loops" / "state" / "homes").exists(), "nothing of it was started"
    finally:
        shutil.copy(migration.transcript, tmp_path / "transcript.txt")


def scratch_project(person: Migration) -> None:
    root = person.place / "scratch"
    person.types("loops new scratch --template solo --backend demo")
    person.types("git clone -q --bare . ../scratch.git", at=root)
    person.types("git clone -q ../scratch.git work/builder", at=root)
    person.types("loops up", at=root)
    person.repeats("loops status", lambda said: bool(re.search(r"^builder .* RUNNING", said.text, re.M)), at=root)
    person.types("loops down", at=root)
    person.types("rm -rf scratch scratch.git")


def the_staged_project_is_a_repository_with_the_same_prompts(person: Migration) -> None:
    live, staged = person.live, person.staged
    assert person.types("git status --porcelain", at=staged).text == ""
    assert person.types("git rev-list --count HEAD", at=staged).text.strip() == "1"
    for name in ("builder.md", "adversary.md"):
        assert (staged / "prompts" / name).read_bytes() == (live.source / "prompts" / name).read_bytes()
    report = (staged / "MIGRATION.md").read_text()
    assert "38 kickoffs" in report
    assert str(live.source) in report
    assert "phase: 1 [1/19]" in person.types("loops status", at=staged).text


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


def test_what_the_live_system_heals_is_its_own_doing(migration: Migration):
    migration.takes_baseline()

    _kill("builder")(migration.live)
    migration.live.wait(lambda: "builder" in migration.live.pids(), "the builder again")

    facts = migration.checks()
    assert alarming(facts) == []
    assert any(SESSIONS["builder"] in touch["place"] for touch in facts["touches"])
