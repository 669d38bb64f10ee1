"""Tasks: run by their schedule once for each time that came, run by the operator, used when they run already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from brain_world import (
    BUILDER,
    DAY,
    HOUR,
    MINUTE,
    ORCHESTRATOR,
    REPORT,
    START,
    Leave,
    World,
    agent,
    project,
    with_agents,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.agents import port
from loops.config import calendar
from loops.config.model import Kind, Watch
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor import scheduling
from loops.supervisor.action import End
from loops.supervisor.decide import due
from loops.supervisor.state import Life

QUIET = replace(BUILDER, watch=Watch.HEAL)
HOURLY = agent("upgrader", Kind.TASK, watch=Watch.NONE, schedule="hourly UTC")
ASSISTANT = agent("assistant", Kind.PERSISTENT, watch=Watch.NONE, enabled=False)


class Scheduled(World):
    """A world with a wall clock, which somebody may set."""

    def __init__(self, *agents: object, up: bool = True, ours: bool = True) -> None:
        self.ahead = 0.0
        self.ours = ours
        super().__init__(project(*(agents or (QUIET, HOURLY)), phases=()), up=up)  # type: ignore[arg-type]
        self.look()

    @property
    def wall(self) -> float:
        return self.now + self.ahead

    def look(self, name: str = "upgrader") -> None:
        """The edge looks at the wall clock, as at each timer and each round of its net."""
        text = self.config.agents[name].schedule if name in self.config.agents else ""
        last = self.agent(name).due_last
        following = calendar.parse(text).next_after(scheduling.base(self.wall, last), UTC) if text else 0.0
        self.see(ob.Timed(self.now, name, text, self.wall, following or 0.0, self.ours))

    def pass_time(self, seconds: float, step: float = MINUTE) -> None:
        end = self.now + seconds
        while self.now < end:
            self.tick(min(step, end - self.now))
            self.look()

    def timer(self, name: str) -> None:
        """A timer of the service manager's elapses."""
        self.see(ob.Told(self.now, "due", (name,), wall=self.wall))

    def run_ends(self, code: int = 0) -> None:
        self.works("upgrader")
        self.exits("upgrader", code=code)


# ---- by the schedule ---------------------------------------------------------------------------------------------------


def test_a_schedule_is_counted_from_when_it_is_first_seen_and_nothing_runs_before() -> None:
    world = Scheduled()
    scheduled = world.happened(ev.TaskScheduled, "upgrader")
    assert [(e.schedule, e.due) for e in scheduled] == [("hourly UTC", world.agent("upgrader").due)]
    assert START < world.agent("upgrader").due <= START + HOUR
    assert world.starts("upgrader") == 0


def test_a_task_runs_once_each_time_and_ends() -> None:
    world = Scheduled()
    for count in range(1, 4):
        world.pass_time(HOUR)
        assert world.starts("upgrader") == count
        world.run_ends()
        assert world.life("upgrader") is Life.ENDED
    assert "schedule" in world.rules("upgrader")


def test_times_that_nobody_could_keep_are_made_up_for_once() -> None:
    world = Scheduled()
    world.crash()
    world.now += 5 * HOUR
    world.begin()
    world.look()
    assert world.starts("upgrader") == 1
    assert "was missed by" in world.happened(ev.TaskDue)[0].why
    world.run_ends()
    world.look()
    assert world.starts("upgrader") == 1


@pytest.mark.parametrize("kept", range(1, 4))
def test_a_supervisor_killed_between_any_two_records_around_the_due_time_runs_it_exactly_once(kept: int) -> None:
    world = Scheduled()
    world.pass_time(world.agent("upgrader").due - world.wall - 1)
    before = len(world.journal)
    world.spawns = False
    world.tick(2)
    world.look()
    assert [e.type for e in world.journal[before:]] == ["task.due", "task.asked", "session.starting"]
    del world.journal[before + kept :]
    world.held.clear()
    world.spawns = True
    world.crash()
    world.begin()
    world.look()
    assert world.life("upgrader") is Life.RUNNING
    world.run_ends()
    world.look()
    assert len(world.happened(ev.SessionStarting, "upgrader")) == 1
    assert len(world.happened(ev.TaskDue, "upgrader")) == 1


