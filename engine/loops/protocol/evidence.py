"""What the pushed commits prove about a phase: a pure fold, one commit at a time, in the order of the branch.

Only facts are kept here; `loops.protocol.done` judges them.  The rules of the fold:

- A verdict counts from a ``review(`` commit alone, for the lines that it adds to REVIEW and for what its subject says;
  subject and document that contradict each other make the item UNCLEAR.
- Lines of verdict that any other commit adds make their items UNCLEAR until a review commit judges them again (upstream
  incident 30: ownership stood in prose only).  The same holds for a PASS whose line has gone from REVIEW.
- A veto may be raised by anybody and is withdrawn by a review commit alone.
- The done mark may not be set by a review commit: STATUS is the Builder's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from posixpath import basename

from loops.config.model import Done, Handoff, Phase
from loops.protocol import documents as files
from loops.protocol import verdicts as folding
from loops.protocol.review import Review, Stated, parse_review
from loops.protocol.statements import Vocabulary
from loops.protocol.status import FIELDS, NOT_MARKED, DoneMark, DoneState, GateState, Status, parse_status
from loops.protocol.subjects import Subject, SubjectKind, parse_subject
from loops.protocol.verdicts import Point, Verdict


class Kind(Enum):
    """What a pushed commit is for the handoff."""

    CLAIM = "claim"
    VERDICT = "verdict"
    MESSAGE = "message"
    """A review commit without a verdict."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Commit:
    """One pushed commit.

    ``time``: committer time, epoch seconds.  ``paths``: what it changes, from the repository's root; of a merge, what
    differs from every parent (``git log -c --name-only``).
    """

    sha: str
    author: str
    email: str
    time: float
    subject: str
    paths: tuple[str, ...]
    merge: bool = False


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts of the phase's STATUS and REVIEW at a commit; None: the file is not there."""

    status: str | None
    review: str | None


@dataclass(frozen=True, slots=True)
class Classification:
    """A commit's kind and the phase it is about; ``labels`` are the gates or items it names."""

    kind: Kind
    phase: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """``missing``: which of WHAT, HOW, EXPECTED, WHERE have no text in STATUS at the claim."""

    labels: tuple[str, ...]
    at: Point
    author: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """The last change to something that verdicts cover."""

    at: Point
    path: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A line that hides or confuses a whole document.  ``line`` is 0 when no single line is to blame."""

    document: str
    line: int
    text: str


ALL_CODE = ""
"""The key in `PhaseEvidence.changes` for everything that is no document."""


@dataclass(frozen=True, slots=True)
class PhaseEvidence:
    """All that the commits seen so far prove about one phase.  Positions count the commits seen, from 1."""

    phase: str
    position: int = 0
    head: str = ""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """The latest on each item; the key ``statements.ALL`` holds the latest on all items together."""
    changes: Mapping[str, Change | None] = field(default_factory=dict)
    """The last change to each glob that an item covers, and to `ALL_CODE`."""
    claimed: Mapping[str, Point] = field(default_factory=dict)
    """The latest claim of each label."""
    claim: Claim | None = None
    vetoes: tuple[str, ...] = ()
    done: DoneMark = NOT_MARKED
    unclear: tuple[Unclear, ...] = ()
    claimers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    """Fingerprints of the lines of verdict in REVIEW when it was read last, with how often each stands there."""
    read: bool = False
    """Whether the documents were read at all."""
    latest: Kind = Kind.OTHER
    """What the last commit was for this phase, the documents taken into account."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label claimed in the phase, in order."""
        return tuple(self.claimed)


def classify(
    commit: Commit, handoff: Handoff, phase_id: str, others: frozenset[str] = frozenset(), known: Iterable[str] = ()
) -> Classification:
    """Say what *commit* is, and for which phase, from its subject and paths alone.

    *others*: the ids of the other phases.  A review commit may still turn out a VERDICT when its document is read.
    """
    if commit.merge or not commit.subject.startswith((handoff.claim, handoff.review)):
        return Classification(Kind.OTHER, phase_id)
    subject = parse_subject(commit.subject, handoff, Vocabulary(tuple(known), phase_id))
    return _classified(subject, commit, phase_id, others)


