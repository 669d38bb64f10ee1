"""Two deployments compared: each place has one class, and each difference says where it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Deployment, Document, Form, Member, Step, Wakes
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Verdict
from parity_samples import bad, changed, compared, document, places, sample, without

SAME = sample()


def verdict_at(found, place: str) -> Verdict:
    return next(finding.verdict for finding in found.findings if str(finding.place) == place)


# ---- same --------------------------------------------------------------------------------------------------------------


def test_a_deployment_is_the_same_as_itself_in_every_place():
    found = compared(SAME, SAME)

    assert found.clean
    assert {finding.verdict for finding in found.findings} == {Verdict.SAME}
    assert not found.gaps


# ---- single facts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"session": "cc-other"}, "agent boss: session"),
        ({"dir": "/srv/other"}, "agent boss: dir"),
        ({"backend": "codex"}, "agent boss: backend"),
        ({"model": "tiny"}, "agent boss: model"),
        ({"watch": "none"}, "agent boss: watch"),
        ({"enabled": False}, "agent boss: enabled"),
        ({"resume": False}, "agent boss: resume"),
        ({"kind": "task"}, "agent boss: kind"),
        ({"prompt": Document("prompts/boss.md", "ff")}, "agent boss: prompt sha256"),
    ],
)
def test_a_changed_fact_of_an_agent_is_one_difference_at_its_place(changes, place):
    found = compared(SAME, changed("boss", **changes))

    assert places(found) == [place]


def test_a_wrong_model_in_one_phase_is_found_in_that_phase():
    steps = tuple(replace(step, models={"builder": "tiny"}) if step.id == "2w" else step for step in SAME.steps)

    found = compared(SAME, sample(steps=steps))

    assert [(str(f.place), f.live, f.staged) for f in bad(found)] == [("phase 2w: model of builder", "large", "tiny")]


def test_the_same_model_written_in_another_way_is_no_difference():
    """As the agent's own model instead of an override in each phase, or by the role instead of the name."""
    steps = tuple(replace(step, models={"adversary": "small", **step.models}) for step in SAME.steps)

    assert compared(SAME, sample(steps=steps)).clean


def test_a_changed_time_is_found_with_its_unit():
    [difference] = bad(compared(SAME, sample(times={"stall_grace": 90.0, "limit_reset_slack": 45.0})))

    assert (str(difference.place), difference.live, difference.staged) == ("times: stall_grace", "180 s", "90 s")


# ---- what one side has and the other has not ---------------------------------------------------------------------------


def test_a_missing_service_is_one_difference_that_names_it():
    [difference] = bad(compared(SAME, without("cleanlogs")))

    assert str(difference.place) == "agent cleanlogs: present"
    assert difference.verdict is Verdict.MISSING
    assert "the whole service cleanlogs is not in staged" in difference.note
    assert "bin/cleanlogs -q" in difference.note
    assert Place("agent", "cleanlogs", "command") in difference.covers


def test_an_agent_that_only_staged_has_is_different():
    [difference] = bad(compared(without("boss"), SAME))

    assert (str(difference.place), difference.verdict) == ("agent boss: present", Verdict.DIFFERENT)
    assert "not in live" in difference.note


def test_a_missing_loop_agent_takes_its_models_and_kickoffs_with_it():
    staged = without("adversary")
    staged = replace(staged, kickoffs={key: text for key, text in SAME.kickoffs.items() if key[1] != "adversary"})

    [difference] = bad(compared(SAME, staged))

    assert Place("phase", "1c", "model of adversary") in difference.covers
    assert Place("kickoff", "1c/adversary", "sha256") in difference.covers