def test_a_run_that_still_goes_on_is_not_doubled_and_that_is_said() -> None:
    world = Scheduled()
    world.pass_time(HOUR)
    world.works("upgrader")
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 1
    assert any("is not started a second time" in text for text in world.notices())
    assert "schedule-running" in world.rules("upgrader")
    world.exits("upgrader", code=0)
    assert world.starts("upgrader") == 1, "the passed over run was made up for"
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 2


@pytest.mark.parametrize("whose", ["upgrader", "builder"])
def test_in_a_limit_window_a_run_waits_for_its_end_and_then_comes_once(whose: str) -> None:
    world = Scheduled()
    if whose == "upgrader":
        world.told("run", "upgrader")
    world.works(whose)
    world.says(whose, port.LimitReached("usage limit", world.now + 3 * HOUR))
    if whose == "upgrader":
        world.exits("upgrader", code=1)
    before = world.starts("upgrader")
    world.pass_time(2 * HOUR + 30 * MINUTE)
    assert world.agent("upgrader").owed
    assert world.starts("upgrader") == before
    assert due(world.state, "upgrader") is not None
    world.pass_time(40 * MINUTE)
    assert world.starts("upgrader") == before + 1
    world.run_ends()
    assert world.starts("upgrader") == before + 1


def test_a_window_that_is_over_before_its_time_lets_the_run_begin_then() -> None:
    world = Scheduled()
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", world.now + 5 * HOUR))
    world.pass_time(2 * HOUR)
    assert world.starts("upgrader") == 0
    hold = world.agent("builder").hold
    assert hold is not None
    assert {e.until for e in world.happened(ev.TaskDeferred, "upgrader")} == {hold.until}
    world.now += MINUTE
    world.rests("builder")
    assert world.agent("builder").hold is None
    assert world.starts("upgrader") == 1


def test_a_provider_that_is_away_for_another_agent_does_not_keep_a_task_waiting() -> None:
    world = Scheduled()
    world.works("builder")
    world.says("builder", port.ProviderUnavailable("502"))
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 1


def test_a_project_that_is_down_runs_nothing_and_makes_up_for_it_once_when_it_is_up() -> None:
    world = Scheduled(up=False)
    world.pass_time(3 * HOUR)
    assert world.starts("upgrader") == 0
    world.told("up")
    world.look()
    assert world.starts("upgrader") == 1


@pytest.mark.parametrize("how", ["stopped by the operator", "disabled", "estop"])
def test_what_the_operator_keeps_from_running_does_not_run(how: str) -> None:
    world = Scheduled()
    if how == "disabled":
        world.edit(with_agents(world.config, upgrader={"enabled": False}))
    elif how == "estop":
        world.told("estop")
    else:
        world.told("down", "upgrader")
    world.pass_time(3 * HOUR)
    assert world.starts("upgrader") == 0
    assert scheduling.awaited(world.state, "upgrader") is None


def test_a_new_schedule_counts_from_now_and_none_at_all_ends_it() -> None:
    world = Scheduled()
    world.edit(with_agents(world.config, upgrader={"schedule": "daily UTC"}))
    assert scheduling.awaited(world.state, "upgrader") == 0.0
    world.look()
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 0
    world.edit(with_agents(world.config, upgrader={"schedule": ""}))
    world.look()
    world.pass_time(2 * DAY, step=HOUR)
    assert world.starts("upgrader") == 0
    assert world.agent("upgrader").due == 0.0


def test_a_schedule_that_is_never_due_again_waits_for_nothing() -> None:
    world = Scheduled(BUILDER, replace(HOURLY, schedule="2020-01-01"))
    assert world.happened(ev.TaskScheduled)[0].due == 0.0
    assert scheduling.awaited(world.state, "upgrader") is None


