"""The runbook and the plan's JSON say the same, always in the same words."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import jsonschema
import pytest
from cutover_world import ground, plan, words
from loops import resources
from loops.projects.cutover.plan import Check, Command, Side, Way, encode
from loops.projects.cutover.runbook import markdown
from loops.projects.cutover.steps import build


def facts(unit: str = "live.service") -> dict[str, object]:
    made = plan(unit=unit)
    head = {"ok": True, "version": 1, "digest": made.digest, "seconds": made.seconds, "irreversible": [], "runbook": ""}
    return {**head, **encode(made)}


def validate(document: object) -> None:
    with open(resources.schema("cutover"), encoding="utf-8") as file:
        jsonschema.validate(document, json.load(file))


@pytest.mark.parametrize("unit", ["", "live.service"])
def test_the_plan_obeys_its_schema(unit: str) -> None:
    validate(json.loads(json.dumps(facts(unit))))


def test_the_schema_refuses_a_step_without_a_way_back() -> None:
    document = json.loads(json.dumps(facts()))
    document["steps"][2]["back"]["why"] = ""

    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_every_command_and_check_stands_in_the_runbook() -> None:
    made = plan()
    text = markdown(made)

    for step in made.steps:
        assert step.title in text
        commands = (
            *step.commands,
            *step.back.commands,
            *(c.command for c in (*step.before, *step.after, *step.back.checks)),
        )
        assert all(str(command) in text for command in commands)


def test_the_same_facts_give_the_same_runbook() -> None:
    assert markdown(plan()) == markdown(plan())
    assert plan().digest == plan().digest
    assert plan().digest != plan(unit="").digest


def test_a_rehearsal_replaces_the_estimates_but_not_the_soak() -> None:
    made = build(ground(), words(), measured={"up": 12.34, "soak": 1.0})
    seconds = {step.id: (step.seconds, step.measured) for step in made.steps}

    assert seconds["up"] == (12.3, "measured by a rehearsal")
    assert seconds["soak"][0] == 65.0


def test_a_command_is_written_as_a_shell_takes_it() -> None:
    command = Command(("say", "it's", "=a", "x y"), cwd="/a b", env=(("NAME", "b c"),))

    inner = str(command).removeprefix("(cd '/a b' && ").removesuffix(")")

    assert shlex.split(inner) == ["NAME=b c", "say", "it's", "=a", "x y"]
    assert "'=a'" in inner


def test_a_foreign_name_cannot_act_on_the_terminal_or_leave_its_code() -> None:
    made = plan()
    hostile = replace(made, ground=replace(made.ground, live="/srv/\x1b[2J`rm`|x"))

    text = markdown(hostile)

    assert "\x1b" not in text
    assert "`` /srv/?[2J`rm`\\|x ``" in text


def test_the_live_side_ends_before_the_staged_side_starts_and_its_supervisor_first() -> None:
    order = [str(command) for step in plan().steps for command in step.commands]
    marks = (
        "disable --now live.service",
        "'=x-watchdog'",
        "launch.py stop",
        "cutover carry",
        "service install",
        "loops up",
    )

    places = [next(number for number, command in enumerate(order) if mark in command) for mark in marks]

    assert places == sorted(places)


def test_the_launchers_are_never_started_without_their_phase() -> None:
    starts = [
        command
        for step in plan(unit_starts=False).steps
        for command in step.back.commands
        if command.starts is Side.LIVE
    ]

    assert starts
    assert all(("RESUME_PHASE", "1") in command.env for command in starts)


def test_a_step_without_a_way_back_is_named() -> None:
    made = plan()
    broken = replace(made.steps[0], back=Way(""), after=(Check("x", Command(("true",))),))

    assert replace(made, steps=(broken, *made.steps[1:])).irreversible() == ("preflight",)
