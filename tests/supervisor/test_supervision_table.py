"""The design's table of supervision, row by row, and what follows from it."""

from __future__ import annotations

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
from loops.config.model import Backoff, Budget, Delivery, Item, Kind, Phase, Watch
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor.action import End, Leave, RunChecks, Send, Start
from loops.supervisor.state import Life, NudgeKind, Turn

# ---- a process dies ----------------------------------------------------------------------------------------------------


def test_a_dead_process_is_started_again_at_once_the_first_time_then_with_growing_pauses():
    world = World(project(BUILDER, backoff=Backoff(first=1, factor=2, max=300, jitter=0)))
    pauses = []
    for _ in range(6):
        world.exits("builder", code=1)
        pauses.append(
            max(0.0, world.agent("builder").restart_at - world.now) if world.life("builder") is Life.BACKOFF else 0
        )
        world.tick(pauses[-1])
    assert pauses == [0, 1, 2, 4, 8, 16]


def test_the_pauses_are_jittered_and_yet_the_same_at_every_replay():
    def pause(name: str) -> float:
        world = World(project(agent(name, Kind.PERSISTENT), backoff=Backoff(first=100, jitter=0.5)))
        world.exits(name, code=1)
        world.exits(name, code=1)
        return world.agent(name).restart_at - world.now

    assert pause("a") == pause("a")
    assert pause("a") != pause("b")
    assert 50 <= pause("a") <= 100


def test_a_crash_loop_is_parked_shown_and_tried_once_an_hour():
    world = World(project(BUILDER))
    for _ in range(10):
        world.exits("builder", code=1)
        if world.life("builder") is Life.BACKOFF:
            world.tick(world.agent("builder").restart_at - world.now)
    assert world.life("builder") is Life.PARKED
    assert len([n for n in world.notices() if "crash loop" in n]) == 1
    starts = world.starts("builder")
    world.tick(3599)
    assert world.starts("builder") == starts
    world.tick(2)
    assert world.starts("builder") == starts + 1
    world.tick(MINUTE)  # it has become healthy
    world.exits("builder", code=1)
    assert world.starts("builder") == starts + 2


def test_a_failed_resume_is_followed_by_one_fresh_start():
    world = World(project(BUILDER))
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.exits("builder", code=1)
    assert world.agent("builder").resuming
    world.exits("builder", code=1)
    world.tick(1)
    assert not world.agent("builder").resuming
    assert "resume-failed" in world.rules("builder")


def test_a_resumed_session_that_lived_for_long_keeps_its_conversation():
    world = World(project(BUILDER))
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.exits("builder", code=1)
    world.says("builder", port.Ready())
    world.tick(2 * MINUTE)
    world.exits("builder", code=1)
    assert world.agent("builder").conversation == "c-1"


def test_a_task_runs_once_and_its_end_is_its_result():
    world = World(project(BUILDER, REPORT))
    assert world.starts("report") == 0
    world.told("up", "report")
    world.exits("report", code=3)
    world.tick(DAY)
    assert world.starts("report") == 1
    assert any("report ended badly: exit 3" in n for n in world.notices())


def test_an_agent_that_nobody_watches_stays_ended_until_asked_for():
    world = World(project(BUILDER, agent("helper", Kind.PERSISTENT, watch=Watch.NONE)))
    world.exits("helper", code=0)
    world.tick(DAY)
    assert world.life("helper") is Life.ENDED
    world.told("up")
    assert world.life("helper") is Life.RUNNING


def test_a_service_is_healed_and_never_judged_for_its_silence():
    world = World(project(BUILDER, replace(LOGS, watch=Watch.HEAL_STALL)))
    world.tick(DAY)
    assert world.acted(End, "cleanlogs") == []
    world.exits("cleanlogs", code=1)
    assert world.starts("cleanlogs") == 2


# ---- the holder, the machine, the supervisor ---------------------------------------------------------------------------


def test_agents_whose_terminal_is_gone_are_resumed_once_with_the_reason():
    world = World()
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.tick(5 * MINUTE)
    world.reboot()
    assert world.starts("builder") == 2
    assert world.agent("builder").conversation == "c-1"
    assert world.agent("builder").why == "the machine was rebooted"
    assert world.agent("builder").failures == 0