def test_a_clock_set_back_a_little_brings_no_time_twice() -> None:
    world = Scheduled()
    world.pass_time(HOUR)
    world.run_ends()
    world.ahead -= 30 * MINUTE
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 1
    world.pass_time(31 * MINUTE)
    assert world.starts("upgrader") == 2


def test_a_clock_that_was_wrong_by_a_year_does_not_silence_the_schedule_for_a_year() -> None:
    world = Scheduled()
    world.ahead = 365 * DAY
    world.pass_time(HOUR)
    world.run_ends()
    world.ahead = 0.0
    runs = world.starts("upgrader")
    world.pass_time(2 * HOUR)
    assert world.starts("upgrader") == runs + 1 or world.life("upgrader") is Life.RUNNING


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("wait", "wait", "kill", "reboot", "jump", "back", "end", "down", "up")),
            st.floats(1.0, 3 * HOUR),
        ),
        max_size=25,
    )
)
def test_whatever_happens_no_time_is_run_twice_and_no_two_runs_overlap(steps: list[tuple[str, float]]) -> None:
    world = Scheduled()
    for what, seconds in steps:
        match what:
            case "wait":
                world.pass_time(seconds, step=10 * MINUTE)
            case "kill":
                world.crash()
                world.now += seconds
                world.begin()
            case "reboot":
                world.reboot()
            case "jump":
                world.ahead += seconds
            case "back":
                world.ahead -= seconds
            case "end":
                if world.life("upgrader") is Life.RUNNING:
                    world.run_ends()
            case "down" | "up":
                world.told(what)
        world.look()
    times = [event.due for event in world.happened(ev.TaskDue, "upgrader")]
    assert times == sorted(set(times)), "a due time came twice"
    alive = 0
    for event in world.journal:
        if event.subject == "upgrader" and isinstance(event, ev.SessionStarting | ev.SessionEnded):
            alive += 1 if isinstance(event, ev.SessionStarting) else -1
            assert alive in (0, 1)


# ---- kept by a service manager -----------------------------------------------------------------------------------------


def test_where_a_timer_keeps_the_schedule_its_time_starts_nothing_and_the_next_one_is_known() -> None:
    world = Scheduled(ours=False)
    first = world.agent("upgrader").due
    world.pass_time(HOUR)
    assert world.starts("upgrader") == 0
    assert world.agent("upgrader").due == first + HOUR


def test_a_timer_s_word_runs_the_task_once_and_waits_in_a_limit_window() -> None:
    world = Scheduled(ours=False)
    world.timer("upgrader")
    assert world.starts("upgrader") == 1
    world.timer("upgrader")
    assert world.starts("upgrader") == 1
    assert any("is not started a second time" in text for text in world.notices())
    world.run_ends()
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", world.now + HOUR))
    world.timer("upgrader")
    world.timer("upgrader")
    assert world.starts("upgrader") == 1
    world.pass_time(2 * HOUR)
    assert world.starts("upgrader") == 2


def test_a_timer_s_word_does_not_start_what_the_operator_stopped() -> None:
    world = Scheduled(ours=False)
    world.told("down", "upgrader")
    world.timer("upgrader")
    assert world.starts("upgrader") == 0


# ---- by the operator ---------------------------------------------------------------------------------------------------


def test_a_run_that_is_asked_for_in_a_project_that_is_down_starts_the_task_alone() -> None:
    world = World(project(BUILDER, ORCHESTRATOR, REPORT, phases=()), up=False)
    world.told("run", "report")
    assert [world.life(name) for name in ("builder", "orchestrator", "report")] == [Life.OFF, Life.OFF, Life.RUNNING]
    assert not world.state.up


def test_a_finished_run_is_kept_to_be_looked_at_until_the_next_one_or_down() -> None:
    world = World(project(BUILDER, REPORT, phases=()), up=False)
    world.told("run", "report")
    world.works("report")
    world.exits("report", code=0)
    assert world.agent("report").shown
    assert not world.acted(Leave), "the supervisor left, and took the last screen with it"
    world.told("run", "report")
    assert not world.agent("report").shown
    world.exits("report", code=3)
    assert world.agent("report").shown
    world.told("down")
    assert world.acted(Leave)


