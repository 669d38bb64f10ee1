"""An agent that speaks the Agent Client Protocol, through the engine: `opencode acp`."""

from __future__ import annotations

import json
import os
import signal

import pytest
from loops.supervisor import events as ev
from one_agent import NewReal, conversations, turns, wrote
from pinned import pin
from real_project import OPENCODE, RealProject, Times

SLOW = 180.0
"""Seconds for a turn: on a busy machine opencode alone takes half a minute to start."""
ASKS = {"OPENCODE_PERMISSION": '{"*": "ask"}'}
TABLES = """
[backend.acp]
command = {command}
env = {env}

[[agent]]
name = "one"
kind = "persistent"
backend = "acp"
resume = true
dir = "work/one"
prompt_file = "one.md"
isolate = false
permissions = "{permissions}"
model = "{model}"
"""


def begin(
    new_real: NewReal, scenario: str = "ok", permissions: str = "skip", model: str = "", times: Times | None = None
) -> RealProject:
    """A project with one agent, called one, that was started."""
    project = new_real("opencode")
    home = dict.fromkeys(
        ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), f"{project.root}/acp"
    )
    provider = project._opencode(project.provider.url("acp", scenario))
    env = {**OPENCODE, **home, **ASKS, "OPENCODE_CONFIG_CONTENT": provider}
    told = ", ".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
    tables = TABLES.format(
        command=json.dumps([str(pin("opencode").path), "acp"]),
        env=f"{{ {told} }}",
        permissions=permissions,
        model=model,
    )
    project.clone("one").mkdir(parents=True)
    project.git(project.clone("one"), "init", "--quiet", "--initial-branch=main")
    (project.root / "one.md").write_text("Write the greeting file.\n")
    project.write([], more=tables, times=times)
    project.provider.control("acp", scenario)
    project.loops("up")
    return project


def test_a_turn_is_driven_to_its_end_with_the_model_that_was_ordered(new_real: NewReal) -> None:
    project = begin(new_real, model="mock/mock-large")
    turns(project, 1, SLOW)
    assert wrote(project)
    assert {request["model"] for request in project.provider.requests("acp") if request["tools"]} == {"mock-large"}
    assert project.wait_event(ev.UsageUpdated, "tokens").input_tokens >= 1200
    unmapped = [event["data"] for event in project.normalized("one") if event["type"] == "backend.unmapped"]
    assert unmapped == []


@pytest.mark.parametrize(("word", "outcome"), [("approve", "granted"), ("deny", "denied")])
def test_an_approval_is_answered_by_the_operator(new_real: NewReal, word: str, outcome: str) -> None:
    project = begin(new_real, permissions="ask")
    assert "hello.txt" in project.wait_event(ev.QuestionAsked, "the question").text
    project.loops(word, "one")
    assert project.wait_event(ev.QuestionEnded, "its end").outcome == outcome
    turns(project, 1, SLOW)
    assert wrote(project) is (outcome == "granted")


def test_an_agent_that_may_only_read_is_refused_all_else_at_once(new_real: NewReal) -> None:
    project = begin(new_real, permissions="read")
    project.wait_normalized("one", "approval.denied")
    turns(project, 1, SLOW)
    assert not wrote(project)


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_a_killed_agent_goes_on_in_its_conversation_without_telling_its_history_again(
    new_real: NewReal, victim: str
) -> None:
    project = begin(new_real)
    turns(project, 1, SLOW)
    ((_, conversation),) = conversations(project)
    os.kill(project.program("one") if victim == "program" else project.runner("one"), signal.SIGKILL)
    project.wait_for(lambda: len(conversations(project)) == 2, "the second run's conversation")
    assert conversations(project)[1] == ("resumed", conversation)
    project.loops("nudge", "one", "go on")
    turns(project, 2, SLOW)
    answers = [event for event in project.normalized("one") if event["type"] == "message.assistant"]
    assert len(answers) == 2


def test_an_unknown_model_blocks_with_its_name_and_another_one_frees_it(new_real: NewReal) -> None:
    project = begin(new_real, model="mock/nonesuch")
    assert project.wait_event(ev.HoldBegan, "a hold").kind == "model_not_found"


def test_a_provider_that_fails_is_waited_for(new_real: NewReal) -> None:
    project = begin(new_real, scenario="e401")
    assert project.wait_event(ev.HoldBegan, "a hold").kind == "auth"
    project.provider.control("acp", "ok")
    project.loops("nudge", "one", "go on")
    project.wait_for(lambda: wrote(project), "the work done")