def test_a_task_that_a_reboot_took_runs_again():
    world = World(project(BUILDER, REPORT))
    world.told("up", "report")
    world.reboot()
    assert world.starts("report") == 2
    world.exits("report", code=0)
    world.reboot()
    assert world.starts("report") == 2


def test_a_supervisor_that_died_after_its_intent_carries_it_out():
    world = World(up=False)
    world.spawns = False
    world.told("up")
    world.crash()
    actions = world.begin()
    assert Start("builder", 1) in actions
    assert Start("adversary", 1) in actions


def test_an_intent_to_start_is_forgotten_when_meanwhile_nobody_wants_it():
    world = World(up=False)
    world.spawns = False
    world.told("up")
    world.told("estop")
    world.crash()
    assert [a for a in world.begin() if isinstance(a, Start)] == []
    assert world.life("builder") is Life.OFF


def test_a_supervisor_that_died_in_a_send_sends_the_same_nudge_again():
    world = World()
    world.rests()
    world.claims()
    first = world.sent("adversary")[0]
    world.crash()
    world.begin()
    assert world.sent("adversary")[1].id == first.id
    assert len(world.agent("adversary").nudges) == 1


def test_a_check_that_was_under_way_is_asked_for_again():
    world = World(project(BUILDER, ADVERSARY, phases=(replace(PHASE_1, checks=("true",)),)))
    world.rests()
    world.claims()
    world.passes()
    world.marks_done()
    check = world.acted(RunChecks)[0]
    world.crash()
    assert check in world.begin()


# ---- limits and providers ------------------------------------------------------------------------------------------------


def test_the_window_ends_at_the_reset_plus_slack_then_one_probe_is_sent():
    world = World(project(BUILDER, limit_reset_slack=45))
    world.works()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.tick(HOUR + 44)
    assert world.sent("builder") == []
    world.tick(1)
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.PROBE]


def test_a_probe_proves_itself_by_a_turn_that_goes_through():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.tick(HOUR + 45)
    world.takes("builder")
    assert world.agent("builder").hold is not None
    world.tick(10)
    world.says("builder", port.TurnEnded())
    assert world.agent("builder").hold is None


def test_without_a_reset_time_the_probe_comes_after_the_flat_interval():
    world = World(project(BUILDER, limit_probe_fallback=300))
    world.works()
    world.says("builder", port.LimitReached("limit", structured=True))
    world.tick(299)
    assert world.sent("builder") == []
    world.tick(1)
    assert len(world.sent("builder")) == 1


def test_a_window_survives_the_supervisor_and_the_machine():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.reboot()
    assert world.starts("builder") == 1
    world.tick(HOUR + 46)
    assert world.starts("builder") == 2


def test_a_probe_that_was_refused_is_not_repeated_before_the_next_interval():
    world = World(project(BUILDER))
    world.works()
    limit = port.LimitReached("limit", structured=True)
    world.says("builder", limit)
    world.tick(300)
    probe = world.sent("builder")[0]
    world.says("builder", limit)
    world.see(ob.Sent(world.now, "builder", probe.id, "unconfirmed"))
    world.tick(299)
    assert len(world.sent("builder")) == 1
    world.tick(2)
    assert len(world.sent("builder")) == 2


def test_a_conversation_that_is_found_poisoned_in_a_window_is_replaced_after_it():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.says("builder", port.Fatal("cannot be modified"))
    world.tick(HOUR)
    assert world.acted(End) == []
    world.tick(46)
    world.takes("builder")
    world.says("builder", port.Fatal("cannot be modified"))  # the provider answers again, and this is what it says
    assert world.agent("builder").hold is None
    assert world.starts("builder") == 2


def test_a_probe_that_met_a_persons_line_is_tried_again_and_not_doubled():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.LimitReached("limit", structured=True))
    world.tick(300)
    for _ in range(20):
        nudge = world.agent("builder").nudges[0]
        world.see(ob.Sent(world.now, "builder", nudge.id, "human"))
        world.tick(MINUTE)
    assert {n.id for n in world.sent("builder")} == {nudge.id}


