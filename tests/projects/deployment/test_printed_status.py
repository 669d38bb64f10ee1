"""What a captured status tells, in the earlier engine's form and in ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import config
from loops.config.problems import ConfigProblems
from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment, Form
from loops.projects.deployment.printed import parse
from loops.supervisor import table
from loops.supervisor.state import State

EARLIER = """\
phase: poe2e [19/19]  plan=plan-phase-poe2e-end-to-end.md  (in progress)
orchestrator   persistent  claude    claude-opus-4-8      heal       RUNNING
adversary      loop        claude    claude-sonnet-4-6    heal+stall RUNNING
assistant      persistent  claude    claude-sonnet-4-6    none       stopped (disabled)
cleanlogs      service     -         -                    -          RUNNING
watchdog       service     -         -                    -          RUNNING
"""
HEADER = "name           kind        backend   model                watch      state\n"
FIXTURES = Path(__file__).parents[2] / "config" / "fixtures"


def test_the_earlier_form_tells_its_agents_and_the_phase():
    shown = parse(EARLIER, "status.txt")

    told = facts(shown)
    assert shown.form is Form.STATUS
    assert [member.name for member in shown.members] == ["orchestrator", "adversary", "assistant", "cleanlogs"]
    assert told[Place("agent", "orchestrator", "model")] == "claude-opus-4-8"
    assert told[Place("phase", "poe2e", "model of adversary")] == "claude-sonnet-4-6"
    assert told[Place("phase", "poe2e", "plan")] == "plan-phase-poe2e-end-to-end.md"
    assert told[Place("agent", "assistant", "enabled")] == "no"
    assert told[Place("agent", "assistant", "state")] == "stopped (disabled)"
    assert (shown.at, shown.complete) == (18, False)


def test_the_model_of_a_loop_agent_is_that_of_the_phase_and_not_its_own():
    told = facts(parse(EARLIER, "status.txt"))

    assert Place("agent", "adversary", "model") not in told


def test_the_supervisors_own_row_is_no_agent():
    assert "watchdog" not in [member.name for member in parse(EARLIER, "x").members]


def test_a_header_and_colours_change_nothing():
    coloured = "\x1b[1m" + HEADER + "\x1b[0m" + EARLIER.replace("RUNNING", "\x1b[32mRUNNING\x1b[0m")

    assert facts(parse(coloured, "x")) == facts(parse(EARLIER, "x"))


def test_an_empty_model_is_read_as_one():
    shown = parse("boss  persistent  claude    heal  RUNNING\nb loop claude none stopped (disabled)\n", "x")

    assert [(member.model, member.watch, member.state) for member in shown.members] == [
        ("", "heal", "RUNNING"),
        (None, "none", "stopped (disabled)"),
    ]


def test_a_line_that_is_no_row_is_listed():
    shown = parse(EARLIER + "Segmentation fault\n", "status.txt")

    assert [note.place for note in shown.untranslated] == ["status.txt:7"]


def ours() -> tuple[State, Deployment]:
    state = State(config=config.load(str(FIXTURES / "cc-ci.toml")))
    return state, parse(table.text(state, 0.0, colour=True), "x")


def test_our_own_table_and_json_say_the_same():
    state, shown = ours()

    document = parse(json.dumps({"ok": True, **table.as_json(state, 0.0)}), "x")

    assert shown.members == document.members
    assert len(shown.members) == 7
    assert shown.now is not None
    assert shown.now.id == "1"
    assert shown.at is None


@pytest.mark.parametrize(
    "text", ["", "no status\n", "{}", '{"agents": [1]}', '{"agents": [{"name": "x"}]}', EARLIER * 2]
)
def test_what_is_no_status_is_refused(text: str):
    with pytest.raises(ConfigProblems):
        parse(text, "x")


@given(st.text() | st.lists(st.sampled_from([*EARLIER.splitlines(), HEADER, "phase: [", "\x1b["])).map("\n".join))
def test_any_text_is_a_status_or_is_refused(text: str):
    try:
        shown = parse(text, "x")
    except ConfigProblems:
        return
    assert shown.members or "watchdog" in text


def test_the_head_tells_how_many_phases_there_are():
    text = "phase: poe2e [19/20]  plan=p.md  (in progress)\nboss  persistent  claude  large  heal  RUNNING\n"

    assert parse(text, "x").count == 20