def test_a_missing_phase_is_one_difference_and_the_order_of_the_others_none():
    steps = tuple(step for step in SAME.steps if step.id != "1c")
    kickoffs = {key: text for key, text in SAME.kickoffs.items() if key[0] != "1c"}

    [difference] = bad(compared(SAME, sample(steps=steps, kickoffs=kickoffs)))

    assert (str(difference.place), difference.verdict) == ("phase 1c: present", Verdict.MISSING)
    assert "plans/1c.md" in difference.note
    assert Place("phases", "", "order") in difference.covers


def test_a_missing_phase_does_not_hide_a_swapped_order():
    one, _, third, fourth = SAME.steps
    kickoffs = {key: text for key, text in SAME.kickoffs.items() if key[0] != "1c"}

    found = compared(SAME, sample(steps=(one, fourth, third), kickoffs=kickoffs))

    assert places(found) == ["phases: order", "phase 1c: present"]
    parting = bad(found)[0].parting
    assert (parting.at, parting.live, parting.staged) == ("position 2", "2w", "3")  # among those that both have


def test_a_wake_that_was_dropped_is_missing():
    found = compared(SAME, changed("boss", wakes=None))

    assert {f.verdict for f in bad(found)} == {Verdict.MISSING}
    assert places(found) == ["agent boss: wake interval", "agent boss: wake prompt sha256"]


def test_a_handoff_that_was_dropped_is_missing():
    found = compared(SAME, sample(relay=None))

    assert {f.verdict for f in bad(found)} == {Verdict.MISSING}
    assert "handoff: repo" in places(found)


def test_a_setting_of_a_backend_that_only_staged_has_is_different():
    [difference] = bad(compared(SAME, sample(clis={"claude": {**SAME.clis["claude"], "submit_key": "Enter"}})))

    assert (str(difference.place), difference.verdict) == ("backend claude: submit_key", Verdict.DIFFERENT)


# ---- orders, kickoffs, documents ---------------------------------------------------------------------------------------


def test_a_swapped_order_is_one_difference_that_shows_both_and_where_they_part():
    one, two, three, four = SAME.steps

    [difference] = bad(compared(SAME, sample(steps=(one, three, two, four))))

    assert (difference.live, difference.staged) == ("1 1c 2w 3", "1 2w 1c 3")
    assert (difference.parting.at, difference.parting.live, difference.parting.staged) == ("position 2", "1c", "2w")


def test_a_different_kickoff_names_the_first_line_that_differs():
    kickoffs = {**SAME.kickoffs, ("2w", "builder"): "phase 2w\nplan elsewhere.md\nyou are the builder\n"}

    [difference] = bad(compared(SAME, sample(kickoffs=kickoffs)))

    assert str(difference.place) == "kickoff 2w/builder: sha256"
    assert difference.parting.at == "line 2"
    assert (difference.parting.live, difference.parting.staged) == ("plan plans/2w.md", "plan elsewhere.md")


def test_a_different_prompt_carries_both_files():
    roles = {**SAME.roles, "builder": document("p/builder.md", "you are the  builder\n")}

    [difference] = bad(compared(SAME, sample(roles=roles)))

    assert (difference.live_file.path, difference.staged_file.path) == ("prompts/builder.md", "p/builder.md")
    assert (difference.live_file.size, difference.staged_file.size) == (20, 21)


def test_a_prompt_at_another_path_with_the_same_bytes_is_the_same():
    roles = {name: replace(each, path=f"elsewhere/{name}") for name, each in SAME.roles.items()}

    assert compared(SAME, sample(roles=roles)).clean


# ---- what may differ ---------------------------------------------------------------------------------------------------

RUNNING = replace(
    SAME,
    at=2,
    complete=False,
    log_dir="/srv/live/logs",
    members=tuple(replace(m, state="RUNNING", conversation=f"id-{m.name}") for m in SAME.members),
)


def test_a_project_that_was_never_started_lacks_only_what_is_expected():
    found = compared(RUNNING, replace(SAME, log_dir="/srv/staged/.loops"))

    assert found.clean
    assert verdict_at(found, "agent builder: state") is Verdict.EXPECTED
    assert verdict_at(found, "agent builder: conversation") is Verdict.EXPECTED
    assert verdict_at(found, "loop: phase index") is Verdict.EXPECTED
    assert verdict_at(found, "loop: log_dir") is Verdict.EXPECTED