def test_a_run_that_goes_on_is_used_and_words_reach_it_as_a_message() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report")
    world.told("run", "report")
    assert world.starts("report") == 1
    assert world.waiting("report") == []
    world.told("run", "report", detail="also the tokens")
    assert world.waiting("report") == ["operator"]
    world.rests("report")
    assert [nudge.text for nudge in world.sent("report")] == ["also the tokens"]


def test_words_that_a_task_did_not_read_before_it_ended_are_the_prompt_of_one_more_run() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report", detail="first")
    assert world.agent("report").words == "first"
    world.works("report")
    world.told("run", "report", detail="second")
    world.exits("report", code=0)
    assert world.starts("report") == 2
    assert world.agent("report").words == "second"
    assert world.waiting("report") == []
    world.works("report")
    world.exits("report", code=0)
    assert world.starts("report") == 2
    assert world.agent("report").words == ""


def test_words_that_a_task_did_not_read_are_not_lost_though_it_ended_while_no_supervisor_was_there() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report", detail="first")
    world.works("report")
    world.told("run", "report", detail="second")
    world.held["report"] = replace(world.held["report"], alive=False, code=0)
    world.crash()
    world.begin()
    assert world.starts("report") == 2
    assert world.agent("report").words == "second"


def test_words_survive_a_lost_session_and_no_further() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report", detail="look at D4")
    world.works("report")
    world.reboot()
    assert (world.life("report"), world.agent("report").words) == (Life.RUNNING, "look at D4")
    world.works("report")
    world.exits("report", code=0)
    world.told("run", "report")
    assert world.agent("report").words == ""


def test_a_fresh_run_ends_the_one_that_goes_on_and_begins_anew() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report", detail="old words")
    world.works("report")
    world.see(ob.Told(world.now, "run", ("report",), "new words", fresh=True))
    assert len(world.acted(End, "report")) == 1
    assert (world.life("report"), world.starts("report"), world.agent("report").words) == (Life.RUNNING, 2, "new words")


def test_a_run_asked_for_while_the_last_one_is_being_ended_comes_after_it() -> None:
    world = World(project(BUILDER, REPORT, phases=()))
    world.told("run", "report")
    world.ends = False
    world.told("down", "report")
    world.told("run", "report", detail="again")
    assert world.starts("report") == 1
    world.exits("report", signal=15)
    assert (world.life("report"), world.starts("report"), world.agent("report").words) == (Life.RUNNING, 2, "again")


def test_the_one_shot_assistant_is_started_used_and_resumed() -> None:
    world = World(project(BUILDER, ASSISTANT, phases=()))
    assert world.life("assistant") is Life.OFF
    world.told("run", "assistant", detail="where does phase 2 stand?")
    world.says("assistant", port.ConversationNamed("c-1"))
    world.rests("assistant")
    assert [nudge.text for nudge in world.sent("assistant")] == ["where does phase 2 stand?"]
    world.takes("assistant")
    world.rests("assistant")
    world.told("run", "assistant", detail="and D3?")
    assert world.starts("assistant") == 1
    world.exits("assistant", code=0)
    world.told("run", "assistant")
    assert world.happened(ev.SessionStarting, "assistant")[-1].conversation == "c-1"
    world.exits("assistant", code=0)
    world.see(ob.Told(world.now, "run", ("assistant",), fresh=True))
    assert world.happened(ev.SessionStarting, "assistant")[-1].conversation == ""


def test_a_run_counts_for_the_time_that_is_owed() -> None:
    world = Scheduled()
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", world.now + 3 * HOUR))
    world.pass_time(HOUR)
    assert world.agent("upgrader").owed
    world.told("run", "upgrader")
    world.run_ends()
    assert world.starts("upgrader") == 1
    assert not world.agent("upgrader").owed
