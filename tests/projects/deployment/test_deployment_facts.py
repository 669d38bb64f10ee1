"""A deployment flattened: what is told has a place, what is not told has none."""

from __future__ import annotations

from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment, Document, Form, Member, Relay, Step, Wakes

BUILDER = Member("builder", kind="loop", role="builder", model="small")


def test_what_the_source_does_not_tell_has_no_entry():
    told = facts(Deployment("status.txt", Form.STATUS, members=(Member("builder", kind="loop"),)))

    assert told == {Place("agent", "builder", "present"): "yes", Place("agent", "builder", "kind"): "loop"}


def test_the_order_of_phases_is_a_fact_of_its_own():
    told = facts(Deployment("x", Form.ENGINE, steps=(Step("1c"), Step("1b"))))

    assert told[Place("phases", "", "order")] == "1c 1b"


def test_the_model_of_a_phase_is_the_one_that_will_run():
    steps = (Step("1", models={"builder": "large"}), Step("2", models={}))

    told = facts(Deployment("x", Form.ENGINE, members=(BUILDER,), steps=steps))

    assert told[Place("phase", "1", "model of builder")] == "large"
    assert told[Place("phase", "2", "model of builder")] == "small"


def test_an_override_by_role_counts_as_one_by_name():
    member = Member("second", kind="loop", role="adversary", model="small")

    told = facts(Deployment("x", Form.ENGINE, members=(member,), steps=(Step("1", models={"adversary": "large"}),)))

    assert told[Place("phase", "1", "model of second")] == "large"


def test_a_document_is_compared_by_its_bytes_and_a_missing_one_is_said():
    wakes = Wakes(3600, Document("prompts/supervise.md", ""))

    told = facts(Deployment("x", Form.ENGINE, members=(Member("boss", prompt=Document("a.md", "12ab"), wakes=wakes),)))

    assert told[Place("agent", "boss", "prompt sha256")] == "12ab"
    assert told[Place("agent", "boss", "wake prompt sha256")] == "missing"


def test_handoff_and_times_are_facts():
    told = facts(Deployment("x", Form.ENGINE, relay=Relay(adversary=("a", "b")), times={"stall_grace": 180.0}))

    assert told[Place("handoff", "", "adversary")] == "a b"
    assert told[Place("times", "", "stall_grace")] == "180 s"


def test_the_one_phase_of_a_captured_status_has_the_places_of_that_phase():
    shown = Deployment(
        "x", Form.STATUS, members=(Member("b", kind="loop"),), now=Step("2", "plan.md", models={"b": "large"})
    )

    told = facts(shown)

    assert told[Place("phase", "2", "model of b")] == "large"
    assert told[Place("phase", "2", "plan")] == "plan.md"
    assert Place("phases", "", "order") not in told