def observe(
    evidence: PhaseEvidence,
    commit: Commit,
    documents: Documents | None,
    phase: Phase,
    handoff: Handoff,
    done: Done,
    *,
    others: frozenset[str] = frozenset(),
    seen: float = math.inf,
) -> PhaseEvidence:
    """Take the next commit of the branch into the evidence.

    *documents* may be None only for a commit that is no merge, no claim and touches neither STATUS nor REVIEW; else
    ValueError, because a line that was not read would pass for one that was not there.  *seen*: when the commit was
    first seen, epoch seconds; its own time counts no later than that.
    """
    names = files.names(phase)
    touched = {basename(path) for path in commit.paths}
    signal = not commit.merge and commit.subject.startswith((handoff.claim, handoff.review))
    if documents is None and (commit.merge or not touched.isdisjoint((names.status, names.review))):
        raise ValueError(f"{commit.sha}: the texts of {names.status} and {names.review} are needed at this commit")
    point = Point(evidence.position + 1, commit.sha, min(commit.time, seen))
    changes = _changed(evidence.changes, commit, phase, handoff, point)
    evidence = replace(evidence, position=point.position, head=commit.sha, changes=changes, latest=Kind.OTHER)
    if documents is None and not signal:
        return evidence
    words = Vocabulary(tuple(item.id for item in phase.items), phase.id)
    subject = parse_subject(commit.subject, handoff, words, done) if signal else Subject(SubjectKind.OTHER)
    about = _classified(subject, commit, phase.id, others)
    step = _Step(evidence, commit, point, subject, about, phase, words)
    if documents is not None:
        whole = commit.merge or not evidence.read
        if whole or names.status in touched:
            step.read_status(documents.status, names.status, done)
        if whole or names.review in touched:
            step.read_review(documents.review, names.review, names.review in touched or commit.merge)
    step.take_subject(documents, done)
    return step.evidence


def _classified(subject: Subject, commit: Commit, phase_id: str, others: frozenset[str]) -> Classification:
    if subject.kind is SubjectKind.CLAIM:
        kind = Kind.CLAIM
    elif subject.kind is SubjectKind.REVIEW:
        kind = Kind.VERDICT if subject.gives_verdict else Kind.MESSAGE
    else:
        return Classification(Kind.OTHER, phase_id)
    return Classification(kind, _phase_of(subject, commit, phase_id, others), subject.labels)


def _phase_of(subject: Subject, commit: Commit, phase_id: str, others: frozenset[str]) -> str:
    if phase_id in subject.scope:
        return phase_id
    for word in subject.scope:
        if word in others:
            return word
    named = {name for path in commit.paths if (name := files.phase_named_by(path))}
    return min(named) if named and phase_id not in named else phase_id


def _changed(
    before: Mapping[str, Change | None], commit: Commit, phase: Phase, handoff: Handoff, point: Point
) -> Mapping[str, Change | None]:
    changes = dict(before)
    code = next((path for path in commit.paths if not files.is_document(path, handoff.inbox)), None)
    if code is not None:
        changes[ALL_CODE] = Change(point, code)
    for item in phase.items:
        for glob in item.covers:
            # A glob that the configuration names only now may have been touched before: assume the last change was it.
            changes.setdefault(glob, before.get(ALL_CODE))
            covers = files.covering(glob)
            path = next((path for path in commit.paths if covers.fullmatch(path)), None)
            if path is not None:
                changes[glob] = Change(point, path)
    return changes


