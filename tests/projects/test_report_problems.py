"""Every promise that the self-check looks after is broken here once, and seen."""

import pytest
from loops.projects import report
from loops.protocol.review import Result
from loops.supervisor import events as ev
from report_samples import (
    MEND,
    T0,
    ended,
    evidence,
    first_phase,
    held,
    history,
    inserted,
    nudged,
    replaced,
    second_phase,
    starting,
    whole_life,
    without,
)


def problems(events):
    return report.problems(report.facts(history(events), T0 + 1000))


def is_done(phase):
    return lambda event: isinstance(event, ev.PhaseDone) and event.phase == phase


def is_start(agent, number):
    return lambda e: isinstance(e, ev.SessionStarting) and (e.agent, e.incarnation) == (agent, number)


def is_evidence(phase):
    return lambda event: isinstance(event, ev.EvidenceTaken) and event.phase == phase


def test_an_honest_life_has_no_problem():
    assert problems(whole_life()) == []


BROKEN = {
    "a nudge that came through twice": (
        [*whole_life(), ev.NudgeDelivered("adversary", T0 + 50, "n1")],
        "adversary: nudge n1 (claim: aaaa",
    ),
    "a second nudge for the same push": (
        [*whole_life(), *nudged("adversary", T0 + 50, "n9")],
        "nudge n9 (claim",
    ),
    "a nudge inside a limit window": (
        [*first_phase(), held("builder", T0 + 50, T0 + 90), *nudged("builder", T0 + 51, "n9", "wake", "w")],
        "nudge n9 (wake) was typed inside the limit window",
    ),
    "a heal inside a limit window": (
        [
            *first_phase(),
            held("builder", T0 + 50, T0 + 90),
            ended("builder", T0 + 51, 2, delay=0.0, rule="heal"),
            starting("builder", T0 + 51, 3, why="exit 1", rule="heal"),
        ],
        "builder: healed inside a limit window",
    ),
    "two live incarnations": (
        without(whole_life(), lambda e: isinstance(e, ev.SessionEnded) and e.incarnation == 1 and e.agent == "builder"),
        "builder: session 2 was started while 1 was alive",
    ),
    "a stray that is left beside a living session": (
        [*first_phase(), ev.SessionStarted("builder", T0 + 40, 9, 99)],
        "builder: session 9 came to life while 2 was alive",
    ),
    "a phase that is moved and is not under way": (
        [*first_phase(), ev.PhaseStarted("2", T0 + 40, 0, "the order of the phases changed", "phase-moved")],
        "phase 2 was moved while it was not under way",
    ),
    "an incarnation that comes again": (
        replaced(whole_life(), is_start("builder", 3), incarnation=2),
        "builder: session 2 came after session 2",
    ),
    "a phase that begins before the last is done": (
        [*without(first_phase(), is_done("1")), *second_phase()],
        "phase 2 began out of order",
    ),
    "a phase that is skipped": (
        [*first_phase(), ev.PhaseStarted("3", T0 + 32, 2, "phase 1 is done", "phase-next")],
        "phase 3 began out of order",
    ),
    "a phase that is done twice": (
        inserted(whole_life(), lambda e: isinstance(e, ev.SequenceCompleted), second_phase()[5]),
        "phase 2 was done while it was not under way",
    ),
    "a first phase that begins again": (
        [*first_phase(), ev.PhaseStarted("1", T0 + 40, 0, "the project came up", "phase-first")],
        "phase 1 began as the first one",
    ),
    "an end of the sequence with a phase open": (
        [*first_phase(), ev.SequenceCompleted(T0 + 40, 2, "")],
        "with 1 of 2 phases done",
    ),
    "an end of the sequence that comes twice": (
        [*whole_life(), ev.SequenceCompleted(T0 + 60, 2, "")],
        "completed a second time",
    ),
    "on_complete that never ran": (
        without(whole_life(), lambda e: getattr(e, "agent", "") == "report"),
        "report (on_complete) was run 0 times",
    ),
    "on_complete that ran twice": (
        [*whole_life(), starting("report", T0 + 60, 2, why="the task was asked for")],
        "report (on_complete) was run 2 times",
    ),
    "done with a FAIL": (
        replaced(whole_life(), is_evidence("2"), document=evidence("2", T0, verdict=Result.FAIL).document),
        "phase 2 was done although M1 has no PASS",
    ),
    "done with no verdict": (
        replaced(whole_life(), is_evidence("2"), document=evidence("2", T0, verdict=None).document),
        "phase 2 was done although M1 has no PASS",
    ),
    "done with a PASS older than the last change": (
        replaced(whole_life(), is_evidence("2"), document=evidence("2", T0, judged_at=5, changed_at=6).document),
        "M1 has no PASS after the last change (src/a.py in cccccccccc)",
    ),
    "done without any evidence": (
        without(whole_life(), is_evidence("2")),
        "phase 2 was done although M1 has no evidence",
    ),
    "done with an item left out": (
        replaced(whole_life(), is_done("2"), items=()),
        "phase 2 was done with no item",
    ),
    "done without the checks": (
        replaced(whole_life(), lambda e: isinstance(e, ev.CheckCompleted) and e.phase == "2", ok=False),
        "its checks never succeeded at cccccccccc",
    ),
    "done at another commit than was checked": (
        replaced(whole_life(), is_done("2"), commit="e" * 40),
        "its checks never succeeded at eeeeeeeeee",
    ),
    "a restart without a reason": (
        replaced(whole_life(), is_start("builder", 2), why=""),
        "builder: session 2 was started for no reason",
    ),
    "a restart by a rule that nobody knows": (
        replaced(whole_life(), is_start("builder", 2), rule="whim"),
        "builder: session 2 was started for no reason",
    ),
    "a heal that nothing called for": (
        replaced(
            whole_life(),
            lambda e: isinstance(e, ev.SessionEnded) and e.agent == "builder" and e.incarnation == 1,
            delay=-1.0,
        ),
        "builder: session 2 was started by rule heal, but nothing called for it",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_sees(name):
    events, said = BROKEN[name]
    found = problems(events)
    assert any(said in problem for problem in found), found


def test_a_probe_may_be_typed_inside_the_window_it_probes():
    assert not [problem for problem in problems(first_phase()) if "limit window" in problem]


def test_the_operator_may_run_the_task_again():
    again = [
        ev.OperatorAsked(T0 + 60, "run", ("report",)),
        starting("report", T0 + 60, 2, why="the task was asked for"),
    ]
    assert problems([*whole_life(), *again]) == []


def test_a_task_that_was_lost_with_its_holder_is_resumed_and_has_run_once():
    lost = ended("report", T0 + 44, 1, delay=0.0, signal=None, why="gone", rule="lost")
    events = [*whole_life()[:-1], lost, starting("report", T0 + 44, 2, why="gone", rule="heal")]
    assert problems(events) == []


def test_an_appended_phase_goes_on_and_ends_once_more():
    events = [
        *whole_life(),
        ev.PhaseStarted("3", T0 + 60, 2, "phase 3 was appended", "phase-appended"),
        evidence("3", T0 + 61),
        ev.PhaseDone("3", T0 + 62, MEND, ("M1",), "marker", "phase-done"),
        ev.SequenceCompleted(T0 + 62, 3, "report"),
        starting("report", T0 + 62, 2, why="the task was asked for"),
    ]
    assert problems(events) == []


def test_a_stray_that_is_ended_before_anything_is_started_is_no_problem():
    events = [
        ev.SessionStarted("a", T0, 4, 99),
        ev.SessionEnding("a", T0, 4, True, False, 1.0, "the journal does not know this session", "stray"),
        ended("a", T0 + 1, 4, delay=0.0, why="the journal does not know this session", rule="wanted"),
        starting("a", T0 + 1, 5, why="the journal does not know this session", rule="heal"),
    ]
    assert problems(events) == []


def test_a_phase_may_be_moved_while_it_is_under_way():
    moved = ev.PhaseStarted("2", T0 + 33, 0, "the order of the phases changed", "phase-moved")
    events = inserted(whole_life(), is_evidence("2"), moved)
    assert problems(events) == []
    assert [phase.id for phase in report.facts(history(events), T0 + 1000).phases] == ["1", "2"]


def test_an_agent_that_the_operator_wants_begins_again_with_an_appended_phase():
    events = [
        *whole_life(),
        ev.PhaseStarted("3", T0 + 60, 2, "phase 3 was appended", "phase-appended"),
        starting("builder", T0 + 60, 4, phase="3", why="the operator asked for it", rule="operator"),
    ]
    assert problems(events) == []
