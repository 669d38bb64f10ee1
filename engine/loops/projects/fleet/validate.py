"""``loops fleet validate``: all that is wrong with a fleet.toml and with what it names, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loops.config.fleet import Entry, Fleet, Reading, read_fleet
from loops.config.problems import Problem
from loops.projects.fleet.judge import Finding, judge
from loops.projects.fleet.survey import Sight, look

Look = Callable[[Fleet, Entry], Sight]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that was found.  The fleet is good when there is no problem."""

    fleet: Fleet
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    sights: tuple[Sight, ...]


def validate(path: str) -> Verdict:
    """Check the file at *path* and every project that it names.

    Raises:
        ConfigProblems: the file cannot be read, or is not TOML.
    """
    return check(read_fleet(path), look)


def check(reading: Reading, look: Look) -> Verdict:
    """The same of a file that was read."""
    sights = tuple(look(reading.fleet, entry) for entry in reading.fleet.projects)
    findings = judge(sights)
    problems = [*reading.problems, *(_problem(reading, each) for each in findings if not each.note)]
    problems += [problem for sight in sights if len(sight.problems) > 1 for problem in sight.problems]
    notes = [*reading.fleet.notes, *(str(_problem(reading, each)) for each in findings if each.note)]
    return Verdict(reading.fleet, tuple(dict.fromkeys(problems)), tuple(notes), sights)


def _problem(reading: Reading, finding: Finding) -> Problem:
    return reading.problem(finding.number, finding.key, finding.message)