def test_a_provider_that_is_away_is_left_alone_with_growing_pauses_and_said_once():
    world = World(project(BUILDER))
    world.works()
    untils = []
    for _ in range(8):
        world.says("builder", port.ProviderUnavailable("overloaded"))
        untils.append(world.agent("builder").hold.until - world.now)
        world.tick(untils[-1])
    assert untils == [15, 30, 60, 120, 240, 300, 300, 300]
    assert len([n for n in world.notices() if "overloaded" in n]) == 1
    assert world.acted(End) == []


def test_a_request_that_goes_through_shows_that_the_provider_is_back():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.ProviderUnavailable("overloaded"))
    world.says("builder", port.UsageReported(100, 5))
    assert world.agent("builder").hold is None


def test_an_agent_that_went_silent_in_an_outage_is_restarted_after_it():
    world = World(project(BUILDER, hang_after=1800))
    world.works()
    world.says("builder", port.ProviderUnavailable("overloaded"))
    world.tick(15 + 1801)
    assert world.starts("builder") == 2


def test_an_outage_does_not_shorten_a_limit_window():
    world = World(project(BUILDER))
    world.works()
    world.says("builder", port.LimitReached("limit", world.now + HOUR, structured=True))
    until = world.agent("builder").hold.until
    world.says("builder", port.ProviderUnavailable("overloaded"))
    assert world.agent("builder").hold.until == until


# ---- stalls ----------------------------------------------------------------------------------------------------------------


def test_an_idle_agent_gets_one_nudge_that_says_what_is_open_then_a_restart_with_resume():
    world = World(project(BUILDER, stall_grace=180))
    world.says("builder", port.ConversationNamed("c-1"))
    world.rests("builder", until=world.now + 10 * MINUTE)
    world.tick(10 * MINUTE + 179)
    assert world.sent("builder") == []
    world.tick(1)
    assert world.sent("builder")[0].kind is NudgeKind.STALL
    assert "D1: no verdict in this phase" in world.sent("builder")[0].text
    world.takes("builder")
    world.says("builder", port.TurnEnded())
    world.tick(300)
    assert world.starts("builder") == 2
    assert world.agent("builder").resuming


def test_real_work_after_the_nudge_makes_the_next_silence_a_new_one():
    world = World(project(BUILDER))
    world.rests("builder")
    world.tick(300)
    world.takes("builder")
    world.tick(10 * MINUTE)
    world.says("builder", port.TurnEnded())
    world.tick(300)
    assert world.starts("builder") == 1
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.STALL, NudgeKind.STALL]


def test_each_restart_for_a_stall_doubles_the_patience_so_that_a_stuck_agent_costs_ever_less():
    world = World(project(BUILDER))
    for _ in range(400):
        world.tick(MINUTE * 5)
        if any(n.sending for n in world.agent("builder").nudges):
            world.takes("builder")
        world.rests("builder")
    assert world.starts("builder") <= 14
    assert world.life("builder") is Life.RUNNING


def test_nothing_stalls_while_a_tool_call_runs():
    world = World(project(BUILDER, hang_after=1800))
    world.works("builder")
    for _ in range(20):
        world.outputs["builder"] = world.now
        world.tick(20 * MINUTE)
    assert world.acted(Send) == []
    assert world.acted(End) == []


def test_a_headless_agents_events_show_that_its_turn_goes_on():
    world = World(project(BUILDER, hang_after=1800))
    world.works("builder")
    for _ in range(100):
        world.tick(5 * MINUTE)
        world.says("builder", port.Working())
    assert world.acted(End) == []
    assert len(world.happened(ev.TurnGoesOn)) < 100  # not each of them is journaled


def test_a_persistent_agent_is_never_restarted_for_idleness():
    world = World(project(BUILDER, replace(ORCHESTRATOR, watch=Watch.HEAL_STALL, wake=None)))
    world.rests("orchestrator")
    world.tick(DAY)
    assert world.acted(End, "orchestrator") == []
    assert world.acted(Send, "orchestrator") == []


