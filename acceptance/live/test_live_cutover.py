"""Gate: the live deployment itself is switched over at a terminal and switched back; every conversation goes on, both ways."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from .live_deployment import IDS, LAUNCHERS, RESUMED, SESSIONS
from .migration import Migration, alarming

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
ASKED = r"do it\?|take it back\?|Begin\?|Go on"


@pytest.fixture
def switching(migration: Migration, tmp_path: Path) -> Iterator[Migration]:
    """Somebody who has migrated; what was staged is down again afterwards, whatever happened."""
    migration.migrates()
    yield migration
    migration.shell(f"loops down --config {migration.staged}")
    shutil.copy(migration.transcript, tmp_path / "transcript.txt")


def at_the_terminal(person: Migration, words: str, answers: dict[str, str]) -> tuple[int, str]:
    """Run the cutover; each question is answered with y, but one that comes after a text of *answers*."""
    command = f"{person.plan_words('run')} --supervised --soak 2 {words}"
    child = pexpect.spawn(
        "sh", ["-c", command], cwd=str(person.place), env=person.environment, encoding="utf-8", timeout=person.patience,
        dimensions=(50, 160),
    )  # fmt: skip
    said = ""
    while child.expect([ASKED, pexpect.EOF]) == 0:
        said += child.before + child.after
        answer = next((word for text, word in answers.items() if text in child.before), "y")
        child.sendline(answer)
    said += child.before
    child.close()
    person.notes(f"{command}\n{said}[exit {child.exitstatus}]")
    return child.exitstatus, said


@pytest.mark.heavy
def test_conversations_go_on_through_a_cutover_and_back(switching: Migration):
    live = switching.live
    if live.form == LAUNCHERS:  # a person has started it, and nothing but a person ends it
        live.run("stop", program="launch-assistant.py")
    before = {name: len(live.conversation(name)) for name in RESUMED}

    code, said = at_the_terminal(switching, "", {})

    assert code == 0, said
    assert live.pids() == {}, "two supervisors never run at once"
    status = switching.types(f"loops status --config {switching.staged}").text
    assert "mailu [17/19]" in status
    assert all(f"\n{name} " in status and "RUNNING" in status for name in RESUMED)
    for name in RESUMED:
        events = [entry["event"] for entry in live.conversation(name)][before[name] :]
        assert events[:2] == ["resumed", "told"], events
        assert "started" not in events
        assert live.id_of(name) == IDS[name]
    told = {name: len(live.conversation(name)) for name in RESUMED}

    code, said = at_the_terminal(switching, "--back", {})

    assert code == 0, said
    live.wait(lambda: set(live.pids()) >= set(SESSIONS) - {"assistant", "upgrader", "report"}, "the live side again")
    live.wait(lambda: all(len(live.conversation(n)) > told[n] for n in RESUMED), "its agents' first words")
    for name in RESUMED:
        assert live.id_of(name) == IDS[name]
        assert [entry["event"] for entry in live.conversation(name)].count("started") == 1
        assert live.memory(name).read_text() == (live.root / "conversations" / f"{IDS[name]}.log").read_text()
    assert "watchdog         service     -         -                            -           stopped" in (
        switching.types(f"loops status --config {switching.staged}").text
    )
    assert "mailu [17/19]" in live.status()


@pytest.mark.heavy
@pytest.mark.parametrize("live", ["engine"], indirect=True)  # what is proved is the conductor's, whatever it stops
def test_a_cutover_that_is_declined_leaves_the_live_side_as_it_was(switching: Migration):
    live = switching.live
    switching.takes_baseline()
    pids = live.pids()

    code, said = at_the_terminal(switching, "", {"STEP 2": "back"})

    assert code == 1, said
    assert live.pids() == pids
    assert alarming(switching.checks()) == []


@pytest.mark.heavy
@pytest.mark.parametrize("live", ["engine"], indirect=True)  # what is proved is the conductor's, whatever it stops
def test_a_lost_conversation_is_told_and_the_cutover_is_taken_back(switching: Migration):
    live = switching.live
    live.memory("builder").unlink()

    code, said = at_the_terminal(switching, "", {})

    assert code == 1, said
    assert "builder" in said
    live.wait(lambda: "orchestrator" in live.pids(), "the live side again")
    assert "watchdog" in live.pids()
