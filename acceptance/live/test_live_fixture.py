"""The live deployment is what the facts say: what it prints, what it resumes, heals and advances, and that it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from .live_deployment import ENGINE, RESUMED, SESSIONS, STARTED, Live
from .live_plan import AT, OPUS, PLAN, SONNET

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@needs_tmux
def test_status_prints_the_earlier_table_with_effective_models(running: Live):
    adversary = SONNET if running.form == ENGINE else OPUS  # the launchers' ADV_MODEL

    lines = running.status().splitlines()

    assert lines == [
        "phase: mailu [17/19]  plan=plan-phase-mailu-backup.md  (in progress)",
        f"orchestrator   persistent  claude    {OPUS}      heal       RUNNING",
        f"builder        loop        claude    {OPUS}      heal+stall RUNNING",
        f"adversary      loop        claude    {adversary:<20} heal+stall RUNNING",
        f"assistant      persistent  opencode  anthropic/{SONNET} none       RUNNING (disabled)",
        f"upgrader       task        opencode  anthropic/{SONNET} none       stopped (disabled)",
        f"report         task        claude    {SONNET}    none       stopped (disabled)",
        "cleanlogs      service     -         -                    -          RUNNING",
        "opencode-server service     -         -                    -          RUNNING",
        "watchdog       service     -         -                    -          RUNNING",
    ]


@needs_tmux
def test_start_takes_up_the_conversations_of_before(running: Live):
    events = {name: [entry["event"] for entry in running.conversation(name)] for name in RESUMED}

    assert all(found[:2] == ["started", "resumed"] for found in events.values()), events
    assert running.sessions() == {SESSIONS[name] for name in STARTED}


@needs_tmux
def test_a_second_start_leaves_what_runs_alone(running: Live):
    before = running.pids()

    running.start_again()

    assert running.pids() == before


@needs_tmux
def test_its_watchdog_heals_a_dead_agent_into_the_same_conversation(running: Live):
    before = running.pids()["builder"]

    os.kill(before, signal.SIGKILL)

    running.wait(lambda: running.pids().get("builder", before) != before, "a new builder")
    running.wait(lambda: running.conversation("builder")[-1]["pid"] != before, "its first word")
    assert [entry["event"] for entry in running.conversation("builder")].count("started") == 1


@needs_tmux
def test_it_goes_on_to_the_next_phase_with_fresh_loops_when_the_status_says_done(running: Live):
    id_before = running.id_of("builder")
    status = running.root / "cc-ci" / "machine-docs" / PLAN[AT].status

    status.write_text("## DONE\nMail survives.\n")

    running.wait(lambda: running.id_of("builder") not in ("", id_before), "a new conversation of the builder")
    running.wait(lambda: len(running.conversation("builder")) > 1, "the builder's kickoff")
    assert int(running.phase_index_file.read_text()) == AT + 1
    kickoff = str(running.conversation("builder")[-1]["text"])
    assert kickoff.startswith(f"# Phase {PLAN[AT + 1].id}\n")
    assert kickoff.endswith((running.source / "prompts" / "builder.md").read_text().rstrip("\n"))
    assert PLAN[AT + 1].plan in kickoff


@needs_tmux
def test_a_placeholder_below_the_marker_is_not_done(running: Live):
    tick = _tick(running)
    status = running.root / "cc-ci" / "machine-docs" / PLAN[AT].status

    assert "## DONE\nNot yet" in status.read_text()

    first = tick.read_text()
    running.wait(lambda: tick.read_text() != first, "another look of the watchdog")
    assert int(running.phase_index_file.read_text()) == AT


@needs_tmux
def test_it_rewrites_its_own_state_while_nothing_happens(running: Live):
    tick = _tick(running)
    inodes = {path: path.stat().st_ino for path in (tick, running.phase_index_file)}

    running.wait(lambda: all(path.stat().st_ino != was for path, was in inodes.items()), "files written anew")

    assert int(running.phase_index_file.read_text()) == AT


@needs_tmux
def test_stop_leaves_no_process_and_no_session(running: Live):
    assert running.processes()

    running.stop()

    assert running.processes() == {}
    assert running.sessions() == set()


@needs_tmux
def test_a_copy_runs_by_itself_beside_the_original(running: Live):
    before = running.pids()
    copy = running.copy(running.root.parent / "copy")

    copy.start()

    try:
        assert copy.tmux_socket != running.tmux_socket
        assert set(copy.pids()) == set(STARTED)
        assert copy.conversation("builder")[-2]["dir"] == str(copy.root / "cc-ci")
        assert not any(str(running.root) + "/" in line for line in copy.processes().values())
        assert running.pids() == before
    finally:
        copy.stop()


@needs_tmux
def test_a_conversation_that_is_not_there_cannot_be_resumed(live: Live):
    claude = str(live.root / "bin" / "claude")

    done = subprocess.run([claude, "--resume", "none"], env=live.env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "No conversation found with session ID: none" in done.stderr


def test_the_sequence_is_nineteen_phases_with_overrides_in_seven():
    assert len(PLAN) == len({phase.id for phase in PLAN}) == 19
    assert sum(bool(phase.models) for phase in PLAN) == 7
    assert [phase.status for phase in PLAN[:2]] == ["STATUS.md", "STATUS-1b.md"]


def test_both_forms_describe_eight_agents_and_services_and_two_backends(live: Live):
    if live.form == ENGINE:
        assert live.config is not None
        data = tomllib.loads(live.config.read_text())
        assert len(data["agent"]) + len(data["service"]) == 8
        assert set(data["backend"]) == {"claude", "opencode"}
        assert [phase["id"] for phase in data["loop"]["phases"]] == [phase.id for phase in PLAN]
    else:
        rows = live.status().splitlines()[1:]
        assert len([row for row in rows if not row.startswith("watchdog")]) == 8
        spec = (live.source / ".phases-spec").read_text().strip().strip(";")
        assert [part.split("|")[0] for part in spec.split(";")] == [phase.id for phase in PLAN]
        assert (live.source / ".loop-model-mailu").read_text().strip() == OPUS


@pytest.mark.parametrize("live", ["launchers"], indirect=True)  # the earlier engine keeps its index
def test_a_start_without_resume_phase_would_begin_the_plan_again(live: Live):
    assert live.settings["RESUME_PHASE"] == "1"
    assert 'os.environ.get("RESUME_PHASE", "0")' in (live.source / "launch.py").read_text()


def _tick(live: Live) -> Path:
    path = live.log_dir / ("state/watchdog-tick" if live.form == ENGINE else "watchdog-tick")
    live.wait(path.exists, "a first look of the watchdog")
    return path