def test_a_stall_nudge_that_was_overtaken_by_work_is_dropped():
    world = World(project(BUILDER))
    world.rests("builder")
    world.tick(300)
    nudge = world.agent("builder").nudges[0]
    world.see(ob.Sent(world.now, "builder", nudge.id, "human"))
    world.works("builder")  # the person's own line began a turn
    assert world.waiting("builder") == []


# ---- nudges ------------------------------------------------------------------------------------------------------------------


def test_several_reviewers_are_all_told_of_a_claim():
    world = World(project(BUILDER, ADVERSARY, agent("second"), adversaries=("adversary", "second")))
    world.rests()
    world.claims()
    assert [n.kind for n in world.sent("adversary") + world.sent("second")] == [NudgeKind.CLAIM] * 2


def test_an_inbox_file_is_told_to_its_owner():
    world = World()
    world.rests()
    world.push("docs: a message", by="adversary", inbox="BUILDER-INBOX.md")
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.INBOX]
    assert world.sent("adversary") == []


def test_a_review_without_a_verdict_is_a_message():
    world = World()
    world.rests()
    world.push("review(D1): still looking", by="adversary", review="Looking at it.\n")
    assert [n.kind for n in world.sent("builder")] == [NudgeKind.MESSAGE]


def test_each_pushed_commit_is_acted_on_once():
    world = World()
    world.rests()
    sha = world.claims()
    world.takes("adversary")
    world.rests("adversary")
    world.see(ob.Pushed(world.now, sha, world._documented(world.history[-1:])))  # another clone shows the same
    world.crash()
    world.begin()
    assert len(world.happened(ev.CommitSeen)) == 1
    assert len(world.sent("adversary")) == 1


def test_a_claim_waits_for_a_reviewer_whom_the_operator_stopped():
    world = World()
    world.rests()
    world.told("down", "adversary")
    world.claims()
    world.tick(DAY)
    assert world.life("adversary") is Life.OFF
    assert world.waiting("adversary") == ["claim"]
    world.told("up", "adversary")
    world.rests("adversary")
    assert [n.kind for n in world.sent("adversary")] == [NudgeKind.CLAIM]


def test_a_claim_that_was_pushed_while_nobody_watched_is_not_lost():
    world = World()
    world.rests()
    world.commit("claim(D1): ready", "src/a.py", status=claimed("D1"))
    world.state = replace(world.state, loop=replace(world.state.loop, head=""))
    world.read_history()
    assert "open-claim" in world.rules("adversary")


def test_a_verdict_that_was_pushed_while_nobody_watched_is_not_lost():
    world = World()
    world.rests()
    world.commit("claim(D1): ready", "src/a.py", status=claimed("D1"))
    world.commit("review(D1): D1 PASS", review="## D1: PASS @2026-11-21T10:00:00Z\n")
    world.state = replace(world.state, loop=replace(world.state.loop, head=""))
    world.read_history()
    assert "open-verdict" in world.rules("builder")
    assert "open-claim" not in world.rules("adversary")


def test_one_nudge_at_a_time_and_only_to_an_idle_agent():
    world = World()
    world.works("adversary")
    world.claims()
    world.push("docs: a message", inbox="ADVERSARY-INBOX.md")
    assert world.sent("adversary") == []
    world.says("adversary", port.TurnEnded())
    assert len(world.sent("adversary")) == 1
    world.takes("adversary")
    world.says("adversary", port.TurnEnded())
    assert [n.kind for n in world.sent("adversary")] == [NudgeKind.CLAIM, NudgeKind.INBOX]


def test_an_open_line_of_a_person_is_waited_for_and_does_not_use_up_the_tries():
    world = World()
    world.rests()
    world.claims()
    for _ in range(100):
        world.see(ob.Sent(world.now, "adversary", world.agent("adversary").nudges[0].id, "human"))
        world.tick(MINUTE)
    assert world.agent("adversary").nudges[0].tries == 0
    assert world.starts("adversary") == 1


def test_a_busy_agent_that_takes_a_nudge_up_later_has_it():
    world = World()
    world.rests()
    world.claims()
    nudge = world.sent("adversary")[0]
    world.see(ob.Sent(world.now, "adversary", nudge.id, "unconfirmed"))
    world.works("adversary", nudge=nudge.id)
    assert world.waiting("adversary") == []