def test_state_that_is_carried_in_part_is_missing_where_it_lacks():
    staged = replace(SAME, at=2, members=(replace(SAME.members[0], conversation="id-builder"), *SAME.members[1:]))

    found = compared(RUNNING, staged)

    assert places(found) == ["agent adversary: conversation", "agent boss: conversation"]
    assert {f.verdict for f in bad(found)} == {Verdict.MISSING}


def test_a_carried_conversation_of_somebody_else_is_different():
    members = tuple(replace(m, conversation="id-builder") for m in RUNNING.members)

    found = compared(RUNNING, replace(RUNNING, members=members))

    assert "agent adversary: conversation" in places(found)


def test_another_phase_index_is_different_when_it_was_carried():
    [difference] = bad(compared(RUNNING, replace(RUNNING, at=0)))

    assert (str(difference.place), difference.live, difference.staged) == ("loop: phase index", "2", "0")


def test_how_far_each_side_is_may_differ_when_it_is_carried_later_and_nothing_else_may():
    members = tuple(replace(m, conversation="id-builder", backend="other") for m in RUNNING.members)

    found = compare(RUNNING, replace(RUNNING, at=0, members=members), (), date(2027, 1, 1), carried_later=True)

    assert verdict_at(found, "loop: phase index") is Verdict.EXPECTED
    assert verdict_at(found, "agent adversary: conversation") is Verdict.EXPECTED
    assert {str(each.place).rpartition(": ")[2] for each in bad(found)} == {"backend"}


# ---- what one side cannot tell -----------------------------------------------------------------------------------------

STATUS = Deployment(
    "status.txt",
    Form.STATUS,
    members=(
        Member("builder", "loop", backend="claude", watch="heal+stall", enabled=True, state="RUNNING"),
        Member("adversary", "loop", backend="claude", watch="heal", enabled=True, state="RUNNING"),
        Member("boss", "persistent", backend="claude", model="large", watch="heal", enabled=True, state="stopped"),
        Member("cleanlogs", "service", enabled=True, state="RUNNING"),
    ),
    now=Step("2w", plan="2w.md", models={"builder": "large", "adversary": "small"}),
    at=2,
    complete=False,
)


def test_a_captured_status_is_compared_in_what_it_shows_and_the_rest_is_counted():
    found = compared(STATUS, SAME)

    assert found.clean
    assert verdict_at(found, "phase 2w: model of builder") is Verdict.SAME
    assert verdict_at(found, "phase 2w: plan") is Verdict.SAME
    assert {str(gap.place) for gap in found.gaps} >= {"agent builder: dir", "phases: order", "role builder: sha256"}
    assert not {str(gap.place) for gap in found.gaps} & {str(f.place) for f in found.findings}


@pytest.mark.parametrize(
    ("staged", "place"),
    [
        (changed("boss", model="tiny"), "agent boss: model"),
        (changed("boss", backend="codex"), "agent boss: backend"),
        (changed("boss", enabled=False), "agent boss: enabled"),
        (changed("builder", watch="none"), "agent builder: watch"),
        (changed("adversary", model="tiny"), "phase 2w: model of adversary"),
        (without("cleanlogs"), "agent cleanlogs: present"),
        (sample(steps=SAME.steps[:2]), "phase 2w: present"),
    ],
)
def test_what_a_captured_status_contradicts_is_found(staged, place):
    assert places(compared(STATUS, staged)) == [place]


def test_a_status_that_prints_the_model_beside_the_agent_is_held_against_the_effective_one():
    beside = (replace(STATUS.members[0], model="large"), *STATUS.members[1:])

    assert compared(replace(STATUS, members=beside, now=Step("2w", models={})), SAME).clean


