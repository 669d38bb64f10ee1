"""What is asked of a rehearsal, and how it went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loops.projects.cutover.plan import Plan
from loops.projects.cutover.runbook import span


@dataclass(frozen=True, slots=True)
class Round:
    """One way through the plan."""

    name: str
    course: str
    seconds: float
    good: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went."""

    passed: bool
    rounds: tuple[Round, ...]
    transcript: str
    """Path of what was said and done: every command with its output, exit code and duration."""
    left_out: tuple[str, ...]
    """What was not copied, or not as it is."""
    measured: Mapping[str, float]
    """Seconds by step, of the first way forward."""
    why: str = ""

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield ""
        for each in self.rounds:
            yield f"{'ok  ' if each.good else 'FAIL'}  {each.name}: {each.course}, {span(each.seconds)} {each.why}".rstrip()
        if self.why:
            yield f"FAIL  {self.why}"
        for left in self.left_out:
            yield f"note  {left}"
        yield f"transcript: {self.transcript}"
        yield "PASSED: forward, back, and forward again" if self.passed else "FAILED: do not run this cutover"


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall be rehearsed, and with what."""

    plan: Plan
    directories: tuple[str, ...]
    """What is copied, besides both projects."""
    programs: tuple[str, ...]
    """The agents' programs, as the settings of either side name them."""
    search: str
    """PATH of the live side."""
    conversations: tuple[str, ...] = ()
    """Ids of those whose files are copied from the user's home."""
    env_files: tuple[str, ...] = ()
    """Files of variables that the live side is read with."""
    shown: frozenset[str] = frozenset()
    """Variables whose values are no secrets."""
    every: bool = False
    keep: bool = False
    unit: str = ""
    """The unit that the real cutover disables, and that no service manager plays here."""
