"""A comparison as rows for people: secrets cut out, nothing in them that could be obeyed, and repetitions folded.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Document
from loops.projects.parity.comparison import Comparison, Finding, Parting, Verdict
from loops.projects.report.words import harmless
from loops.secrets.redaction import redact

ORDER = (Verdict.MISSING, Verdict.DIFFERENT, Verdict.CHANGED, Verdict.EXPECTED, Verdict.SAME)
"""As people need them: the worst first."""
LONGEST = 4000
"""Characters of one value: more is no value that anybody reads."""
NONE = "–"
EMPTY = "(empty)"
_DIGEST = 12
_MOST_KINDS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report.  ``live`` and ``staged`` are ready to print."""

    verdict: Verdict
    place: str
    live: str
    staged: str
    notes: tuple[str, ...] = ()
    parting: Parting | None = None
    places: int = 1
    """How many places are folded into it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and where the two sides part, line by line."""
        if self.parting is None:
            return self.notes
        part = self.parting
        return (*self.notes, f"they part at {part.at}:", f"  live    {part.live}", f"  staged  {part.staged}")


@dataclass(frozen=True, slots=True)
class Skipped:
    """Places that were not compared for one reason, counted by what they are."""

    reason: str
    count: int
    kinds: str
    """``agent dir 8, phase plan 19``, or, of very many, ``agent 40, phase 91``."""
    places: tuple[str, ...]


def rows(comparison: Comparison, *, full: bool) -> list[Row]:
    """Return all rows, the worst classes first.  *full*: digests in their whole length."""
    reasons = {use.id: f"rule {use.id}: {use.reason} (until {use.expires})" for use in comparison.rules}
    several = len(comparison.live) > 1
    chosen = ([finding for finding in comparison.findings if finding.verdict is verdict] for verdict in ORDER)
    return [_row(group, reasons, several, full) for findings in chosen for group in _folded(findings)]


def skipped(comparison: Comparison) -> list[Skipped]:
    """Return what was not compared, by its reason."""
    reasons: dict[str, list[Place]] = {}
    for gap in comparison.gaps:
        reasons.setdefault(gap.reason, []).append(gap.place)
    return [
        Skipped(clean(reason), len(places), clean(_kinds(places)), tuple(clean(str(place)) for place in places))
        for reason, places in reasons.items()
    ]


def _kinds(places: list[Place]) -> str:
    """What they are, counted: by the field, or by the subject alone where that would be a long list."""
    counted = Counter(f"{place.subject} {place.field.partition(' of ')[0]}" for place in places)
    if len(counted) > _MOST_KINDS:
        counted = Counter(place.subject for place in places)
    return ", ".join(f"{kind} {count}" for kind, count in counted.items())


def clean(text: str) -> str:
    """Return *text* without secrets, on one line, harmless, and of a length that can be read."""
    line = harmless(redact(text))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line) - LONGEST:,} more characters)"


# ---- folding -----------------------------------------------------------------------------------------------------------


def _folded(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """The same difference in several phases is one row, and so is the same expected one of several agents."""
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_key(finding), []).append(finding)
    yield from groups.values()


def _key(finding: Finding) -> object:
    place = finding.place
    if finding.verdict is Verdict.SAME or place.field == "present":
        return place
    if place.subject == "phase" or finding.verdict is Verdict.EXPECTED:
        return replace(finding, place=replace(place, name=""), live_origin="", staged_origin="")
    if place.subject == "kickoff":  # each phase has a text of its own, whatever the difference is
        agent = place.name.rpartition("/")[2]
        live, staged = (None if value is None else "" for value in (finding.live, finding.staged))
        return replace(
            finding, place=replace(place, name=agent), live=live, staged=staged, live_origin="", staged_origin=""
        )
    return place


def _row(group: list[Finding], reasons: dict[str, str], several: bool, full: bool) -> Row:
    first = group[0]
    live, staged = (
        _value(first, first.live, first.live_file, full),
        _value(first, first.staged, first.staged_file, full),
    )
    if len(group) > 1 and first.place.subject == "kickoff":
        live, staged = (NONE if value is None else f"({len(group)} texts)" for value in (first.live, first.staged))
    live, staged = clean(live), clean(staged)
    return Row(
        first.verdict,
        clean(_place(group)),
        live,
        staged,
        tuple(map(clean, _notes(group, reasons, several, hidden=live == staged and first.live != first.staged))),
        _parting(first.parting),
        len(group),
    )


def _parting(parting: Parting | None) -> Parting | None:
    return Parting(*map(clean, (parting.at, parting.live, parting.staged))) if parting is not None else None


def _place(group: list[Finding]) -> str:
    first = group[0].place
    if len(group) == 1:
        return str(first)
    if first.subject == "kickoff":
        phases = ", ".join(finding.place.name.rpartition("/")[0] for finding in group)
        return f"kickoffs of {first.name.rpartition('/')[2]} ({len(group)}): {phases}"
    among = "in" if first.subject == "phase" else "of"
    return f"{first.field} {among} {len(group)} {first.subject}s: {', '.join(finding.place.name for finding in group)}"


def _value(finding: Finding, value: str | None, file: Document | None, full: bool) -> str:
    if value is None:
        return NONE
    if not value:
        return EMPTY
    if not finding.place.field.endswith("sha256") or value.startswith("missing"):
        return value
    digest = value if full else value[:_DIGEST]
    return digest if file is None else f"{digest} {file.path} ({file.size:,} bytes)"


def _notes(group: list[Finding], reasons: dict[str, str], several: bool, *, hidden: bool) -> Iterator[str]:
    first = group[0]
    if first.verdict is Verdict.CHANGED:
        yield reasons[first.rule]
    if first.note:
        yield first.note
    if len(group) == 1 and first.verdict in (Verdict.MISSING, Verdict.DIFFERENT, Verdict.CHANGED):
        origins = (("live", first.live_origin), ("staged", first.staged_origin))
        told = [f"{side} in {origin}" for side, origin in origins if origin]
        if told:
            yield ", ".join(told)
    if first.covers:
        yield f"{len(first.covers)} facts of it are not listed one by one"
    if hidden and len(group) == 1:
        yield "they differ in what is not shown here"
    if several and first.verdict is not Verdict.SAME:
        yield f"told by {first.source}"
