"""Gate: a live deployment that runs and heals its own agents is untouched, and whatever is done to it is found and named."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import loops
import pytest

from .live_deployment import ENGINE, PATIENCE, SESSIONS, Live
from .test_live_fixture import _tick, needs_tmux

pytestmark = pytest.mark.heavy
SOURCES = str(Path(loops.__file__).resolve().parents[1])
CLONES = ("cc-ci", "cc-ci-adv", "cc-ci.git")


def loops_untouched(*words: object, code: int) -> str:
    """Run ``loops untouched WORDS``; it must end with *code*."""
    command = [sys.executable, "-m", "loops", "untouched", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": SOURCES}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == code, f"{command}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done.stdout


def baseline(live: Live, name: str, *more: str) -> Path:
    path = live.root.parent / f"{name}.json"
    clones = [word for clone in CLONES for word in ("--repo", live.root / clone)]
    words = [live.root, "--tmux", live.tmux_socket, "--process", re.escape(str(live.root)), *clones, *more]
    loops_untouched("baseline", *words, "--to", path, code=0)
    return path


def check(path: Path, *, code: int) -> list[dict[str, Any]]:
    facts = json.loads(loops_untouched("check", path, "--json", code=code))
    assert facts["ok"] is (code == 0)
    touches: list[dict[str, Any]] = facts["touches"]
    return touches


# ---- its own doing -------------------------------------------------------------------------------------------------------


@needs_tmux
def test_a_live_system_that_runs_and_heals_is_untouched(running: Live):
    path = baseline(running, "before")
    before, ticks = running.pids()["builder"], _tick(running)

    os.kill(before, signal.SIGKILL)
    running.wait(lambda: running.pids().get("builder", before) != before, "the builder again")
    running.wait(lambda: running.conversation("builder")[-1]["pid"] == running.pids()["builder"], "its conversation")
    first = ticks.stat().st_mtime_ns
    running.wait(lambda: ticks.stat().st_mtime_ns != first, "another look of the watchdog")

    touches = check(path, code=0)
    found = {(each["thing"], each["change"], each["rule"]) for each in touches}
    assert ("session", "restarted", "healed-session") in found
    assert ("process", "restarted", "healed-process") in found
    assert ("file", "appended", "log") in found
    assert {each["cause"] for each in touches} == {"live"}


@needs_tmux
def test_looking_at_a_live_system_disturbs_nothing(running: Live):
    first = baseline(running, "first")

    for name in ("second", "third"):
        baseline(running, name, "--ports", "--tmux-all")

    touches = check(first, code=0)
    assert {each["cause"] for each in touches} <= {"live"}
    assert not [each for each in touches if each["thing"] in ("session", "tmux", "git")]


# ---- somebody else's -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plant:
    """A touch, and what the check must name it: thing, change, the end of its place, cause."""

    name: str
    touch: Callable[[Live], object]
    found: tuple[str, str, str, str]


def another_setting(live: Live) -> None:
    if live.form == ENGINE:
        path = live.source / "agents.toml"
        path.write_text(path.read_text().replace("claude-sonnet", "claude-opus", 1))
    else:
        (live.source / ".loop-model").write_text("other\n")


def restored(path: Path) -> None:
    """One byte of it, with its times and size of before."""
    about, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-2] + b"x" + content[-1:])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def retargeted(live: Live) -> None:
    link = live.root / "bin" / "link"
    link.unlink()
    link.symlink_to("opencode")


def git(live: Live, *words: str) -> None:
    who = [word for name in ("name", "email") for word in ("-c", f"user.{name}=operator")]
    subprocess.run(["git", "-C", live.root / "cc-ci", *who, *words], check=True, capture_output=True, env=live.env)


def session(live: Live, name: str, **env: str) -> None:
    words = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
    live.tmux("new-session", "-d", "-s", name, *words, "exec sleep 600")


def window(live: Live) -> None:
    live.tmux("new-window", "-d", "-t", f"={ADVERSARY}:", "exec sleep 600")


def opened(live: Live) -> None:
    live.phase_index_file.parent.chmod(0o777)


def killed_watchdog(live: Live) -> None:
    os.kill(live.pids()["watchdog"], signal.SIGKILL)
    live.wait(lambda: "watchdog" not in live.pids(), "the watchdog to be gone")


PROMPT, LOG = "prompts/builder.md", "cleanlogs.log"
MAIN, ADVERSARY, WATCHDOG = "cc-ci: refs/heads/main", SESSIONS["adversary"], SESSIONS["watchdog"]
PLANTS = (
    Plant("a byte of a prompt", lambda v: restored(v.source / PROMPT), ("file", "content", PROMPT, "unknown")),
    Plant("a setting", another_setting, ("file", "content", "", "unknown")),
    Plant("state that all may write", opened, ("file", "mode", "", "unknown")),
    Plant("a log was emptied", lambda v: os.truncate(v.log_dir / LOG, 0), ("file", "content", LOG, "unknown")),
    Plant("a file more", lambda v: (v.source / "x.md").write_text("x"), ("file", "added", "x.md", "unknown")),
    Plant("our own state in it", lambda v: (v.source / ".loops").mkdir(), ("file", "added", ".loops", "ours")),
    Plant("a file less", lambda v: (v.source / "REBOOTS.md").unlink(), ("file", "removed", "REBOOTS.md", "unknown")),
    Plant("a link led elsewhere", retargeted, ("file", "target", "bin/link", "unknown")),
    Plant(
        "an amended commit", lambda v: git(v, "commit", "-q", "--amend", "-m", "x"), ("git", "moved", MAIN, "unknown")
    ),
    Plant("a staged file", lambda v: git(v, "add", "-A"), ("git", "index", "cc-ci: index", "unknown")),
    Plant("a stash", lambda v: git(v, "stash", "-u"), ("git", "stash", "cc-ci: stash", "unknown")),
    Plant("a new branch", lambda v: git(v, "branch", "x"), ("git", "added", "cc-ci: refs/heads/x", "unknown")),
    Plant("a session more", lambda v: session(v, "x"), ("session", "added", ": x", "unknown")),
    Plant("a session of ours", lambda v: session(v, "y", LOOPS_SESSION="p/y/1"), ("session", "added", ": y", "ours")),
    Plant("a window more", window, ("session", "windows", ADVERSARY, "unknown")),
    Plant("the watchdog was killed", killed_watchdog, ("session", "removed", WATCHDOG, "unknown")),
)


@needs_tmux
def test_every_planted_touch_is_found_and_named(running: Live):
    (running.root / "bin" / "link").symlink_to("claude")
    (running.log_dir / "cleanlogs.log").write_text("a line\n")
    missed = []

    for number, plant in enumerate(PLANTS):
        path = baseline(running, f"plant-{number}")
        plant.touch(running)
        touches = check(path, code=1)
        alarming = [each for each in touches if each["alarming"]]
        thing, change, place, cause = plant.found
        if not any(
            (each["thing"], each["change"], each["cause"]) == (thing, change, cause) and each["place"].endswith(place)
            for each in alarming
        ):
            missed.append((plant.name, alarming))

    assert not missed


@needs_tmux
def test_a_killed_agent_that_nobody_heals_is_found(running: Live):
    os.kill(running.pids()["watchdog"], signal.SIGKILL)
    running.wait(lambda: "watchdog" not in running.pids(), "the watchdog to be gone")
    path = baseline(running, "unwatched")

    pid = running.pids()["builder"]
    os.kill(pid, signal.SIGKILL)
    running.wait(lambda: "builder" not in running.pids(), "the builder to be gone")

    found = {(each["thing"], each["change"], each["cause"]) for each in check(path, code=1)}
    assert {("session", "removed", "unknown"), ("process", "removed", "unknown")} <= found


@contextmanager
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp 127.0.0.1:{server.getsockname()[1]}"


@needs_tmux
def test_a_port_that_was_opened_is_found_with_who_did_it(running: Live):
    path = baseline(running, "ports", "--ports")

    with listening() as address:
        touches = check(path, code=1)

    (touch,) = [each for each in touches if each["place"] == address]
    assert (touch["change"], touch["cause"]) == ("added", "unknown")
    assert f"pid {os.getpid()}" in touch["after"]


@needs_tmux
def test_a_system_that_is_stopped_and_started_again_is_not_called_untouched(running: Live):
    path = baseline(running, "restarted")

    running.stop()
    running.start()

    found = {(each["thing"], each["change"], each["cause"]) for each in check(path, code=1)}
    assert ("tmux", "restarted", "unknown") in found
    assert ("session", "restarted", "unknown") in found


@needs_tmux
def test_what_is_printed_ends_with_the_verdict_and_is_evidence(running: Live):
    path = baseline(running, "printed")
    (running.source / "prompts" / "builder.md").write_text("other\x1b[2J\n")
    (running.source / "a\x1b[2Jb").write_text("x")

    said = loops_untouched("check", path, code=1)
    report = loops_untouched("check", path, "--report", code=1)

    assert said.splitlines()[0].startswith("UNKNOWN: nobody explains these (2)")
    assert said.splitlines()[-1].startswith("TOUCHED since ")
    assert "2 that nobody explains" in said.splitlines()[-1]
    assert "prompts/builder.md" in report
    assert "\x1b" not in said + report
