"""Gate: each real agent in its own terminal interface: no dialog, verified pastes, limits, approvals, a crash."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from loops.supervisor import events as ev
from one_agent import NewReal
from real_project import BACKENDS, Real, RealProject

SLOW = 120.0
"""Seconds: a first paint takes ten on a fresh home and an idle machine."""

pytestmark = pytest.mark.heavy


def begin(new_real: NewReal, backend: str, scenario: str = "ok", **more: object) -> RealProject:
    """A project with one agent in its terminal interface, up."""
    project = new_real(backend).write([Real("a", backend, scenario, mode="tui", **more)])  # type: ignore[arg-type]
    project.loops("up")
    return project


def turns(project: RealProject) -> int:
    return len([event for event in project.normalized("a") if event["type"] == "turn.completed"])


def greeting(project: RealProject) -> Path:
    return project.clone("a") / "hello.txt"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_first_start_shows_no_dialog_and_a_nudge_is_pasted_once(new_real: NewReal, backend: str):
    project = begin(new_real, backend)
    project.wait_normalized("a", "turn.completed", SLOW)
    assert greeting(project).read_text() == "hello-from-mock\n"
    assert not project.events(ev.QuestionAsked), project.story()

    project.loops("nudge", "a", "go on,\nin two lines")
    sent = project.wait_event(ev.NudgeDelivered, "the nudge was taken up", seconds=SLOW)

    project.wait_for(lambda: turns(project) == 2, "the turn of the nudge", SLOW)
    nudges = [message for message in project.received("a") if message.kind == "nudge"]
    assert [message.id for message in nudges] == [sent.id]
    assert "in two lines" in nudges[0].text
    unmapped = [event["data"] for event in project.normalized("a") if event["type"] == "backend.unmapped"]
    assert not unmapped, unmapped[:3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_also_in_its_sandbox_it_reports(new_real: NewReal, backend: str):
    project = begin(new_real, backend, options={"isolate": True})
    project.wait_normalized("a", "turn.completed", SLOW)
    assert greeting(project).read_text() == "hello-from-mock\n"
    assert not project.events(ev.QuestionAsked), project.story()
    assert project.events(ev.AgentConfined), project.story()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_agent_goes_on_with_its_conversation(new_real: NewReal, backend: str):
    project = begin(new_real, backend)
    project.wait_normalized("a", "turn.completed", SLOW)
    before = (
        project.wait_event(ev.ConversationKnown, "its id", lambda e: e.agent == "a") if backend != "claude" else None
    )

    os.kill(project.program("a"), signal.SIGKILL)

    resumed = project.wait_normalized("a", "session.resumed", SLOW)
    if before is not None:
        assert resumed["data"]["conversation"] == before.conversation
    project.wait_for(lambda: turns(project) == 2, "the turn after the crash", SLOW)
    assert not project.events(ev.ConversationDropped), project.story()
    assert not project.events(ev.QuestionAsked), project.story()


@pytest.mark.parametrize("backend", ["claude", "codex"])
def test_a_limit_holds_it_until_the_reset(new_real: NewReal, backend: str):
    project = begin(new_real, backend, "limit", login="token")

    hold = project.wait_event(ev.HoldBegan, "the limit", seconds=SLOW)

    assert hold.kind == "limit", project.story()
    assert hold.until - hold.at > 1800, "until the hour that the provider named"
    assert not project.events(ev.NudgeSending), project.story()


@pytest.mark.parametrize("backend", ["opencode", "pi"])
def test_a_quota_that_is_used_up_blocks_it(new_real: NewReal, backend: str):
    project = begin(new_real, backend, "limit")
    hold = project.wait_event(ev.HoldBegan, "the quota", lambda e: e.kind != "provider", seconds=SLOW)
    assert hold.kind == "billing", project.story()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("answer", ["approve", "deny"])
def test_an_approval_is_answered_from_outside(new_real: NewReal, backend: str, answer: str):
    permissions = "edits" if backend == "codex" else "ask"
    project = begin(new_real, backend, "escalate" if backend == "codex" else "ok", permissions=permissions)
    asked = project.wait_event(ev.QuestionAsked, "the question", lambda e: bool(e.id), seconds=SLOW)

    project.loops(answer, asked.id, *(["--reason", "not today"] if answer == "deny" else []))

    outcome = "approval.granted" if answer == "approve" else "approval.denied"
    ended = project.wait_normalized("a", outcome, SLOW, approval_id=asked.id)
    assert ended["data"]["by"] == "human"
    project.wait_for(
        lambda: any(event["type"] in ("turn.completed", "turn.failed") for event in project.normalized("a")),
        "the end of the turn",
        SLOW,
    )
    assert greeting(project).exists() == (answer == "approve")


def test_an_unknown_dialog_is_reported_and_no_key_is_pressed(new_real: NewReal):
    """Claude without its seeds: a file in the way keeps the trust from being written, as a newer version might."""
    project = new_real("claude").write([Real("a", "claude", mode="tui")])
    text = project.config_path.read_text()
    other = project.root / "elsewhere"
    other.write_text("#!/bin/sh\nCLAUDE_CONFIG_DIR=$HOME_OF_NOBODY exec " + pin_of(text) + ' "$@"\n')
    other.chmod(0o755)
    nobody = project.root / "nobody"
    nobody.mkdir()
    (nobody / ".claude.json").write_text(json.dumps({"hasCompletedOnboarding": True, "theme": "dark"}))
    project.config_path.write_text(
        text.replace(pin_of(text), str(other)).replace("env = { ", f'env = {{ "HOME_OF_NOBODY" = "{nobody}", ')
    )
    project.loops("up")

    asked = project.wait_event(ev.QuestionAsked, "the dialog", seconds=SLOW)
    project.loops("nudge", "a", "go on")

    assert asked.id == ""
    assert "trust" in asked.text.lower() or "API key" in asked.text
    shown = project.wait_for(lambda: project.agent("a"), "its row in the status")
    assert shown["state"] == "RUNNING" or "answer" in str(shown)
    assert not project.events(ev.NudgeSending), project.story()
    written = json.loads((nobody / ".claude.json").read_text())
    trusted = written.get("projects", {}).get(str(project.clone("a")), {}).get("hasTrustDialogAccepted", False)
    assert not trusted, "nobody has said so"


def pin_of(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("bin = ")).split('"')[1]


def test_a_limit_after_which_claude_goes_on_by_itself_brings_no_nudge(new_real: NewReal):
    project = new_real("claude").write([Real("a", "claude", "limit", mode="tui", login="token")])
    project.provider.control("claude", "limit", reset_in=30.0)
    project.loops("up")
    held = project.wait_event(ev.HoldBegan, "the limit", seconds=SLOW)

    project.wait_event(
        ev.TurnCompleted, "claude goes on, 95 s after the reset", lambda e: e.at > held.at and not e.failed, 240.0
    )

    project.wait_event(ev.HoldEnded, "the limit is over")
    assert not project.events(ev.NudgeSending), project.story()
    assert greeting(project).read_text() == "hello-from-mock\n"
