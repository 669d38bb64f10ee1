"""What holds for any two deployments."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st
from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment, Document, Form
from loops.projects.parity.comparison import Standing, Verdict
from loops.projects.parity.rules import Rule
from parity_samples import CONFIGURED, DEPLOYMENTS, TODAY, compared

RULES = st.builds(
    Rule,
    id=st.uuids().map(str),
    place=st.sampled_from(("agent *: *", "agent builder: present", "phase *: model of *", "loop: *", "handoff: *")),
    reason=st.just("agreed"),
    expires=st.sampled_from((TODAY - timedelta(1), TODAY, date(2030, 1, 1))),
    live=st.sampled_from((None, "", "a")),
    staged=st.sampled_from((None, "", "b")),
)


def where(found) -> set[Place]:
    """Every place that is said to differ, with what goes with it."""
    differing = [finding for finding in found.findings if finding.verdict is not Verdict.SAME]
    return {finding.place for finding in differing} | {place for finding in differing for place in finding.covers}


def everywhere(found) -> list[Place]:
    classed = [place for finding in found.findings for place in (finding.place, *finding.covers)]
    return [*classed, *(gap.place for gap in found.gaps)]


@given(DEPLOYMENTS)
def test_a_deployment_has_parity_with_itself(deployment: Deployment):
    found = compared(deployment, deployment)

    assert found.clean
    assert {f.verdict for f in found.findings} <= {Verdict.SAME}
    assert not found.gaps
    assert {f.place for f in found.findings} == facts(deployment).keys()


@given(DEPLOYMENTS, DEPLOYMENTS)
def test_every_place_of_either_side_has_one_class(live: Deployment, staged: Deployment):
    classed = everywhere(compared(live, staged))

    assert len(classed) == len(set(classed))
    if (live.form is Form.STATUS) is (staged.form is Form.STATUS):
        assert set(classed) == facts(live).keys() | facts(staged).keys()
    else:  # what a status would show of the other has places too
        assert set(classed) >= facts(live).keys() | facts(staged).keys()


@given(DEPLOYMENTS, DEPLOYMENTS)
def test_swapped_sides_differ_in_the_same_places(live: Deployment, staged: Deployment):
    there, back = compared(live, staged), compared(staged, live)

    assert where(there) == where(back)
    assert {gap.place for gap in there.gaps} == {gap.place for gap in back.gaps}
    assert {f.place for f in there.findings if f.verdict is Verdict.MISSING} == {
        f.place for f in back.findings if f.verdict is Verdict.DIFFERENT and f.live is None
    }
    assert there.clean is back.clean


@given(DEPLOYMENTS, DEPLOYMENTS)
def test_nothing_that_differs_is_called_the_same(live: Deployment, staged: Deployment):
    assume((live.form is Form.STATUS) is (staged.form is Form.STATUS))

    found = compared(live, staged)

    mine, other = facts(live), facts(staged)
    for finding in found.findings:
        if finding.verdict is Verdict.SAME:
            assert mine[finding.place] == other[finding.place]
        else:
            assert mine.get(finding.place) != other.get(finding.place)


@given(DEPLOYMENTS, DEPLOYMENTS, st.lists(RULES, max_size=4, unique_by=lambda rule: rule.id))
def test_rules_change_classes_and_nothing_else(live: Deployment, staged: Deployment, rules: list[Rule]):
    bare, ruled = compared(live, staged), compared(live, staged, *rules)

    assert [f.place for f in bare.findings] == [f.place for f in ruled.findings]
    in_force = {rule.id for rule in rules if rule.expires >= TODAY}
    for before, after in zip(bare.findings, ruled.findings, strict=True):
        if after.verdict is not before.verdict:
            assert before.verdict.bad
            assert after.verdict is Verdict.CHANGED
            assert after.rule in in_force
    used = {use.id for use in ruled.rules if use.standing is Standing.USED}
    assert {f.rule for f in ruled.findings if f.rule} <= used


# ---- every single change is found --------------------------------------------------------------------------------------


def _other(text: str | None) -> str:
    return f"{text or ''}+"


def _document(old: Document | None) -> Document:
    return Document("some/file.md", _other(old.digest if old else ""))


MEMBER = {
    **dict.fromkeys(("kind", "session", "dir", "role", "backend", "model", "watch", "state", "conversation"), _other),
    **{key: lambda old: not old for key in ("enabled", "resume")},
    "prompt": _document,
    "command": lambda old: (*(old or ()), "--more"),
}
WHOLE = {
    **dict.fromkeys(("prefix", "log_dir", "on_complete"), _other),
    "at": lambda old: (old or 0) + 1,
    "complete": lambda old: not old,
    "times": lambda old: {**(old or {}), "new": 1.5},
    "roles": lambda old: {**(old or {}), "new": Document("new.md", "ff")},
    "clis": lambda old: {**(old or {}), "new": {"bin": "new"}},
    "kickoffs": lambda old: {**(old or {}), ("2w", "boss"): (old or {}).get(("2w", "boss"), "") + "!"},
    "steps": lambda old: tuple(reversed(old)),
}


@given(CONFIGURED, st.data())
def test_every_changed_field_of_an_agent_is_found_at_exactly_the_facts_it_changes(live: Deployment, data):
    assume(live.members)
    key = data.draw(st.sampled_from(sorted(MEMBER)))
    index = data.draw(st.integers(0, len(live.members) - 1))
    old = live.members[index]
    new = replace(old, **{key: MEMBER[key](getattr(old, key))})
    staged = replace(live, members=(*live.members[:index], new, *live.members[index + 1 :]))

    _found_exactly(live, staged)


@given(CONFIGURED, st.data())
def test_every_changed_field_of_a_deployment_is_found_at_exactly_the_facts_it_changes(live: Deployment, data):
    key = data.draw(st.sampled_from(sorted(WHOLE)))
    old = getattr(live, key)
    assume(key != "steps" or (old is not None and len(old) > 1))

    _found_exactly(live, replace(live, **{key: WHOLE[key](old)}))


@given(CONFIGURED, st.data())
def test_every_changed_field_of_a_phase_is_found_at_exactly_the_facts_it_changes(live: Deployment, data):
    assume(live.steps)
    key = data.draw(st.sampled_from(("plan", "status", "models")))
    index = data.draw(st.integers(0, len(live.steps) - 1))
    old = live.steps[index]
    value = dict.fromkeys(("builder", "boss"), "other") if key == "models" else _other(getattr(old, key))
    staged = replace(live, steps=(*live.steps[:index], replace(old, **{key: value}), *live.steps[index + 1 :]))

    _found_exactly(live, staged)


def _found_exactly(live: Deployment, staged: Deployment) -> None:
    """Where the facts differ there is a finding or, as far as one side cannot tell, a gap; and nowhere else."""
    mine, other = facts(live), facts(staged)
    changed = {place for place in mine.keys() | other.keys() if mine.get(place) != other.get(place)}

    found = compared(live, staged)

    assert where(found) | {gap.place for gap in found.gaps} == changed
    # Where both have a value, no source can be the excuse.
    assert where(found) >= {place for place in changed if place in mine and place in other}