# ---- questions ---------------------------------------------------------------------------------------------------------------


def test_an_approval_is_shown_and_nothing_is_typed_or_judged_meanwhile():
    world = World()
    world.works("adversary")
    world.says("adversary", port.ApprovalAsked("a1", "run rm?"))
    assert any("run rm?" in notice for notice in world.notices())
    world.claims()
    world.tick(DAY)
    assert world.sent("adversary") == []
    assert world.acted(End, "adversary") == []
    world.says("adversary", port.ApprovalEnded("a1", "expired"))
    assert world.happened(ev.QuestionEnded)[-1].outcome == "expired"


def test_the_operator_answers_an_approval():
    world = World()
    world.works("builder")
    world.says("builder", port.ApprovalAsked("a1", "run rm?"))
    world.told("answered", "builder", detail="granted")
    assert world.agent("builder").question == ""


@pytest.mark.parametrize("signal", [port.TurnStarted(), port.TurnEnded(), port.Working(), port.Idle(), port.Ready()])
def test_a_dialog_that_a_person_closed_is_over(signal: port.Signal):
    world = World()
    world.works("builder")
    world.shows("builder", port.DialogShown("Trust this folder?"))
    assert world.agent("builder").question
    world.says("builder", signal)
    assert world.agent("builder").question == ""


# ---- phases ------------------------------------------------------------------------------------------------------------------


def test_a_finished_phase_starts_the_next_with_its_models_and_a_fresh_kickoff():
    world = World()
    world.rests()
    world.finish_phase("D1")
    starting = world.happened(ev.SessionStarting, "builder")[-1]
    assert (starting.phase, starting.model, starting.kickoff, starting.conversation) == ("2", "large", "kickoff", "")


def test_after_the_last_phase_the_task_runs_once_the_loops_stop_the_orchestrator_stays():
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, on_complete="report"))
    world.rests("builder", "adversary")
    world.finish_phase("D1")
    world.rests("builder", "adversary")
    world.finish_phase("E1")
    assert world.life("orchestrator") is Life.RUNNING
    assert world.life("builder") is Life.OFF
    assert world.starts("report") == 1


def test_an_appended_phase_resumes_and_the_task_runs_again_at_its_end():
    world = World(project(BUILDER, ADVERSARY, REPORT, on_complete="report", phases=(PHASE_1,)))
    world.rests("builder", "adversary")
    world.finish_phase("D1")
    world.exits("report", code=0)
    loop = replace(world.config.loop, phases=(PHASE_1, PHASE_2))
    world.edit(replace(world.config, loop=loop, digest="appended"))
    assert world.state.loop.phase == "2"
    assert world.life("builder") is Life.RUNNING
    world.rests("builder", "adversary")
    world.finish_phase("E1")
    assert world.starts("report") == 2


def test_a_phase_that_is_put_in_front_moves_nothing():
    world = World()
    world.rests()
    world.claims()
    starts = world.starts("builder")
    phases = (Phase("0", status="STATUS-0.md", items=(Item("Z"),)), *world.config.loop.phases)
    world.edit(replace(world.config, loop=replace(world.config.loop, phases=phases), digest="inserted"))
    assert (world.state.loop.phase, world.state.loop.index) == ("1", 1)
    assert world.starts("builder") == starts
    assert world.state.loop.evidence.claim is not None
    assert world.waiting("adversary") == ["claim"]


def test_a_phase_that_is_taken_out_while_it_runs_gives_way_to_the_next():
    world = World()
    world.edit(replace(world.config, loop=replace(world.config.loop, phases=(PHASE_2,)), digest="removed"))
    assert world.state.loop.phase == "2"


def test_done_is_refused_with_the_reasons_once():
    world = World()
    world.rests()
    world.marks_done()
    refusals = [n for n in world.sent("builder") if n.kind is NudgeKind.REFUSAL]
    assert len(refusals) == 1
    assert "no verdict" in refusals[0].text
    world.tick(MINUTE)
    world.edit(replace(world.config, digest="again"))
    assert len(world.happened(ev.DoneRefused)) == 1


