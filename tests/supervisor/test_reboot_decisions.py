"""A reboot is told by the boot id alone: recorded with what was in flight, said once to each persistent agent."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from brain_world import (
    ADVERSARY,
    BUILDER,
    HOUR,
    LOGS,
    MINUTE,
    ORCHESTRATOR,
    PHASE_1,
    REPORT,
    World,
    agent,
    project,
    with_agents,
)
from hypothesis import given
from hypothesis import strategies as st
from loops.agents import port
from loops.config.model import Kind
from loops.known.all import KNOWN
from loops.protocol.reboots import parse_reboots
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor.action import LogReboots
from loops.supervisor.past_reboots import Boots, boots
from loops.supervisor.reboot_log import RebootLog
from loops.supervisor.state import Life

ALL = project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, on_complete="report")


def test_a_new_boot_id_is_a_reboot_with_its_number_its_times_and_the_phase():
    world = World(ALL)
    world.rests("builder", "adversary", "orchestrator")
    went_down = world.now
    world.now += 5 * MINUTE
    world.reboot()
    [event] = world.happened(ev.MachineRebooted)
    assert (event.count, event.previous, event.boot_id, event.phase) == (1, "boot-1", "boot-1+", "1")
    assert (event.down_since, event.at) == (went_down, went_down + 5 * MINUTE)
    assert event.in_flight == ()
    world.reboot()
    assert [e.count for e in world.happened(ev.MachineRebooted)] == [1, 2]
    assert len([n for n in world.notices() if "was rebooted" in n]) == 2


def test_what_happened_before_it_saw_its_sessions_does_not_move_the_time_of_the_fall():
    world = World(ALL)
    world.works("builder")
    went_down = world.now
    world.now += HOUR
    world.held.clear()
    world.crash()
    world.edit(replace(ALL, digest="edited while nobody supervised"))
    world.boot = "boot-2"
    world.began(down_since=went_down)
    assert world.happened(ev.MachineRebooted)[0].down_since == went_down
    assert world.happened(ev.SessionEnded, "builder")[0].over_since == went_down


def test_a_manual_restart_is_no_reboot_and_the_first_boot_neither():
    world = World(ALL)
    for _ in range(3):
        world.crash()
        world.begin()
    world.held.clear()  # the holder too
    world.crash()
    world.begin()
    assert world.happened(ev.MachineRebooted) == []
    assert world.acted(LogReboots) == []
    assert "the machine was rebooted" not in world.agent("builder").why


def test_a_boot_id_that_nobody_knows_counts_never_and_is_said():
    world = World(ALL)
    world.held.clear()
    world.crash()
    world.boot = ""
    world.began()
    assert world.happened(ev.MachineRebooted) == []
    assert any("boot id cannot be read" in n for n in world.notices())
    assert world.state.boot_id == "boot-1", "the last that is known stays"
    world.crash()
    world.begin(boot="boot-1")
    assert world.happened(ev.MachineRebooted) == []
    world.reboot()
    assert len(world.happened(ev.MachineRebooted)) == 1


def test_a_new_boot_id_beside_sessions_that_live_on_is_no_reboot_and_is_said():
    world = World(ALL)
    world.crash()
    world.begin(boot="made up")
    assert world.happened(ev.MachineRebooted) == []
    assert any("live on: that is no reboot" in n for n in world.notices())


# ---- what was in flight ------------------------------------------------------------------------------------------------


def test_what_was_in_flight_is_told_in_words_and_as_facts():
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, phases=(replace(PHASE_1, checks=("true",)),)))
    world.works("builder")
    world.rests("orchestrator")
    sha = world.claims("D1")
    world.rests("adversary")
    world.tick(1)
    world.told("nudge", "orchestrator", detail="read this")
    world.says("builder", port.ApprovalAsked("builder.1-a1", "Bash: curl https://secret"))
    world.reboot()
    event = world.happened(ev.MachineRebooted)[0]
    assert event.document["claim"] == {"commit": sha, "labels": ["D1"], "author": "builder@x"}
    assert [e["agent"] for e in event.document["turns"]] == ["builder"]
    assert {(e["kind"], e["agent"], e["sending"]) for e in event.document["nudges"]} == {
        ("claim", "adversary", True),
        ("operator", "orchestrator", True),
    }
    text = "; ".join(event.in_flight)
    assert f"claim {sha[:10]} (D1) waited for its verdict" in text
    assert "builder was in a turn since 2027-01-15T08:00:00Z" in text
    assert "(operator) was being typed into orchestrator" in text
    assert "approval builder.1-a1 waited for a person" in text
    assert "secret" not in text, "what an agent wrote is not quoted"


def test_a_check_run_a_window_a_start_and_an_end_were_in_flight_too():
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, phases=(replace(PHASE_1, checks=("true",)),)))
    world.rests("builder", "adversary")
    world.works("orchestrator")
    world.finish_phase("D1")
    world.says("orchestrator", port.LimitReached("You've hit your 5-hour limit", world.now + HOUR, structured=True))
    world.ends = world.spawns = False
    world.exits("adversary", code=1)
    world.told("down", "builder")
    world.reboot()
    event = world.happened(ev.MachineRebooted)[0]
    assert event.document["check"]["phase"] == "1"
    assert event.document["starting"] == ["adversary"]
    assert event.document["ending"] == [{"agent": "builder", "again": False}]
    assert event.document["holds"][0]["agent"] == "orchestrator"
    text = "; ".join(event.in_flight)
    assert "the checks of phase 1 ran at" in text
    assert "orchestrator was left alone (limit) until" in text
    assert "hit your" not in text


def test_a_claim_that_has_its_verdict_is_not_in_flight():
    world = World(ALL)
    world.rests()
    world.claims("D1")
    world.passes("D1")
    world.reboot()
    assert "claim" not in world.happened(ev.MachineRebooted)[0].document


def test_many_things_of_one_kind_are_counted_and_not_all_told():
    agents = [agent(f"a{n}", Kind.PERSISTENT) for n in range(40)]
    world = World(project(*agents))
    world.works()
    world.reboot()
    event = world.happened(ev.MachineRebooted)[0]
    assert len(event.document["turns"]) == 40
    assert len(event.in_flight) == 13
    assert event.in_flight[-1] == "28 more like the last"


# ---- who is told -------------------------------------------------------------------------------------------------------


def told_of_reboots(world: World, name: str) -> list[str]:
    return [e.cause for e in world.happened(ev.NudgeQueued, name) if e.kind == "reboot"]


def test_each_persistent_agent_that_is_wanted_is_woken_once_for_each_boot():
    second, off = agent("second", Kind.PERSISTENT), agent("off", Kind.PERSISTENT, enabled=False)
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, second, off, agent("stopped", Kind.PERSISTENT)))
    world.told("down", "stopped")
    world.rests()
    world.reboot()
    world.crash()
    world.begin()
    for name in ("orchestrator", "second"):
        assert told_of_reboots(world, name) == ["reboot 1"]
    for name in ("builder", "adversary", "off", "stopped"):
        assert told_of_reboots(world, name) == []
    world.edit(with_agents(world.config, off={"enabled": True}))
    assert told_of_reboots(world, "off") == [], "it was not there"
    world.reboot()
    assert told_of_reboots(world, "orchestrator") == ["reboot 1", "reboot 2"]


def test_the_nudge_says_when_how_often_which_phase_and_what_was_in_flight():
    world = World(ALL)
    world.works("builder")
    world.now += 10 * MINUTE
    world.reboot()
    world.says("orchestrator", port.ConversationNamed("c-1"), port.TurnStarted(), port.TurnEnded())
    nudge = world.takes("orchestrator")
    assert "down since 2027-01-15T08:00:00Z, back 2027-01-15T08:10:00Z, 10m 00s later; reboot 1" in nudge.text
    assert "Phase 1." in nudge.text
    assert "builder was in a turn since 2027-01-15T08:00:00Z" in nudge.text
    assert "REBOOTS.md" in nudge.text


def test_a_limit_window_defers_the_nudge_and_loses_it_not():
    world = World(project(ORCHESTRATOR, BUILDER, ADVERSARY))
    world.works("orchestrator")
    world.says("orchestrator", port.LimitReached("limit", world.now + HOUR, structured=True))
    world.reboot()
    world.tick(HOUR - MINUTE)
    assert world.sent("orchestrator") == []
    world.tick(2 * MINUTE)
    world.rests("orchestrator")
    assert [n.kind.value for n in world.sent("orchestrator")] == ["reboot"]
    world.takes("orchestrator")
    world.tick(HOUR / 2)
    assert [n.kind.value for n in world.sent("orchestrator")] == ["reboot"]


def test_a_nudge_that_a_second_reboot_cut_off_is_brought_again_beside_the_second():
    world = World(ALL)
    world.rests()
    world.reboot()
    world.rests("orchestrator")  # it is being typed
    world.reboot()
    world.rests("orchestrator")
    first = world.takes("orchestrator")
    world.says("orchestrator", port.TurnEnded())
    second = world.takes("orchestrator")
    assert [first.cause, second.cause] == ["reboot 1", "reboot 2"]
    assert "1 of this project" in first.text
    assert f"nudge {first.id} (reboot) was being typed into orchestrator" in second.text


def test_the_orchestrator_is_woken_after_the_completion_too():
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, phases=(PHASE_1,)))
    world.rests()
    world.finish_phase("D1")
    world.reboot()
    world.rests("orchestrator")
    assert "All phases are done." in world.takes("orchestrator").text
    assert world.life("builder") is Life.OFF or world.life("builder") is Life.ENDED


def test_no_terminal_program_would_take_the_nudge_for_a_limit_or_an_error():
    world = World(ALL)
    world.works("builder")
    world.says(
        "builder", port.LimitReached("You've hit your 5-hour limit · resets 3pm", world.now + HOUR, structured=True)
    )
    world.works("adversary")
    world.says("adversary", port.Blocked("auth", "Invalid API key · Please run /login"))
    world.reboot()
    text = next(n.text for n in world.agent("orchestrator").nudges)
    assert "left alone (limit)" in text
    patterns = [each.pattern for known in KNOWN.values() for each in known.texts]
    assert len(patterns) > 20
    assert [pattern for pattern in patterns if re.search(pattern, text)] == []


def test_who_went_down_with_the_machine_is_resumed_and_told_so_until_its_next_turn():
    world = World(ALL)
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.reboot()
    builder = world.agent("builder")
    assert (builder.conversation, builder.resuming, builder.phase, builder.reboot) == ("c-1", True, "1", 1)
    world.works("builder")
    assert world.agent("builder").reboot == 0


def test_after_a_reboot_that_its_row_may_lack_every_supervisor_sees_to_it():
    world = World(ALL)
    world.reboot()
    assert world.acted(LogReboots) == [LogReboots(1, world.happened(ev.MachineRebooted)[0])]
    world.crash()
    world.begin()
    assert world.acted(LogReboots)[-1] == LogReboots(1)


def test_how_each_session_came_back_is_told_by_the_journal():
    world = World(project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, LOGS))
    world.says("builder", port.ConversationNamed("c-1"), port.TurnStarted())
    world.told("up", "report")
    world.spawns = False
    world.exits("adversary", code=1)
    world.told("down", "orchestrator")
    world.reboot()
    first = world.happened(ev.MachineRebooted)[0]
    assert boots(world.journal).reboots[0].came_back == {
        "builder": "resumed",
        "report": "started afresh",
        "cleanlogs": "started again",
    }
    world.see(ob.Spawned(world.now, "adversary", 2, 5))
    found = boots(world.journal)
    assert found.reboots[0].event == first
    assert found.reboots[0].came_back["adversary"] == "started again"
    assert found.reboots[0].resumed == "builder resumed; report started afresh; cleanlogs, adversary started again"
    assert found.last == "boot-1+"
    world.told("estop")
    world.reboot()
    assert boots(world.journal).reboots[1].came_back == {}


def test_a_journal_of_an_earlier_engine_knows_its_boot_and_no_reboot():
    assert boots([ev.SupervisorStarted(1.0, 2, 1, "b1", "0"), ev.SupervisorStarted(2.0, 2, 2, "", "0")]) == Boots(
        (), "b1"
    )
    assert boots([]) == Boots((), "")


# ---- the file ----------------------------------------------------------------------------------------------------------


def lives(count: int) -> World:
    world = World(ALL)
    for _ in range(count):
        world.works("builder")
        world.now += HOUR
        world.reboot()
    return world


def counts(folder: Path) -> list[int]:
    return [each.number for each in parse_reboots((folder / "REBOOTS.md").read_text())]


def test_each_row_is_written_once_wherever_the_supervisor_is_killed(tmp_path: Path):
    world = lives(4)
    acts = world.acted(LogReboots)
    assert len(acts) == 4
    for kill in range(len(acts) + 1):
        folder = tmp_path / str(kill)
        folder.mkdir()
        first = RebootLog(str(folder), lambda: world.journal)
        for act in acts[:kill]:
            first.bring(act)
        second = RebootLog(str(folder), lambda: world.journal)
        second.bring(LogReboots(4))
        second.bring(acts[-1])
        assert counts(folder) == [1, 2, 3, 4]


def test_the_journal_is_read_again_only_when_another_row_is_missing_than_the_one_at_hand(tmp_path: Path):
    world = lives(2)
    first, second = world.acted(LogReboots)
    reads: list[int] = []

    def journal() -> list[ev.Event]:
        reads.append(1)
        return world.journal

    log = RebootLog(str(tmp_path), journal)
    log.bring(first)
    log.bring(second)
    log.bring(LogReboots(2))
    assert (counts(tmp_path), reads) == ([1, 2], [])
    (tmp_path / "REBOOTS.md").unlink()
    log.bring(second)
    assert (counts(tmp_path), reads) == ([1, 2], [1])


@given(st.integers(0, 1200))
def test_a_row_that_was_cut_off_is_written_anew(cut: int):
    import tempfile

    world = lives(3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "REBOOTS.md")
        RebootLog(folder, lambda: world.journal).bring(LogReboots(3))
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - cut)])
        RebootLog(folder, lambda: world.journal).bring(LogReboots(3))
        assert path.read_bytes() in (whole, whole[:-1])


def test_a_disk_that_takes_nothing_is_told_and_the_next_try_writes_all(tmp_path: Path):
    world = lives(2)
    log = RebootLog(str(tmp_path / "gone"), lambda: world.journal)
    with pytest.raises(OSError, match="gone"):
        log.bring(LogReboots(2))
    (tmp_path / "gone").mkdir()
    log.bring(LogReboots(2))
    assert counts(tmp_path / "gone") == [1, 2]
