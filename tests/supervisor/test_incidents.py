"""Every failure that the earlier engine is known for, as a specification of the brain.

`INCIDENTS` says where each one is held: here, or in the room where it belongs.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pytest
from brain_world import (
    ADVERSARY,
    BUILDER,
    DAY,
    HOUR,
    LOGS,
    MINUTE,
    ORCHESTRATOR,
    PHASE_1,
    PHASE_2,
    REPORT,
    World,
    agent,
    claimed,
    done,
    project,
    with_agents,
)
from loops.agents import port
from loops.agents.port import Screen
from loops.agents.screen import patterns_of, read_screen
from loops.config.model import Backend, Kind, Watch
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor.action import End, Look, Send, Start
from loops.supervisor.state import Life, NudgeKind, Turn

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

INCIDENTS: dict[int, str] = {
    1: "test_incident_01_a_claim_wakes_an_idle_reviewer_at_once_and_a_verdict_the_builder",
    2: "test_incident_02_prose_about_claims_pings_nobody",
    3: "test_incident_03_a_limit_window_suppresses_all_healing",
    4: "test_incident_04_no_text_of_ours_matches_a_limit_pattern",
    5: "test_incident_05_probes_go_on_at_a_flat_interval_for_ever",
    6: "test_incident_06_nothing_is_judged_on_a_look_older_than_the_decision",
    7: "test_incident_07_an_agent_is_not_killed_shortly_before_its_own_wake",
    8: "test_incident_08_an_agent_that_is_alive_but_wedged_is_started_again",
    9: "test_incident_09_a_poisoned_conversation_is_dropped_and_a_fresh_one_begun",
    10: "test_incident_10_a_placeholder_does_not_end_a_phase",
    11: "test_incident_11_a_phase_that_is_built_but_not_marked_done_is_named_in_the_stall_nudge",
    12: "test_incident_12_after_completion_only_the_wakes_of_loop_agents_stop",
    13: "test_incident_13_completion_is_said_once_and_restarts_nothing",
    14: "test_incident_14_nothing_is_journaled_after_completion_while_nothing_happens",
    15: "test_incident_15_every_observation_and_every_timer_can_be_decided_on",
    16: "tests/sessions/test_send.py",  # the verified send itself; here: what follows from its outcomes
    17: "test_incident_17_an_agent_whose_process_ends_is_seen_at_once_and_resumed",
    18: "test_incident_18_a_second_supervisor_starts_nothing_that_runs",
    19: "test_incident_19_a_session_that_cannot_be_started_is_tried_again_and_said",
    20: "test_incident_20_the_kickoff_says_where_state_files_belong",
    21: "test_incident_21_a_new_start_keeps_the_phase",
    22: "test_incident_22_names_are_matched_exactly",
    23: "test_incident_23_the_configuration_is_the_only_truth",
    24: "test_incident_24_a_phase_ends_in_the_same_step_as_its_last_evidence",
    25: "tests/agents/test_demo_adapter.py",  # the demo agent's argv
    30: "test_incident_30_a_verdict_that_is_not_the_reviewers_own_is_none",
}


@pytest.mark.parametrize("number", INCIDENTS)
def test_every_incident_is_held_somewhere(number: int):
    where = INCIDENTS[number]
    assert where in globals() or os.path.exists(os.path.join(ROOT, where))


# ---- handoff ---------------------------------------------------------------------------------------------------------


def test_incident_01_a_claim_wakes_an_idle_reviewer_at_once_and_a_verdict_the_builder():
    world = World()
    world.rests(until=world.now + 10 * MINUTE)  # both park at the gate, as their roles tell them
    world.claims()
    assert [n.kind for n in world.sent("adversary")] == [NudgeKind.CLAIM]
    assert world.sent("builder") == []
    world.takes("adversary")
    world.passes()
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.VERDICT]


def test_incident_02_prose_about_claims_pings_nobody():
    world = World()
    world.rests()
    world.push("docs: Gate C6 CLAIMED, D0 and Q1 too", status="Gate: C6 — CLAIMED\nclaim(Q0): soon\n")
    world.push("fix: answer claim(D1) of yesterday", "src/a.py")
    world.push("Merge claim(D1)", "src/a.py")
    assert world.acted(Send) == []


def test_incident_30_a_verdict_that_is_not_the_reviewers_own_is_none():
    world = World()
    world.rests()
    world.claims()
    world.push("docs: prepare REVIEW", review="- D1: PASS\n")  # the Builder writes in the Adversary's document
    world.marks_done()
    assert world.state.loop.done == ()
    assert "unclear" in world.happened(ev.DoneRefused)[-1].rules


def test_incident_30_a_claim_without_its_status_file_is_refused_with_the_reason():
    world = World()
    world.rests()
    world.push("claim(D1): ready", "src/a.py")  # no STATUS at all
    world.passes()
    world.push("docs: done", status="## DONE\n\nEverything was verified.\n")
    assert "claim-incomplete" in world.happened(ev.DoneRefused)[-1].rules


# ---- limits ------------------------------------------------------------------------------------------------------------


def limited(world: World, name: str = "builder", seconds: float = 5 * HOUR) -> float:
    """The agent meets a limit in its turn; return when it resets."""
    resets = world.now + seconds
    world.works(name)
    world.says(name, port.LimitReached("You've hit your limit", resets, structured=True))
    return resets


def test_incident_03_a_limit_window_suppresses_all_healing():
    world = World(project(BUILDER, ADVERSARY, replace(ORCHESTRATOR, watch=Watch.HEAL_STALL)))
    world.rests("adversary")
    for name in world.config.agents:
        limited(world, name)
    before = len(world.all)
    world.claims()
    world.push("docs: a note", by="adversary", inbox="BUILDER-INBOX.md")
    world.tick(5 * HOUR)
    assert [a for _, a in world.all[before:] if isinstance(a, Start | End | Send)] == []
    assert world.waiting("adversary") == ["claim"]


def test_incident_03_a_session_that_dies_in_the_window_is_started_after_it():
    world = World()
    resets = limited(world)
    world.exits("builder", code=1)
    world.tick(resets - world.now + 40)
    assert world.life("builder") is Life.BACKOFF
    world.tick(10)
    assert world.starts("builder") == 2
    assert world.agent("builder").resuming


def test_incident_03_the_end_of_the_turn_that_met_the_limit_does_not_end_the_window():
    world = World()
    limited(world)
    world.says("builder", port.TurnEnded())
    assert world.agent("builder").hold is not None


def test_incident_03_after_the_window_the_silence_is_counted_anew():
    world = World(project(stall_grace=180))
    limited(world, seconds=HOUR)
    world.tick(HOUR + 46)
    world.takes("builder")  # the probe
    world.tick(MINUTE)
    world.says("builder", port.TurnEnded())
    assert world.agent("builder").hold is None
    world.tick(299)
    assert len(world.sent("builder")) == 1  # stall_idle is 300 s


def test_incident_03_a_new_phase_waits_for_the_end_of_a_window():
    world = World()
    world.rests()
    world.claims()
    resets = limited(world, "builder", HOUR)
    world.push("docs: done", status=done("D1"))
    world.passes()
    assert world.state.loop.phase == "2"
    assert world.starts("builder") == 1
    world.tick(resets - world.now + 46)
    assert world.starts("builder") == 2
    assert world.agent("builder").phase == "2"


def test_incident_04_no_text_of_ours_matches_a_limit_pattern():
    world = World(project(BUILDER, ADVERSARY, agent("second", role="adversary")))
    limited(world, seconds=HOUR)
    world.tick(HOUR + MINUTE)
    world.rests("adversary")
    world.claims()
    world.passes()
    world.push("docs: done", status=claimed("D1") + "## VETO\n\n## DONE\n\nEverything.\n", review="## VETO: wait\n")
    world.takes("adversary")
    world.rests("adversary")
    world.tick(DAY)
    texts = {queued.text for queued in world.happened(ev.NudgeQueued)}
    assert len(texts) >= 4
    pattern = r"(?i)spend limit|usage limit|limit reached|reached your .*limit|out of (credits|tokens)|hit your .*limit"
    assert [text for text in texts if re.search(pattern, text)] == []


def test_incident_04_a_banner_is_not_ours_even_when_we_quote_it():
    patterns = patterns_of(Backend("coder", limit_re="usage limit"))
    ours = ("[nudge n7] Somebody hit a usage limit; go on.",)
    assert not any(isinstance(s, port.LimitReached) for s in read_screen(patterns, Screen(ours, ours), 0.0))


def test_incident_05_probes_go_on_at_a_flat_interval_for_ever():
    world = World()
    banner = port.LimitReached("usage limit")
    world.works("builder")
    world.shows("builder", banner)
    for _ in range(20):
        world.tick(300)
        assert world.agent("builder").nudges[0].sending
        world.shows("builder", banner)  # the old banner while the probe is typed
        world.takes("builder")
        world.shows("builder", banner)  # the limit still stands
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.PROBE] * 20
    assert len([n for n in world.notices() if "three probes" in n]) == 1
    assert world.starts("builder") == 1


def test_incident_05_the_same_banner_read_again_does_not_lengthen_the_window():
    world = World()
    world.works("builder")
    world.shows("builder", port.LimitReached("usage limit, try again in 5 minutes", world.now + 300))
    until = world.agent("builder").hold.until
    for _ in range(10):
        world.tick(20)
        world.shows("builder", port.LimitReached("usage limit, try again in 5 minutes", world.now + 300))
    assert world.agent("builder").hold.until == until


def test_incident_05_a_second_limit_with_the_same_words_counts():
    world = World()
    banner = port.LimitReached("usage limit")
    world.works("builder")
    world.shows("builder", banner)
    world.tick(300)
    world.takes("builder")
    world.tick(MINUTE)
    world.shows("builder", port.Working())
    assert world.agent("builder").hold is None
    world.shows("builder", banner)  # the turn ended; the old banner is still in sight
    assert world.agent("builder").hold is None
    assert world.agent("builder").turn is Turn.IDLE
    world.claims()
    world.passes()
    world.takes("builder")
    world.shows("builder", banner)
    assert world.agent("builder").hold is not None


def test_incident_06_nothing_is_judged_on_a_look_older_than_the_decision():
    world = World()
    world.rests(until=world.now + MINUTE)
    marker = world.now + MINUTE
    world.tick(MINUTE + 179)
    world.screens["builder"] = (port.Working(),)  # it has just begun to work
    world.tick(10)
    assert world.acted(Look, "builder")
    assert world.agent("builder").turn is Turn.WORKING
    assert world.sent("builder") == []
    assert world.now > marker


def test_incident_06_a_freshly_resumed_agent_is_not_judged_by_its_old_marker():
    world = World()
    limited(world, "adversary", 4 * HOUR)
    world.tick(4 * HOUR + 46)
    world.shows("adversary", port.Idle(world.now - 4 * HOUR))  # the marker from before the limit
    world.tick(60)
    assert world.acted(End, "adversary") == []


def test_incident_07_an_agent_is_not_killed_shortly_before_its_own_wake():
    world = World(project(stall_grace=180))
    world.rests(until=world.now + 10 * MINUTE)
    world.tick(10 * MINUTE + 40)  # its own timer comes forty seconds late
    world.works()
    world.tick(20 * MINUTE)
    assert world.acted(End) == []
    assert world.acted(Send) == []


# ---- wedged, poisoned, ended -------------------------------------------------------------------------------------------


def test_incident_08_an_agent_that_is_alive_but_wedged_is_started_again():
    world = World()
    world.rests()
    world.claims()
    for _ in range(5):
        nudge = world.agent("adversary").nudges[0]
        world.see(ob.Sent(world.now, "adversary", nudge.id, "unconfirmed"))
        world.tick(30)
    assert world.starts("adversary") == 2
    assert world.waiting("adversary") == ["claim"]  # the work is not lost with it


def test_incident_08_a_turn_that_hangs_is_ended_and_resumed():
    world = World(project(hang_after=1800))
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.outputs["builder"] = world.now + 600
    world.tick(600 + 1799)
    assert world.starts("builder") == 1
    world.tick(2)
    assert world.starts("builder") == 2
    assert world.agent("builder").conversation == "c-1"
    assert world.agent("builder").resuming


def test_incident_09_a_poisoned_conversation_is_dropped_and_a_fresh_one_begun():
    world = World()
    world.says("builder", port.ConversationNamed("poisoned"), port.TurnStarted())
    world.tick(20 * MINUTE)
    world.says("builder", port.Fatal("thinking blocks cannot be modified"))
    assert world.starts("builder") == 2
    assert not world.agent("builder").resuming
    assert world.agent("builder").conversation != "poisoned"


def test_incident_09_a_fatal_end_at_every_start_is_a_crash_loop_and_no_storm():
    world = World()
    for _ in range(200):
        if world.life("builder") is Life.RUNNING:
            world.says("builder", port.Fatal("invalid key"))
        world.tick(20)
    assert world.life("builder") is Life.PARKED
    assert world.starts("builder") <= 13
    assert any("crash loop" in notice for notice in world.notices())


def test_incident_17_an_agent_whose_process_ends_is_seen_at_once_and_resumed():
    world = World()
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.tick(2 * MINUTE)
    world.exits("builder", code=0)
    assert world.starts("builder") == 2
    assert world.agent("builder").resuming
    assert world.agent("builder").conversation == "c-1"


def test_incident_17_resuming_is_not_tried_without_end():
    world = World()
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.tick(2 * MINUTE)
    world.exits("builder", code=1)
    world.exits("builder", code=1)  # "No conversation found"
    world.tick(1)
    assert world.starts("builder") == 3
    assert not world.agent("builder").resuming


# ---- phases ------------------------------------------------------------------------------------------------------------


def test_incident_10_a_placeholder_does_not_end_a_phase():
    world = World()
    world.rests()
    world.claims()
    world.passes()
    world.push("docs: status", status=claimed("D1") + "\n## DONE\n\nNot yet.\n")
    assert world.state.loop.phase == "1"
    assert world.state.loop.done == ()


def test_incident_11_a_phase_that_is_built_but_not_marked_done_is_named_in_the_stall_nudge():
    world = World()
    world.rests()
    world.claims()
    world.takes("adversary")
    world.passes()
    world.takes("builder")
    world.tick(MINUTE)
    world.rests("builder")
    world.tick(301)
    stall = world.sent("builder")[-1]
    assert stall.kind is NudgeKind.STALL
    assert "has no done marker" in stall.text
    world.takes("builder")
    world.rests("builder")
    world.tick(301)
    assert world.starts("builder") == 2


def completed(on_complete: str = "") -> World:
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, on_complete=on_complete))
    world.rests("builder", "adversary", "orchestrator")
    world.finish_phase("D1")
    world.rests("builder", "adversary")
    world.finish_phase("E1")
    return world


def test_incident_12_after_completion_only_the_wakes_of_loop_agents_stop():
    world = completed()
    assert world.state.loop.complete
    assert {world.life("builder"), world.life("adversary")} == {Life.OFF}
    world.tick(HOUR + 1)
    assert world.sent("orchestrator")[-1].kind is NudgeKind.WAKE
    world.takes("orchestrator")
    world.rests("orchestrator")
    world.tick(HOUR + 1)
    assert len([n for n in world.sent("orchestrator") if n.kind is NudgeKind.WAKE]) == 2


def test_incident_13_completion_is_said_once_and_restarts_nothing():
    world = completed("report")
    assert world.starts("report") == 1
    world.exits("report", code=0)
    starts = world.starts("builder")
    for _ in range(10):
        world.tick(5 * MINUTE)
        world.edit(replace(world.config, digest=f"{world.config.digest}."))
        world.crash()
        world.begin()
        world.push("docs: more", status=done("E1"))
    assert len(world.happened(ev.SequenceCompleted)) == 1
    assert world.starts("report") == 1
    assert world.starts("builder") == starts


def test_after_completion_nobody_waits_to_be_told_of_a_phase_that_is_over():
    world = World(project(BUILDER, ADVERSARY))
    world.rests("builder", "adversary")
    world.finish_phase("D1")
    world.works("adversary")  # busy: what it should be told of the next claim waits, and is overtaken
    world.finish_phase("E1")
    assert world.state.loop.complete
    queued = {e.id for e in world.happened(ev.NudgeQueued) if e.agent == "adversary"}
    told = {e.id for e in world.happened(ev.NudgeDelivered) if e.agent == "adversary"}
    dropped = {e.id for e in world.happened(ev.NudgeDropped) if e.agent == "adversary"}
    assert queued - told == dropped != set()
    assert not world.agent("adversary").nudges


def test_incident_14_nothing_is_journaled_after_completion_while_nothing_happens():
    world = completed()
    world.told("down", "orchestrator")
    before = len(world.journal)
    world.tick(DAY)
    world.push("claim(E1): once more", "src/b.py")
    assert world.journal[before:] == []


def test_incident_15_every_observation_and_every_timer_can_be_decided_on():
    """The property tests do this at large; this is the first tick of every start."""
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, LOGS))
    for name in world.config.agents:
        world.see(ob.Tick(world.now, (name, "")))
        world.see(ob.Looked(world.now, name, world.agent(name).incarnation, (), 0.0))
    world.tick(DAY)


def test_incident_21_a_new_start_keeps_the_phase():
    world = World()
    world.rests()
    world.finish_phase("D1")
    world.told("down")
    world.crash()
    world.begin(up=True)
    assert world.state.loop.phase == "2"
    world.reboot()
    assert world.state.loop.phase == "2"
    assert world.agent("builder").phase == "2"


def test_incident_24_a_phase_ends_in_the_same_step_as_its_last_evidence():
    world = World()
    world.rests()
    world.claims()
    world.push("docs: done", status=done("D1"))
    assert world.state.loop.phase == "1"
    world.passes()
    assert world.state.loop.phase == "2"
    assert world.agent("builder").phase == "2"
    assert world.agent("builder").model == "large"


# ---- one supervisor, one truth ---------------------------------------------------------------------------------------


def test_incident_16_a_nudge_that_was_not_taken_up_is_submitted_again_and_never_lost():
    world = World()
    world.rests()
    world.claims()
    nudge = world.sent("adversary")[0]
    world.see(ob.Sent(world.now, "adversary", nudge.id, "unconfirmed"))
    world.tick(29)
    assert len(world.sent("adversary")) == 1
    world.tick(1)
    assert [n.id for n in world.sent("adversary")] == [nudge.id, nudge.id]  # the same id: its text is not typed again


def test_incident_18_a_second_supervisor_starts_nothing_that_runs():
    world = World()
    world.rests()
    world.claims()
    before = {name: world.starts(name) for name in world.config.agents}
    world.crash()
    actions = world.begin()
    assert [a for a in actions if isinstance(a, Start | End)] == []
    assert [a.nudge.id for a in actions if isinstance(a, Send)] == [world.sent("adversary")[0].id]
    assert {name: world.starts(name) for name in world.config.agents} == before


def test_incident_18_a_session_that_the_journal_does_not_know_is_ended_before_another_is_started():
    world = World(up=False)
    world.ends = False
    world.held["builder"] = ob.Adopted("builder", 4, 99, True)
    world.begin(up=True)
    assert world.starts("builder") == 0
    assert world.acted(End, "builder") == [End("builder", 4, 10.0)]
    world.exits("builder", signal=15)
    assert world.acted(Start, "builder") == [Start("builder", 5)]


def test_incident_19_a_session_that_cannot_be_started_is_tried_again_and_said():
    world = World(project(BUILDER), up=False)
    world.spawns = False
    world.told("up")
    for _ in range(30):
        if world.life("builder") is Life.STARTING:
            reason = "No space left on device"
            world.see(ob.SpawnRefused(world.now, "builder", world.agent("builder").incarnation, reason))
        world.tick(10 * MINUTE)
    assert [n for n in world.notices() if "No space left" in n]
    assert world.starts("builder") >= 12  # once an hour, for ever
    world.spawns = True
    world.tick(HOUR)
    assert world.life("builder") is Life.RUNNING


def test_incident_20_the_kickoff_says_where_state_files_belong():
    with open(os.path.join(ROOT, "prompts", "kickoff.md"), encoding="utf-8") as file:
        text = file.read()
    assert "machine-docs" in text
    assert "{status}" in text


def test_incident_22_names_are_matched_exactly():
    world = World(project(agent("assistant", Kind.PERSISTENT), agent("assistant3", Kind.PERSISTENT)))
    world.told("down", "assistant")
    assert world.life("assistant") is Life.OFF
    assert world.life("assistant3") is Life.RUNNING
    world.held["other"] = ob.Adopted("other", 1, 5, True)
    actions = world.begin()
    assert End("other", 1, 0.0) in actions
    assert world.life("assistant3") is Life.RUNNING


def test_incident_23_the_configuration_is_the_only_truth():
    world = World(project(BUILDER, ADVERSARY, phases=(PHASE_1, PHASE_2)))
    world.told("up", "builder", model="huge")
    world.told("down", "builder")
    world.told("up", "builder", model="huge")
    assert world.agent("builder").model == "huge"
    world.exits("builder", code=1)
    world.tick(MINUTE)
    assert world.agent("builder").model == "small"  # a one-shot override holds for one start
    world.edit(with_agents(world.config, builder={"model": "medium"}))
    world.exits("builder", code=1)
    world.tick(MINUTE)
    assert world.agent("builder").model == "medium"