def test_a_verdict_that_only_grows_older_is_refused_once():
    world = World()
    world.rests()
    world.claims()
    world.passes()
    world.tick(30 * HOUR)
    world.marks_done()
    refused = world.happened(ev.DoneRefused)
    assert refused[-1].rules == ("verdict-stale-age",)
    world.tick(5 * HOUR)
    world.push("docs: a note")
    assert len(world.happened(ev.DoneRefused)) == 1


def test_checks_run_at_the_claimed_commit_and_decide():
    world = World(project(BUILDER, ADVERSARY, phases=(replace(PHASE_1, checks=("true",)), PHASE_2)))
    world.rests()
    sha = world.claims()
    world.passes()
    world.marks_done()
    assert world.acted(RunChecks) == [RunChecks("1", sha, 1)]
    assert world.state.loop.phase == "1"
    world.see(ob.CheckEnded(world.now, "1", sha, False, "2 failed"))
    assert world.happened(ev.DoneRefused)[-1].rules == ("check-failed",)
    again = world.claims()
    world.passes()
    world.marks_done()
    world.see(ob.CheckEnded(world.now, "1", sha, True, ""))  # of the old commit
    assert world.state.loop.phase == "1"
    world.see(ob.CheckEnded(world.now, "1", again, True, ""))
    assert world.state.loop.phase == "2"


# ---- the operator ------------------------------------------------------------------------------------------------------------


def test_what_the_operator_stopped_stays_stopped():
    world = World()
    world.told("down", "builder")
    world.rests("adversary")
    world.finish_phase("D1")
    world.edit(replace(world.config, digest="edited"))
    world.reboot()
    world.tick(DAY)
    assert world.starts("builder") == 1
    assert world.life("builder") is Life.OFF


def test_a_project_that_is_down_is_left_when_all_has_ended():
    world = World()
    world.ends = False
    world.told("down")
    assert world.acted(Leave) == []
    world.exits("builder", signal=15)
    world.exits("adversary", signal=15)
    assert world.acted(Leave) == [Leave()]


def test_an_agent_that_was_asked_for_alone_is_healed_though_the_project_is_down():
    world = World(up=False)
    world.told("up", "builder")
    assert world.agent("builder").phase == "1"
    world.exits("builder", code=1)
    world.exits("builder", code=1)
    assert world.acted(Leave) == []
    world.tick(MINUTE)
    assert world.starts("builder") == 3
    assert world.starts("adversary") == 0


def test_nothing_moves_and_nothing_starts_after_an_emergency_stop():
    world = World(project(BUILDER, ADVERSARY, REPORT, on_complete="report", phases=(PHASE_1,)))
    world.rests()
    world.claims()
    world.passes()
    world.ends = False
    world.told("estop")
    assert all(end.grace == 0 for end in world.acted(End))
    starts = len(world.acted(Start))
    world.marks_done()
    for name in ("builder", "adversary"):
        world.exits(name, signal=9)
    world.reboot()
    world.tick(DAY)
    assert len(world.acted(Start)) == starts
    assert world.state.loop.done == ()
    world.told("up")
    assert world.state.loop.done == ("1",)
    assert world.starts("report") == 1


def test_a_disabled_agent_lives_on_and_is_not_healed():
    world = World()
    world.works()
    world.edit(with_agents(world.config, builder={"enabled": False}))
    world.tick(DAY)
    assert world.life("builder") is Life.RUNNING
    world.exits("builder", code=1)
    world.tick(DAY)
    assert world.life("builder") is Life.OFF
    assert world.starts("builder") == 1


def test_an_agent_that_was_taken_out_of_the_file_is_ended_and_counts_on_when_it_comes_back():
    world = World()
    whole = world.config
    world.edit(replace(whole, agents={"adversary": ADVERSARY}, digest="less"))
    assert world.life("builder") is Life.OFF
    world.edit(replace(whole, agents={"adversary": ADVERSARY}, digest="less still"))
    world.edit(replace(whole, digest="more"))
    assert world.agent("builder").incarnation == 2