@dataclass(slots=True)
class _Step:
    """One commit on its way into the evidence."""

    evidence: PhaseEvidence
    commit: Commit
    point: Point
    subject: Subject
    about: Classification
    phase: Phase
    words: Vocabulary
    fresh: tuple[Stated, ...] = ()
    written_veto: bool = False
    """Whether REVIEW, which this commit touches, has a standing veto: then its subject only repeats it."""

    @property
    def reviews(self) -> bool:
        return self.subject.kind is SubjectKind.REVIEW

    @property
    def ours(self) -> bool:
        return self.about.phase == self.phase.id

    def read_status(self, text: str | None, name: str, done: Done) -> None:
        status = parse_status(text or "", self.words, done.marker)
        mark = status.done
        if self.reviews and mark.state is DoneState.STANDING and self.evidence.done.state is not DoneState.STANDING:
            mark = DoneMark(
                DoneState.UNCLEAR, mark.line, f"{mark.text} (set by a review commit; STATUS is the Builder's)"
            )
        self.evidence = replace(self.evidence, done=mark, unclear=self._unclear(name, status), read=True)

    def read_review(self, text: str | None, name: str, touched: bool) -> None:
        review = parse_review(text or "", self.words)
        lines = folding.fingerprints(review.verdicts)
        verdicts = self.evidence.verdicts
        if touched:
            self.written_veto = bool(review.standing)
            self.fresh = folding.added(review.verdicts, self.evidence.lines)
            verdicts = folding.without_lost_lines(verdicts, lines, self.point, self.commit.email)
            if not self.reviews:
                verdicts = folding.foreign(verdicts, self.fresh, self.point, self.commit)
        self.evidence = replace(
            self.evidence,
            verdicts=verdicts,
            lines=lines,
            vetoes=self._vetoes(review),
            unclear=self._unclear(name, review),
            read=True,
        )

    def take_subject(self, documents: Documents | None, done: Done) -> None:
        if self.reviews:
            self._take_review()
        elif self.subject.kind is SubjectKind.CLAIM and self.ours:
            self._take_claim(documents, done)

    def _take_review(self) -> None:
        spoken = self.subject.verdicts if self.ours else ()
        verdicts = folding.settle(self.evidence.verdicts, self.fresh, spoken, self.point, self.commit.email)
        given = verdicts != self.evidence.verdicts
        kind = Kind.VERDICT if given else Kind.MESSAGE if self.ours else Kind.OTHER
        vetoes = self.evidence.vetoes
        if self.ours and self.subject.veto and not self.written_veto:
            vetoes = (*vetoes, _spoken(self.commit))
        if self.ours and self.subject.veto_withdrawn:
            vetoes = tuple(veto for veto in vetoes if not _is_spoken(veto))
        reviewers = _with(self.evidence.reviewers, self.commit.email) if self.ours else self.evidence.reviewers
        self.evidence = replace(self.evidence, verdicts=verdicts, vetoes=vetoes, reviewers=reviewers, latest=kind)

    def _take_claim(self, documents: Documents | None, done: Done) -> None:
        text = documents.status if documents else None
        status = parse_status(text or "", self.words, done.marker)
        standing = tuple(gate.label or self.phase.id for gate in status.gates if gate.state is GateState.CLAIMED)
        labels = self.subject.labels or standing or (self.phase.id,)
        missing = tuple(name for name in FIELDS if any(name not in status.fields_of(label) for label in labels))
        claimed = dict(self.evidence.claimed)
        for label in labels:
            claimed[label] = self.point
        self.evidence = replace(
            self.evidence,
            claim=Claim(labels, self.point, self.commit.email, missing),
            claimed=claimed,
            claimers=_with(self.evidence.claimers, self.commit.email),
            latest=Kind.CLAIM,
        )

    def _vetoes(self, review: Review) -> tuple[str, ...]:
        standing = tuple(veto.text for veto in review.standing)
        if not self.reviews:
            return tuple(dict.fromkeys((*self.evidence.vetoes, *standing)))
        # A veto that so far stood in a subject only is taken over by the document, standing or withdrawn.
        spoken = () if review.vetoes else tuple(veto for veto in self.evidence.vetoes if _is_spoken(veto))
        return tuple(dict.fromkeys((*standing, *spoken)))

    def _unclear(self, name: str, parsed: Status | Review) -> tuple[Unclear, ...]:
        others = tuple(one for one in self.evidence.unclear if one.document != name)
        return (*others, *(Unclear(name, one.number, one.source) for one in parsed.unclosed))


def _spoken(commit: Commit) -> str:
    return f"subject of {commit.sha[:10]}: {commit.subject[:200]}"


def _is_spoken(veto: str) -> bool:
    return veto.startswith("subject of ")


def _with(emails: tuple[str, ...], email: str) -> tuple[str, ...]:
    return emails if email in emails else (*emails, email)
