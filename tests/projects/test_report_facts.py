"""What the events of a life amount to."""

import pytest
from loops.journal import Event, Journal
from loops.projects import report
from loops.projects.report.life import Cause, Mark
from loops.supervisor import events as ev
from report_samples import T0, ended, first_phase, history, starting, whole_life


@pytest.fixture
def life():
    return report.facts(history(whole_life()), T0 + 1000)


def lane(found, name):
    return next(each for each in found.lanes if each.agent == name)


def test_a_life_is_told_by_its_phases_in_order(life):
    assert [(phase.id, phase.done, phase.items) for phase in life.phases] == [
        ("1", True, ("M1",)),
        ("2", True, ("M1",)),
    ]
    assert [entry.mark for entry in life.phases[0].entries] == [
        Mark.CLAIM,
        Mark.FAIL,
        Mark.CLAIM,
        Mark.PASS,
        Mark.REFUSED,
        Mark.CHECKED,
        Mark.DONE,
    ]
    assert life.phases[0].entries[1].details == ("M1: FAIL",)
    assert (life.done, life.planned, life.complete) == (2, 2, True)


def test_each_session_says_why_it_began_and_how_it_ended(life):
    causes = [session.cause for session in lane(life, "builder").sessions]
    assert causes == [Cause.FIRST, Cause.HEAL, Cause.PHASE]
    first = lane(life, "builder").sessions[0]
    assert (first.killed, first.span.length, first.ending) == (True, 10.0, "killed by signal 9")


def test_a_reboot_is_no_crash_of_the_supervisor_and_stands_on_the_timeline():
    def rebooted(at, count):
        return ev.MachineRebooted(at, count, "b", "a", at - 60, "1", ("builder was in a turn",), {})

    def began(at, epoch):
        return ev.SupervisorStarted(at, 10, epoch, "b", "1")

    events = [began(T0, 1), began(T0 + 9, 2), rebooted(T0 + 99, 1), began(T0 + 99, 3)]
    found = report.facts(history(events), T0 + 100)
    assert (found.takeovers, found.reboots, found.problems) == (1, 1, ())
    assert "1 after a crash, 1 after a reboot" in report.summary(found)
    page = report.html(found)
    assert "the machine was rebooted (reboot 1); supervisor 3 took up what it had cut off" in page
    assert "in flight: builder was in a turn" in page
    doubled = report.facts(history([*events, rebooted(T0 + 200, 1)]), T0 + 300)
    assert any("reboot 1 came after reboot 1" in problem for problem in doubled.problems)


def test_an_end_that_we_asked_for_is_no_kill():
    events = [starting("a", T0, 1), ev.SessionEnding("a", T0 + 1, 1, False, False, 1.0, "down", "not-wanted")]
    found = report.facts(history([*events, ended("a", T0 + 2, 1, signal=15)]), T0)
    assert not lane(found, "a").sessions[0].killed


def test_a_start_that_failed_is_tried_again_and_is_no_heal():
    events = [starting("a", T0, 1), ev.SessionFailed("a", T0, 1, "no such file", 1.0, False)]
    found = report.facts(history([*events, starting("a", T0 + 1, 2, why="no such file", rule="heal")]), T0 + 5)
    assert [session.cause for session in lane(found, "a").sessions] == [Cause.FIRST, Cause.RETRY]
    assert found.heals == 0


def test_a_session_that_was_found_in_the_place_of_another_has_ended_it():
    found = report.facts(history([starting("a", T0, 1), ev.SessionStarted("a", T0 + 4, 7, 99)]), T0 + 9)
    old, stray = lane(found, "a").sessions
    assert (old.alive, old.span.end, stray.cause, stray.alive) == (False, T0 + 4, Cause.STRAY, True)


def test_probes_belong_to_the_window_that_they_probe(life):
    (window,) = lane(life, "builder").windows
    assert (window.span.length, window.probes) == (10.0, 1)
    assert life.waited == 10.0


def test_turns_end_with_their_session_too():
    events = [starting("a", T0, 1), ev.TurnStarted("a", T0 + 1), ended("a", T0 + 4, 1)]
    assert lane(report.facts(history(events), T0 + 9), "a").worked == 3.0


def test_nudges_and_tokens_are_counted(life):
    assert (life.queued, life.delivered, life.doubled, life.dropped) == (3, 3, 0, 0)
    assert lane(life, "builder").usage["1"].input_tokens == 100
    assert (life.tokens, life.cost) == (120, "0.50 USD")


def test_a_supervisor_that_never_said_goodbye_was_taken_over():
    started = [ev.SupervisorStarted(T0 + n, n, n, "boot", "1", 3) for n in (1, 2)]
    polite = [ev.SupervisorEnded(T0 + 3, "asked"), ev.SupervisorStarted(T0 + 4, 3, 3, "boot", "1")]
    watches = report.facts(history([*started, *polite]), T0 + 5).watches
    assert [watch.took_over for watch in watches] == [False, True, False]


def test_what_still_runs_reaches_until_now():
    found = report.facts(history(first_phase()[:6]), T0 + 500)
    assert found.span.end == T0 + 500
    assert lane(found, "builder").sessions[0].alive
    assert not found.complete


def test_a_life_that_is_over_ends_with_its_last_event(life):
    assert life.span.end == T0 + 44
    assert life.took == 42.0
    assert life.completions[0].outcome == "exit 0"


def test_nothing_at_all_is_a_report_too():
    found = report.facts([], T0)
    assert (found.lanes, found.phases, found.problems, found.span.length) == ((), (), (), 0.0)


def test_a_journal_on_disk_is_verified_and_told(tmp_path):
    journal = Journal.open(str(tmp_path), source="/test")
    journal.append(Event(e.type, e.subject, ev.encode(e)) for e in whole_life())
    journal.commit()
    journal.close()
    found = report.read(str(tmp_path), T0 + 1000)
    assert found.verified is True
    assert found.records > len(whole_life())  # the journal's own records count too
    assert found.done == 2
    assert report.problems(found) == []
