"""`loops explain`: what was seen, by which rule, and what followed, in words."""

from __future__ import annotations

import hashlib
import re

import pytest
from brain_world import HOUR, START, World
from loops.agents import port
from loops.journal import Record
from loops.supervisor import events as ev
from loops.supervisor import explain
from loops.supervisor.rules import RULES

SAMPLES = {
    "str": "text",
    "int": 3,
    "float": START + 5.0,
    "bool": True,
    "tuple[str, ...]": ("a", "b"),
    "tuple[tuple[str, str], ...]": (("a", "b"),),
    "int | None": 1,
    "float | None": 0.5,
    "dict[str, dict[str, float | int | str | None]]": {"text": {"input_tokens": 3}},
    "Any": {"agents": {"a": {}}},
}


def sample(kind: type[ev.Event]) -> ev.Event:
    annotations = {
        name: note for each in reversed(kind.__mro__) for name, note in vars(each).get("__annotations__", {}).items()
    }
    values = {n: SAMPLES[str(note)] for n, note in annotations.items() if "ClassVar" not in str(note)}
    return kind(**values)


def recorded(world: World) -> list[tuple[Record, ev.Event]]:
    return [
        (Record(n, f"1-{n}", e.type, e.subject, {}, START + n, "", 1, hashlib.sha256(b"").hexdigest()), e)
        for n, e in enumerate(world.journal, 1)
    ]


@pytest.mark.parametrize("name", sorted(ev.TYPES))
def test_every_event_has_a_sentence_of_its_own(name: str):
    kind = ev.TYPES[name]
    text = explain.sentence(sample(kind))
    assert kind in explain._SENTENCES
    assert not text.startswith(name)
    assert "\n" not in text
    if issubclass(kind, ev.AboutAgent):
        assert "text" in text  # names its agent


def test_a_decision_is_explained_by_what_was_seen_the_rule_in_words_and_the_consequence():
    world = World()
    world.works("builder")
    world.tick(120)
    world.exits("builder", signal=9)
    told = "\n".join(explain.lines(recorded(world), "builder"))
    assert "builder ended (killed by signal 9) after 2m 00s; it is started again at once" in told
    assert f"because killed by signal 9; rule heal: {RULES['heal']}" in told
    assert "adversary" not in told


def test_one_event_is_explained_by_its_number():
    world = World()
    world.says("builder", port.LimitReached("usage limit", world.now + HOUR, structured=True))
    history = recorded(world)
    number = next(r.sequence for r, e in history if isinstance(e, ev.HoldBegan))
    told = list(explain.lines(history, str(number)))
    assert len(told) == 2
    assert re.search(rf"#{number}  builder waits for its usage limit for 1h 00m", told[0])
    assert "usage limit (resets in 3600 s)" in told[1]


def test_a_phase_is_explained_by_its_id():
    world = World()
    world.rests()
    world.marks_done()
    told = "\n".join(explain.lines(recorded(world), "1"))
    assert "phase 1 is not done" in told
    assert "no verdict in this phase" in told


def test_without_a_subject_all_decisions_are_told_and_no_bookkeeping():
    world = World()
    world.rests()
    world.claims()
    told = "\n".join(explain.lines(recorded(world)))
    assert "the operator asked to bring the project up" in told
    assert "nudge n1 (claim) waits for adversary" in told
    assert "was read up to" not in told


def test_what_concerns_nobody_gives_nothing():
    assert list(explain.lines(recorded(World()), "nobody")) == []


def test_an_operator_who_asked_for_all_asked_for_each_agent():
    assert any("operator" in line for line in explain.lines(recorded(World()), "builder"))


def test_escapes_of_foreign_texts_are_not_passed_on():
    assert "\x1b" not in explain.sentence(ev.QuestionAsked("builder", START, "", "\x1b]0;evil\x07 go on?"))