def test_a_bad_edit_is_said_once_and_the_good_file_stays_in_force():
    world = World()
    for _ in range(3):
        world.see(ob.ConfigBroken(world.now, "bad", ("line 3: unknown key",)))
    assert len(world.happened(ev.ConfigRefused)) == 1
    assert world.state.config == world.config
    world.see(ob.ConfigRead(world.now, world.config, world.journal[0].document))  # taken back
    assert world.state.refused_config == ""


def test_a_budget_that_is_used_up_ends_the_agent_until_the_operator_says_up():
    world = World(project(replace(BUILDER, budget=Budget(tokens=100)), ADVERSARY))
    world.works()
    world.says("builder", port.UsageReported(90, 20))
    assert world.life("builder") is Life.OFF
    world.tick(DAY)
    assert world.starts("builder") == 1
    world.told("up", "builder")
    assert world.life("builder") is Life.RUNNING


def test_a_missed_wake_is_not_made_up_for():
    world = World(project(BUILDER, ORCHESTRATOR))
    world.rests("orchestrator")
    world.told("down", "orchestrator")
    world.tick(3 * HOUR)
    world.told("up", "orchestrator")
    world.rests("orchestrator")
    world.tick(HOUR - 1)
    assert world.sent("orchestrator") == []
    world.tick(1)
    assert [n.kind for n in world.sent("orchestrator")] == [NudgeKind.WAKE]


def test_idle_costs_nothing():
    world = World(project(BUILDER, ADVERSARY, phases=(PHASE_1,)))
    world.rests("builder", "adversary", until=world.now + 10 * DAY)
    before = len(world.journal), len(world.all)
    world.tick(10 * DAY)
    assert (len(world.journal), len(world.all)) == before
    assert world.agent("builder").turn is Turn.IDLE
    assert done("D1")


# ---- coming and going of a session ---------------------------------------------------------------------------------------


def test_a_backend_that_takes_no_argument_gets_its_kickoff_typed_first_and_again_after_a_restart():
    config = project(BUILDER)
    typed = {name: replace(b, prompt_delivery=Delivery.PING) for name, b in config.backends.items()}
    world = World(replace(config, backends=typed))
    world.told("nudge", "builder", detail="hello")
    world.rests("builder")

    assert [n.kind for n in world.sent("builder")] == [NudgeKind.KICKOFF]

    world.exits("builder", code=1)
    world.rests("builder")
    assert world.sent("builder")[-1].kind is NudgeKind.KICKOFF
    assert world.sent("builder")[-1].cause == "start 2"


def test_an_agent_with_a_protocol_of_its_own_has_its_kickoff_in_its_order_and_is_typed_none():
    config = project(BUILDER)
    own = {name: replace(b, adapter="opencode", prompt_delivery=Delivery.PING) for name, b in config.backends.items()}
    world = World(replace(config, backends=own))
    world.rests("builder")
    assert world.sent("builder") == []


def test_an_agent_that_names_its_conversations_itself_has_none_to_resume_before_it_has_named_one():
    config = project(BUILDER)
    own = {name: replace(b, adapter="codex") for name, b in config.backends.items()}
    world = World(replace(config, backends=own))
    world.exits("builder", code=1)
    first, second = world.happened(ev.SessionStarting, "builder")
    assert (first.fresh_id, first.conversation) == ("", "")
    assert (second.fresh_id, second.conversation) == ("", "")


def test_a_session_that_is_ended_on_request_has_lived_since_it_began_to_run():
    world = World(project(BUILDER))
    world.works("builder")
    world.tick(10 * MINUTE)

    world.told("down", "builder")
    world.exits("builder", signal=15)

    assert world.happened(ev.SessionEnded, "builder")[-1].lived >= 10 * MINUTE


def test_an_emergency_stop_outlasts_a_supervisor_that_a_service_manager_starts_again():
    world = World(project(BUILDER))
    world.told("estop")
    world.exits("builder", signal=9)

    world.begin(up=True)

    assert world.life("builder") is Life.OFF
    world.told("up")
    assert world.life("builder") is not Life.OFF
