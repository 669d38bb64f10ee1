"""Gate: the cutover of a live deployment is rehearsed on a copy, done for real under supervision, and taken back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pytest
from loops.isolation.able import ability
from scratch import SOURCE_ROOT

from .live_deployment import ENGINE, RESUMED, STARTED, Live

PATIENCE = 420.0
SECRET = "a-login-that-nobody-else-may-read"
ABLE = ability(own_network=True)

needs_namespaces = pytest.mark.skipif(not ABLE, reason=f"no namespaces here: {ABLE.reason}")


@dataclass(frozen=True, slots=True)
class Cutover:
    """A live deployment that runs, and the project that was staged from it."""

    live: Live
    staged: Path
    env: dict[str, str]

    @property
    def sides(self) -> list[str]:
        """LIVE and STAGED, and how the live side is known."""
        how = ["--tmux", self.live.tmux_socket] if self.live.form == ENGINE else ["--unit", str(self.live.unit)]
        return [str(self.live.source), str(self.staged), *how, "--soak", "1"]

    def loops(self, *words: str, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``loops WORDS``."""
        done = subprocess.run(
            [sys.executable, "-m", "loops", *words],
            env={**self.env, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def facts(self, *words: str, code: int | None = 0) -> dict[str, Any]:
        """What it says with --json."""
        facts: dict[str, Any] = json.loads(self.loops(*words, "--json", code=code).stdout)
        return facts

    def run(self, *words: str) -> pexpect.spawn:
        """``loops cutover run`` at a terminal."""
        words = ("-m", "loops", "cutover", "run", *self.sides, "--supervised", *words)
        return pexpect.spawn(
            sys.executable, list(words), env=self.env, encoding="utf-8", timeout=PATIENCE, dimensions=(50, 400)
        )

    def events(self, name: str) -> list[str]:
        """What happened in the conversation that the live side keeps for an agent."""
        return [str(entry["event"]) for entry in self.live.conversation(name)]

    def state(self) -> dict[str, str]:
        """The live side's own state: its index and its ids."""
        return {"index": self.live.phase_index_file.read_text(), **{name: self.live.id_of(name) for name in RESUMED}}


@pytest.fixture
def cutover(running: Live, short_root: Path) -> Iterator[Cutover]:
    """Staged, and not begun."""
    runtime = tempfile.mkdtemp(prefix="lc-", dir="/tmp")
    kept = {name: value for name, value in running.env.items() if name not in running.settings}
    env = {**kept, "PATH": running.env["PATH"], "PYTHONPATH": SOURCE_ROOT, "LOOPS_RUNTIME_DIR": runtime}
    login = running.root / "home" / ".claude" / ".credentials.json"
    login.parent.mkdir(exist_ok=True)
    login.write_text(json.dumps({"token": SECRET}))
    found = Cutover(running, short_root / "staged", env)
    more = short_root / "more.env"  # said to the migration alone: the cutover and its rehearsal read by it as well
    more.write_text(f"STALL_GRACE=300\nSTRIPE={SECRET}\n")
    told = ["--unit", str(running.unit), "--env", str(more)] if running.form != ENGINE else []
    found.loops("migrate", str(running.source), *told, "--to", str(found.staged))
    yield found
    found.loops("down", "--config", str(found.staged), code=None)
    shutil.rmtree(runtime, ignore_errors=True)


def answer(person: pexpect.spawn, *, until: str, word: str = "y") -> str:
    """Say yes to everything until *until* is asked or said; then answer *word*, unless it is the end.  Return what was said."""
    said = ""
    while True:
        found = person.expect([r"Begin\? .*\] ", r"do it\?  [^:]*: ", r"take it back\?  [^:]*: ", pexpect.EOF])
        said += person.before
        if until in person.before or found == 3:
            if found != 3:
                person.sendline(word)
            return said
        person.sendline("y")


def files(root: Path) -> dict[str, str]:
    """Every file that the live side does not write itself, by its content."""
    moving = (".phase-idx", "watchdog-tick", ".limited-", "limited-", ".log", ".kickoff", "__pycache__", "tmux.sock")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(mark in str(path) for mark in moving)
    }


# ---- the rehearsal -----------------------------------------------------------------------------------------------------


@needs_namespaces
def test_a_rehearsal_goes_there_and_back_and_there_again_and_the_live_side_notices_nothing(cutover: Cutover) -> None:
    live = cutover.live
    before, state, pids = files(live.source), cutover.state(), live.pids()
    talks = {name: cutover.events(name) for name in RESUMED}

    also = [word for place in ("bin", "conversations") for word in ("--also", str(live.root / place))]
    facts = cutover.facts("cutover", "rehearse", *cutover.sides, *also, "--keep")

    assert facts["passed"], facts
    assert [each["name"] for each in facts["rounds"]] == ["forward", "back", "forward again"]
    assert all(each["good"] for each in facts["rounds"])
    assert (files(live.source), cutover.state(), live.pids()) == (before, state, pids)
    assert {name: cutover.events(name) for name in RESUMED} == talks
    check_conversations_in_the_copy(cutover, Path(facts["transcript"]).parent / "copy")
    check_secrets_stayed(cutover, facts, Path(facts["transcript"]).parent)
    check_transcript(facts)
    assert {
        each["id"]
        for each in cutover.facts("cutover", "plan", *cutover.sides)["steps"]
        if "rehearsal" in each["measured"]
    }


def check_conversations_in_the_copy(cutover: Cutover, copy: Path) -> None:
    """Each was resumed by the live side, by loops, by the live side, by loops: four times more than in reality."""
    for name in RESUMED:
        path = copy / str(cutover.live.root)[1:] / "conversations" / f"{cutover.live.id_of(name)}.log"
        events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
        assert events.count("resumed") >= cutover.events(name).count("resumed") + 4, (name, events)
        assert events.count("started") == 1, (name, events)


def check_secrets_stayed(cutover: Cutover, facts: dict[str, Any], folder: Path) -> None:
    login = str(cutover.live.root / "home" / ".claude" / ".credentials.json")
    assert any(line.startswith(f"{login}: holds credentials") for line in facts["left_out"])
    told = [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert told == []


def check_transcript(facts: dict[str, Any]) -> None:
    text = Path(facts["transcript"]).read_text()
    for word in (
        "PASSED",
        "[forward / up] $ loops up",
        "[back / up] $ loops down",
        "exit 0 after",
        "**arrived**",
        "**returned**",
    ):
        assert word in text, word


@needs_namespaces
def test_a_rehearsal_of_what_cannot_work_fails_and_says_where(cutover: Cutover) -> None:
    for path in (cutover.live.root / "home" / ".claude" / "projects").rglob("*.jsonl"):
        if path.stem == cutover.live.id_of("builder"):
            path.rename(path.with_suffix(".lost"))

    also = [word for place in ("bin", "conversations") for word in ("--also", str(cutover.live.root / place))]
    facts = cutover.facts("cutover", "rehearse", *cutover.sides, *also, code=1)

    assert not facts["passed"]
    assert "builder" in json.dumps(facts["rounds"]) + facts["why"]
    assert not list(Path(facts["transcript"]).parent.glob("copy"))


def test_without_namespaces_a_rehearsal_is_refused_with_what_helps(cutover: Cutover, tmp_path: Path) -> None:
    for name in ("git", "tmux", "python3"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)

    done = cutover.loops("cutover", "rehearse", *cutover.sides, code=1, PATH=str(tmp_path))

    assert "bubblewrap is not installed" in done.stderr
    assert "loops doctor" in done.stderr


# ---- for real ----------------------------------------------------------------------------------------------------------


def test_a_supervised_cutover_is_killed_goes_on_arrives_and_is_taken_back(cutover: Cutover) -> None:
    live, state = cutover.live, cutover.state()
    talks = {name: cutover.events(name) for name in RESUMED}
    person = cutover.run()

    answer(person, until="Carry the phase", word="show")
    person.expect("way back: ")
    os.kill(person.pid, signal.SIGKILL)
    person.close(force=True)
    stopped = live.pids()
    second = cutover.run()
    second.expect(r"these steps stand: preflight, note, stop-live.*Go on\? .*\] ")
    second.sendline("y")
    said = answer(second, until="(no end but the end)")
    second.close()

    assert stopped == {}
    assert second.exitstatus == 0, said
    assert "DONE: the staged side runs" in said
    assert live.pids() == {}
    rows = {row["name"]: row for row in cutover.facts("status", "--config", str(cutover.staged))["agents"]}
    assert all(rows[name]["state"].startswith("RUNNING") for name in STARTED if name != "assistant"), rows
    for name in RESUMED:
        assert cutover.events(name)[len(talks[name]) :].count("resumed") == 1

    third = cutover.run("--back")
    home = answer(third, until="(no end but the end)")
    third.close()

    assert third.exitstatus == 0, home
    assert "TAKEN BACK" in home
    assert set(live.pids()) >= set(STARTED) - {"assistant"}
    assert cutover.state() == state

    def again(name: str) -> int:
        """How often its conversation was taken up since the beginning."""
        return cutover.events(name)[len(talks[name]) :].count("resumed")

    live.wait(lambda: all(again(name) >= 2 for name in RESUMED), "every conversation taken up at home")
    assert {name: again(name) for name in RESUMED} == dict.fromkeys(RESUMED, 2)
    assert not any(row["pid"] for row in cutover.facts("status", "--config", str(cutover.staged))["agents"])


def test_a_conversation_that_cannot_be_resumed_turns_the_cutover_around(cutover: Cutover) -> None:
    live, state = cutover.live, cutover.state()
    lost = live.root / "home" / ".claude" / "projects"
    person = cutover.run()

    said = answer(person, until="Bring the staged side up", word="n")
    person.close()
    homes = cutover.staged / ".loops" / "state" / "homes" / "builder"
    shutil.rmtree(homes)  # what was carried over is gone when the agent looks for it
    second = cutover.run()
    second.expect(r"Go on\? .*\] ")
    second.sendline("y")
    said += answer(second, until="(no end but the end)")
    second.close()

    assert second.exitstatus == 1, said
    assert "FAILED" in said
    assert "builder: conversation" in said
    assert "TAKEN BACK" in said
    assert lost.exists()
    assert set(live.pids()) >= set(STARTED) - {"assistant"}
    assert cutover.state() == state


def test_nobody_is_passed_over(cutover: Cutover) -> None:
    words = ("cutover", "run", *cutover.sides)

    assert "--supervised" in cutover.loops(*words, code=2).stderr
    assert "no terminal" in cutover.loops(*words, "--supervised", code=2).stderr
    assert "--yes is for rehearsals" in cutover.loops(*words, "--supervised", "--yes", code=2).stderr
    person = cutover.run()
    person.expect(r"Begin\? ")
    other = cutover.run()
    other.expect("there is one at a time")
    person.sendline("n")
    person.expect(pexpect.EOF)
    assert set(cutover.live.pids()) == set(STARTED)
