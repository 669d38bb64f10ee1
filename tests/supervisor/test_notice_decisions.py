"""Notices: what the operator is told, once for each event, and no more of it in an hour than they asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from brain_world import (
    BUILDER,
    DAY,
    HOUR,
    MINUTE,
    PHASE_1,
    REPORT,
    World,
    project,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.agents import port
from loops.config.model import Backoff, Budget, Config, NoticeKind, Notify, Watch
from loops.supervisor import events as ev
from loops.supervisor import explain, snapshot, table
from loops.supervisor import observation as ob
from loops.supervisor.action import Notify as Sends
from loops.supervisor.notices import PAUSES
from loops.supervisor.state import Life

QUIET = replace(BUILDER, watch=Watch.HEAL)
"""An agent that makes no events of its own by being silent for long."""
NTFY = Notify(ntfy="https://ntfy.invalid/topic")


def told(config: Config | None = None, *, answers: bool = True, **notify: object) -> Told:
    return Told(replace(config or project(QUIET), notify=replace(NTFY, **notify)), answers=answers)


class Told(World):
    """A world with one channel, which takes everything at once (with *answers*)."""

    def __init__(self, config: Config, *, answers: bool = True) -> None:
        self.answers = answers
        self.sent_notices: list[tuple[str, ...]] = []
        super().__init__(config)

    def _carry_out(self, action: object) -> None:
        super()._carry_out(action)  # type: ignore[arg-type]
        if isinstance(action, Sends):
            ids = tuple(notice.id for notice in action.notices)
            self.sent_notices.append(ids)
            if self.answers:
                self.see(ob.NoticeTried(self.now, ids, ("ntfy",)))

    def kinds(self) -> list[str]:
        return [e.kind for e in self.happened(ev.NoticeDue)]

    def texts_due(self) -> list[str]:
        return [e.text for e in self.happened(ev.NoticeDue)]

    def asks(self, number: int) -> None:
        """The builder waits for an approval: an event that makes a notice."""
        self.says("builder", port.ApprovalAsked(f"a{number}", "rm -rf / --secret=hunter2"))

    def fails(self, *ids: str, why: str = "the server answered 500") -> None:
        self.see(ob.NoticeTried(self.now, ids, failed=(("ntfy", why),)))

    def waiting_ids(self) -> list[str]:
        return [notice.id for notice in self.state.notices.waiting]


# ---- which events are told -----------------------------------------------------------------------------------------------


def test_a_phase_and_the_end_are_told_once():
    world = told(project(phases=(PHASE_1,)))
    world.rests()
    world.finish_phase("D1")
    assert world.kinds() == ["phase-done", "finished"]
    world.crash()
    world.begin()
    world.read_history()
    assert world.kinds().count("phase-done") == 1
    assert world.kinds().count("finished") == 1


def test_a_crash_loop_is_told_once_however_long_it_lasts():
    world = told(project(QUIET, backoff=Backoff(park_after=3)))
    for _ in range(8):
        world.now += 1
        world.exits("builder", code=1)
        world.tick(HOUR + 1 if world.life("builder") is Life.PARKED else 5)
    assert world.kinds() == ["crash-loop"]
    assert "builder is in a crash loop" in world.texts_due()[0]


def test_an_agent_that_cannot_be_started_is_told_without_its_reason():
    world = told(project(BUILDER, backoff=Backoff(park_after=1)))
    world.spawns = False
    world.exits("builder", code=1)
    world.tick(HOUR + MINUTE)
    world.see(ob.SpawnRefused(world.now, "builder", world.agent("builder").incarnation, "token hunter2"))
    assert set(world.kinds()) == {"crash-loop"}
    assert not any("hunter2" in text for text in world.texts_due())


def test_a_limit_whose_reset_is_far_is_told_at_once():
    world = told()
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", world.now + 5 * HOUR, structured=True))
    assert world.kinds() == ["limit"]
    world.tick(4 * HOUR)
    assert world.kinds() == ["limit"]


def test_a_limit_whose_reset_is_near_is_not_told():
    world = told()
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", world.now + HOUR, structured=True))
    world.tick(HOUR + 10 * MINUTE)
    assert world.kinds() == []


def test_a_limit_without_a_reset_is_told_once_when_it_has_lasted():
    world = told(limit_after=2 * HOUR)
    world.works("builder")
    world.says("builder", port.LimitReached("usage limit", None, structured=True))
    for _ in range(50):  # every probe meets it again
        world.tick(5 * MINUTE)
        if any(nudge.sending for nudge in world.agent("builder").nudges):
            world.takes("builder")
            world.says("builder", port.LimitReached("usage limit", None, structured=True))
    (due,) = world.happened(ev.NoticeDue)
    assert due.kind == "limit"
    assert abs(due.at - world.journal[0].at - 2 * HOUR) < 6 * MINUTE


def test_a_limit_that_ends_the_agent_each_time_is_still_one_window():
    """Each restart is a probe of its own: the window goes on until a turn went through."""
    world = told(limit_after=HOUR)
    for _ in range(20):
        world.works("builder")
        world.says("builder", port.LimitReached("usage limit", None, structured=True))
        world.now += 1
        world.exits("builder", code=1)
        world.tick(6 * MINUTE)
    assert world.kinds().count("limit") == 1


def test_a_limit_of_an_account_is_told_once_for_all_its_agents():
    world = told(project())
    for name in ("builder", "adversary"):
        world.works(name)
        world.says(name, port.LimitReached("usage limit", world.now + 5 * HOUR, structured=True))
    assert world.kinds() == ["limit"]
    assert len(world.happened(ev.HoldTold)) == 2


def test_two_windows_are_told_twice():
    world = told()
    for _ in range(2):
        world.works("builder")
        world.says("builder", port.LimitReached("usage limit", world.now + 3 * HOUR, structured=True))
        world.tick(3 * HOUR + MINUTE)
        world.takes("builder")
        world.rests("builder")
    assert world.kinds() == ["limit", "limit"]


def test_a_block_is_told_at_once_with_what_helps_and_not_with_what_was_said():
    world = told()
    world.works("builder")
    world.says("builder", port.Blocked("auth", "Invalid key sk-hunter2"))
    assert world.kinds() == ["blocked"]
    (text,) = world.texts_due()
    assert "loops nudge builder" in text
    assert "hunter2" not in text


def test_an_approval_is_told_by_the_command_that_answers_it_and_not_by_its_text():
    world = told()
    world.works("builder")
    world.asks(1)
    world.asks(1)
    assert world.kinds() == ["approval"]
    assert "loops approve builder" in world.texts_due()[0]
    assert "hunter2" not in json.dumps([ev.encode(e) for e in world.happened(ev.NoticeDue)])


def test_a_dialog_that_changes_its_words_is_told_once_a_turn():
    world = told()
    world.works("builder")
    for seconds in range(5):
        world.says("builder", port.DialogShown(f"continue? {seconds} s"))
    assert world.kinds() == ["approval"]


def test_a_budget_is_told_once_for_all_whom_it_stops():
    world = told(project(budget=Budget(tokens=10)))
    world.works("builder")
    world.says("builder", port.UsageReported(20, 5, None))
    assert world.kinds() == ["budget"]


def test_a_task_that_fails_is_told_and_one_that_succeeds_is_not():
    world = told(project(BUILDER, REPORT))
    for code, kinds in ((0, []), (3, ["task-failed"])):
        world.told("up", "report")
        world.exits("report", code=code)
        assert world.kinds() == kinds


# ---- the supervisor's own ------------------------------------------------------------------------------------------------


def test_a_supervisor_that_was_killed_is_told_by_its_successor():
    world = told()
    world.crash()
    world.begin()
    assert world.kinds() == ["takeover"]


def test_a_supervisor_that_said_goodbye_is_no_takeover():
    world = told()
    world.see(ob.Departs(world.now, "asked to"))
    world.crash()
    world.begin()
    assert world.kinds() == []


def test_another_holder_is_no_takeover():
    world = told()
    world.epoch -= 1
    world.begin()
    assert world.kinds() == []


def test_a_reboot_is_told_once_and_is_no_takeover():
    world = told()
    world.reboot()
    world.crash()
    world.begin()
    assert world.kinds() == ["reboot", "takeover"]
    assert "the machine was rebooted" in world.texts_due()[0]


def test_a_notice_that_was_being_sent_when_the_power_failed_is_never_sent_again():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.answers = True
    world.reboot()
    assert world.sent_notices == [("notice-1",), ("notice-2",)]
    assert world.happened(ev.NoticeFailed)[0].rule == "notice-unknown"


# ---- what is wanted ------------------------------------------------------------------------------------------------------


def test_without_a_channel_nothing_is_due():
    world = World(project(phases=(PHASE_1,)))
    world.rests()
    world.finish_phase("D1")
    assert world.happened(ev.NoticeDue) == []
    assert "phase 1 is done" in world.notices()[0]


def test_only_the_kinds_that_are_asked_for_are_sent():
    world = told(project(phases=(PHASE_1,)), events=(NoticeKind.FINISHED,))
    world.rests()
    world.finish_phase("D1")
    assert world.kinds() == ["finished"]


def test_a_test_is_sent_whatever_else_is_asked_for_and_does_not_count():
    world = told(events=(), per_hour=1)
    for _ in range(3):
        world.now += 1
        world.told("notify")
    assert world.kinds() == ["test"] * 3
    assert len(world.sent_notices) == 3


def test_a_channel_that_is_taken_out_leaves_no_notice_waiting_for_ever():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.fails("notice-1")
    world.edit(replace(world.config, notify=Notify(), digest="2"))
    assert world.waiting_ids() == []
    assert world.happened(ev.NoticeFailed)[-1].rule == "notice-given-up"


# ---- trying again --------------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_ever_later_then_given_up_and_shown():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    for pause in PAUSES:
        before = len(world.sent_notices)
        world.fails("notice-1")
        world.tick(pause - 1)
        assert len(world.sent_notices) == before
        world.tick(2)
        assert len(world.sent_notices) == before + 1
    assert any("tried again" in note for note in table.notes(world.state))
    world.fails("notice-1")
    world.tick(DAY)
    assert len(world.sent_notices) == 1 + len(PAUSES)
    (note,) = [note for note in table.notes(world.state) if "notices" in note]
    assert "did not get through: 1" in note
    assert "the server answered 500" in note


def test_the_first_that_gets_through_says_how_many_did_not():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.see(ob.NoticeTried(world.now, ("notice-1",), unknown=(("ntfy", "no answer"),)))
    world.now += 1
    world.asks(2)
    assert world.acted(Sends)[-1].lost == 1
    world.see(ob.NoticeTried(world.now, ("notice-2",), ("ntfy",)))
    assert table.notes(world.state) == []


def test_what_failed_together_is_tried_again_together():
    world = told(answers=False)
    world.works("builder")
    for number in range(3):
        world.asks(number)
    for number in range(3):
        world.now += 2
        world.fails(f"notice-{number + 1}")
    world.tick(PAUSES[0])
    assert world.sent_notices[3:] == [("notice-1", "notice-2", "notice-3")]


def test_what_other_channels_lack_is_tried_again_apart():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.asks(2)
    world.fails("notice-1")
    world.see(ob.NoticeTried(world.now, ("notice-2",), ("command",), (("ntfy", "down"),)))
    world.tick(PAUSES[0])
    assert world.sent_notices[2:] == [("notice-1",)]
    world.see(ob.NoticeTried(world.now, ("notice-1",), ("command", "ntfy")))
    assert world.sent_notices[3:] == [("notice-2",)]


def test_a_provider_that_is_away_for_long_is_told_once():
    world = told(limit_after=HOUR)
    world.works("builder")
    for _ in range(400):
        world.says("builder", port.ProviderUnavailable("overloaded"))
        world.tick(15)
    assert world.kinds() == ["provider"]


def test_a_channel_that_took_it_does_not_get_it_again_when_another_failed():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.see(
        ob.NoticeTried(world.now, ("notice-1",), ("command",), (("ntfy", "down"),), (("urls 1 (json)", "no answer"),))
    )
    world.tick(PAUSES[0] + 1)
    assert world.acted(Sends)[-1].notices[0].settled == ("command", "urls 1 (json)")
    world.see(ob.NoticeTried(world.now, ("notice-1",), ("ntfy",)))
    assert world.waiting_ids() == []
    assert len(world.happened(ev.NoticeSent)) == 1


def test_what_may_have_arrived_is_never_sent_again():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.see(ob.NoticeTried(world.now, ("notice-1",), unknown=(("ntfy", "no answer"),)))
    world.tick(DAY)
    assert world.sent_notices == [("notice-1",)]


def test_a_kill_while_it_is_sent_never_sends_it_again_and_explain_says_so():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.crash()
    world.begin()
    assert [ids for ids in world.sent_notices if "notice-1" in ids] == [("notice-1",)]
    (failed,) = world.happened(ev.NoticeFailed)
    assert "nobody knows whether it arrived" in failed.why
    assert "notice-1 did not get through; it is not sent again" in explain.sentence(failed)


def test_what_waits_at_a_kill_is_sent_by_the_next_supervisor():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.asks(2)
    assert world.sent_notices == [("notice-1",)]
    world.answers = True
    world.crash()
    world.begin()
    assert ("notice-2",) in world.sent_notices


def test_a_supervisor_that_departs_sends_nothing_more():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.fails("notice-1")
    world.now += HOUR
    world.see(ob.Departs(world.now, "asked to"))
    assert world.sent_notices == [("notice-1",)]


def test_notices_survive_a_snapshot():
    world = told(answers=False)
    world.works("builder")
    world.asks(1)
    world.fails("notice-1")
    world.see(ob.NoticeTried(world.now, ("notice-1",), unknown=(("ntfy", "no answer"),)))
    world.asks(2)
    assert snapshot.decode(json.loads(json.dumps(snapshot.encode(world.state)))) == world.state


# ---- the rate ------------------------------------------------------------------------------------------------------------


def test_the_last_of_the_hour_takes_in_all_that_wait():
    world = told(per_hour=3)
    world.works("builder")
    world.answers = False
    for number in range(8):
        world.asks(number)
    world.answers = True
    world.see(ob.NoticeTried(world.now, ("notice-1",), ("ntfy",)))
    assert world.sent_notices == [("notice-1",), ("notice-2",), tuple(f"notice-{n}" for n in range(3, 9))]
    world.asks(9)
    world.asks(10)
    world.tick(HOUR - 1)
    assert len(world.sent_notices) == 3
    world.tick(2)
    assert world.sent_notices[3:] == [("notice-9",), ("notice-10",)]


steps = st.one_of(
    st.just("event"),
    st.just("event"),
    st.sampled_from((0.0, 1.0, 59.0, 600.0, 1800.0, 4000.0)),
    st.sampled_from(("delivered", "half", "failed", "unknown")),
    st.sampled_from(("kill", "goodbye")),
)


class Receivers:
    """Two channels, and what really reached each."""

    def __init__(self, world: Told) -> None:
        self.world = world
        self.got: dict[str, list[str]] = {"command": [], "ntfy": []}
        self.taken = 0

    def answer(self, how: str) -> None:
        """What is under way comes to an end; what "unknown" and a kill leave open did arrive."""
        acts = self.world.acted(Sends)
        if self.taken == len(acts):
            return
        act = acts[self.taken]
        self.taken += 1
        ids = tuple(notice.id for notice in act.notices)
        todo = [name for name in self.got if name not in act.notices[0].settled]
        takes = {"delivered": todo, "half": todo[:1], "failed": [], "unknown": todo, "killed": todo}[how]
        for name in takes:
            self.got[name] += ids
        if how == "killed":
            return
        rest = tuple((name, how) for name in todo if name not in takes)
        if how == "unknown":
            self.world.see(ob.NoticeTried(self.world.now, ids, unknown=tuple((name, "no answer") for name in todo)))
        else:
            self.world.see(ob.NoticeTried(self.world.now, ids, tuple(takes), failed=rest))


@settings(max_examples=150)
@given(st.lists(steps, max_size=40), st.integers(1, 4))
def test_nothing_comes_twice_nothing_is_forgotten_and_no_hour_has_too_many(what: list[object], per_hour: int):
    world = told(project(QUIET), answers=False, per_hour=per_hour)
    receivers = Receivers(world)
    for number, step in enumerate(what):
        world.now += 0.5
        if step == "event":
            world.works("builder")
            world.asks(number)
        elif isinstance(step, float):
            world.tick(step)
        elif step == "kill":
            receivers.answer("killed")
            world.crash()
            world.begin()
        elif step == "goodbye":
            receivers.answer("delivered")
            world.see(ob.Departs(world.now, "asked to"))
            world.crash()
            world.begin()
        else:
            receivers.answer(str(step))
    for _ in range(60):
        receivers.answer("delivered")
        world.tick(HOUR)
    assert world.waiting_ids() == []
    due = {e.id for e in world.happened(ev.NoticeDue)}
    for got in receivers.got.values():
        assert len(got) == len(set(got)), "a channel got a notice twice"
    assert {id for ids in world.sent_notices for id in ids} == due
    settled = {id for e in (*world.happened(ev.NoticeSent), *world.happened(ev.NoticeFailed)) for id in e.ids}
    assert settled == due
    first: set[str] = set()
    times = []
    for at, act in world.all:
        if isinstance(act, Sends):
            fresh = {notice.id for notice in act.notices} - first
            first |= fresh
            times += [at] if fresh else []
    assert all(later - at >= HOUR for at, later in zip(times, times[per_hour:], strict=False))


@pytest.mark.parametrize("kind", [kind.value for kind in NoticeKind if kind is not NoticeKind.TEST])
def test_every_kind_can_be_chosen_in_the_file(kind: str):
    from loops import resources

    with open(resources.schema("agents"), encoding="utf-8") as file:
        known = json.load(file)["$defs"]["notify"]["properties"]["events"]["items"]["enum"]
    assert kind in known
    assert len(known) == len(NoticeKind) - 1


def test_an_unwatched_service_makes_no_notice():
    world = told(project(replace(BUILDER, watch=Watch.NONE)))
    world.exits("builder", code=0)
    assert world.kinds() == []