def test_what_a_source_is_said_not_to_tell_is_no_difference_and_no_agreement():
    found = compared(sample(untold=("agent boss: wake *",), members=changed("boss", wakes=None).members), SAME)

    assert found.clean
    assert [str(gap.place) for gap in found.gaps] == ["agent boss: wake interval", "agent boss: wake prompt sha256"]
    assert {gap.reason for gap in found.gaps} == {"live does not tell it"}


def test_a_collection_that_is_not_told_is_not_compared():
    found = compared(SAME, sample(kickoffs=None, times=None))

    assert found.clean
    assert len(found.gaps) == 8 + 2


def test_a_phase_without_models_told_is_not_compared_in_them():
    steps = tuple(replace(step, models=None) for step in SAME.steps)

    found = compared(SAME, sample(steps=steps))

    assert found.clean
    assert len(found.gaps) == 8


def test_a_wake_at_another_interval_is_different():
    found = compared(SAME, changed("boss", wakes=Wakes(60.0, SAME.members[2].wakes.prompt)))

    assert [(f.live, f.staged) for f in bad(found)] == [("3600 s", "60 s")]


def test_a_status_tells_how_many_phases_there_are():
    assert places(compared(replace(STATUS, count=5), SAME)) == ["phases: count"]
    assert compared(replace(STATUS, count=4), SAME).clean


def test_the_dashes_of_a_service_tell_nothing():
    members = (*SAME.members[:3], replace(SAME.members[3], watch="heal", backend="claude"))

    assert compared(STATUS, sample(members=members)).clean


def test_what_the_earlier_engine_does_not_know_is_not_compared_with_it():
    staged = replace(
        SAME,
        form=Form.LOOPS,
        times={**SAME.times, "hang_after": 600.0},
        clis={"claude": {**SAME.clis["claude"], "adapter": "claude"}},
    )

    found = compared(SAME, staged)

    assert found.clean
    assert [str(gap.place) for gap in found.gaps] == ["backend claude: adapter", "times: hang_after"]


def test_a_time_that_the_earlier_engine_knows_and_does_not_have_is_different():
    [difference] = bad(compared(SAME, sample(times={**SAME.times, "heavy_interval": 300.0})))

    assert str(difference.place) == "times: heavy_interval"


def test_a_difference_says_where_each_side_says_so():
    live = sample(origins={"agent boss: model": ".orch-model"})
    staged = replace(changed("boss", model="tiny"), origins={"agent boss: model": "agents.toml:14"})

    [difference] = bad(compared(live, staged))

    assert (difference.live_origin, difference.staged_origin) == (".orch-model", "agents.toml:14")


def test_a_log_dir_that_one_side_does_not_tell_is_not_compared():
    found = compared(sample(log_dir="/srv/live/logs"), SAME)

    assert [str(gap.place) for gap in found.gaps] == ["loop: log_dir"]
    assert "loop: log_dir" not in {str(f.place) for f in found.findings}


def test_a_project_that_would_go_on_behind_its_end_is_different():
    ended = replace(RUNNING, at=3, complete=True)

    assert places(compared(ended, replace(ended, complete=False))) == ["loop: complete"]
    assert places(compared(ended, replace(ended, complete=None))) == ["loop: complete"]


def test_a_phase_index_that_was_not_carried_with_the_rest_is_missing():
    ended = replace(RUNNING, complete=True)
    no_ids = tuple(replace(m, conversation=None) for m in RUNNING.members)

    [with_conversations] = bad(compared(RUNNING, replace(RUNNING, at=None)))
    [with_the_end] = bad(compared(replace(ended, members=no_ids), replace(ended, members=no_ids, at=None)))

    assert str(with_conversations.place) == str(with_the_end.place) == "loop: phase index"
    assert with_conversations.verdict is with_the_end.verdict is Verdict.MISSING
