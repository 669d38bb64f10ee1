"""The short report for a terminal."""

from loops.projects import report
from loops.supervisor import events as ev
from report_samples import T0, commit, history, replaced, starting, whole_life


def summary(events, **words):
    return report.summary(report.facts(history(events), T0 + 1000), **words)


def test_it_says_what_was_proved_refused_and_mended():
    said = summary(whole_life(), html="/p/report.html")
    assert said.startswith("demo: complete, 2 of 2 phases done in 42 s\n")
    for line in (
        "✔ phase 1 (M1): 2 claims, 1 PASS, 1 FAIL",
        "✘ claim refused in phase 1 by adversary, bbbbbbbbbb: M1: FAIL",
        "✘ done refused in phase 1 at cccccccccc: the checks have not run",
        "✚ healed builder (session 2): killed by signal 9",
        "1 window, 10 s waited",
        "3 of 3 delivered, 0 doubled",
        "2 runs of our own succeeded, 0 failed",
        "report: exit 0",
        "page      /p/report.html",
    ):
        assert line in said
    assert 12 <= said.count("\n") <= 18


def test_it_stays_short_after_a_long_life():
    events = whole_life()
    for n in range(200):
        events += [ev.PhaseStarted(f"x{n}", T0 + 100 + n, n + 2, "on", "operator")]
        events += [ev.DoneRefused(f"x{n}", T0 + 100 + n, "a" * 40, ("no-verdict",), ("reason " * 50,))]
        events += [starting(f"agent{n}", T0 + 100, 1)]
    said = summary(events)
    assert said.count("\n") <= 26
    assert max(len(line) for line in said.splitlines()) <= 110


def test_a_problem_is_never_left_out():
    said = summary(replaced(whole_life(), lambda e: isinstance(e, ev.PhaseDone), commit="e" * 40))
    assert "! 2027-01-15 08:00:32 phase 1 was done although its checks never succeeded" in said
    assert "self-check" not in said


def test_nothing_in_it_is_obeyed_by_a_terminal():
    evil = "\x1b]52;c;ZXZpbA==\x07\x9b2J\r\n"
    events = [*whole_life(), ev.PhaseStarted(evil, T0 + 50, 2, evil, "operator")]
    events += [commit(evil, T0 + 51, "verdict", "b" * 40, f"review({evil}): FAIL", evil)]
    events += [ev.EvidenceTaken(evil, T0 + 51, "b" * 40, {}), ev.DoneRefused(evil, T0 + 52, evil, (evil,), (evil,))]
    said = summary(events)
    assert not [c for c in said if c != "\n" and not c.isprintable()]


def test_colours_come_only_when_they_are_asked_for():
    assert "\x1b" not in summary(whole_life())
    assert "\x1b[32m✔\x1b[0m" in summary(whole_life(), colour=True)


def test_nothing_has_happened_yet():
    assert summary([]).startswith("project: not complete, 0 of 0 phases done in 0 s\n")
