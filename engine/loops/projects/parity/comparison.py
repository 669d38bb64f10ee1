"""What a comparison of two deployments says, as frozen facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Document


class Verdict(Enum):
    """The class of one place.  The two in capitals are what parity must not have."""

    SAME = "same"
    EXPECTED = "expected"
    """State, and what a project that was never started cannot have."""
    CHANGED = "changed"
    """Different, and a rule says why it may be."""
    MISSING = "MISSING"
    """Live has it, staged has not."""
    DIFFERENT = "DIFFERENT"
    """The values differ, or staged has what live has not."""

    @property
    def bad(self) -> bool:
        """Whether it keeps parity from being reached."""
        return self in (Verdict.MISSING, Verdict.DIFFERENT)


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two values begin to differ."""

    at: str
    """``line 3``, ``position 4``."""
    live: str
    staged: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One place, its two values, and the class.  ``None``: this side has none of it."""

    place: Place
    verdict: Verdict
    live: str | None
    staged: str | None
    note: str = ""
    """Why it has this class, or what people should know of it."""
    parting: Parting | None = None
    live_file: Document | None = None
    """The file that the fact is the digest of."""
    staged_file: Document | None = None
    live_origin: str = ""
    """Where live says so, as far as its source knows: ``agents.toml:14``."""
    staged_origin: str = ""
    covers: tuple[Place, ...] = ()
    """Places that this one takes with it: all facts of an agent that is missing."""
    rule: str = ""
    """Id of the rule that explains it."""
    source: str = ""
    """Which of several live sources told it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that one side's source cannot tell, so that nothing was compared."""

    place: Place
    reason: str


class Standing(Enum):
    """What became of a rule."""

    USED = "used"
    UNUSED = "matched nothing"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule and what became of it."""

    id: str
    place: str
    reason: str
    expires: date
    standing: Standing
    matches: int = 0
    """Differences that it fits, whether it may still explain them or not."""


@dataclass(frozen=True, slots=True)
class Side:
    """Who was compared: as the operator named it, and its form."""

    source: str
    form: str
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found, in the order that people read it."""

    live: tuple[Side, ...]
    staged: Side
    today: date
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    rules: tuple[RuleUse, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is MISSING or DIFFERENT."""
        return not any(finding.verdict.bad for finding in self.findings)

    def count(self, verdict: Verdict) -> int:
        """How many findings have the class *verdict*."""
        return sum(1 for finding in self.findings if finding.verdict is verdict)
