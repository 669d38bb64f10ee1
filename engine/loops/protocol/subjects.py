"""Commit subjects: the protocol's signal for machines.

The scope in the brackets is a phase (``claim(2w)``), a phase and a gate (``claim(3 U0)``), a gate (``claim(M1)``) or
free words (``review(5 init)``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from loops.config.model import Done, Handoff
from loops.protocol import statements
from loops.protocol.review import Stated, stated
from loops.protocol.statements import Vocabulary, Word


class SubjectKind(Enum):
    """What a commit's subject is for."""

    CLAIM = "claim"
    REVIEW = "review"
    DONE = "done"
    """Announces the marker: ``status(x): ## DONE``, ``DONE(1e)``.  Nothing is believed for it."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Subject:
    """``scope`` is the words in the brackets; ``labels`` the gates or items that the scope and the text name."""

    kind: SubjectKind
    scope: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    verdicts: tuple[Stated, ...] = ()
    veto: bool = False
    veto_withdrawn: bool = False

    @property
    def gives_verdict(self) -> bool:
        """Whether the subject itself says PASS or FAIL (or something like it) of somebody."""
        return bool(self.verdicts)


_SCOPE = re.compile(r"([^()]{0,120})\)\s*:?\s*")
_DONE = re.compile(r"(?:DONE|done)\(([^()]{1,80})\)")
_STATUS = re.compile(r"status\(([^()]{1,80})\)\s*:\s*(.*)", re.DOTALL)
_VETO = re.compile(
    r"(?:^|[;,.—–:]\s*)VETO(?![\w-])(?!\s*:?\s*none\b)(?P<gone>[\s:—–-]*(?:withdrawn|lifted|revoked|cleared))?",
    re.IGNORECASE,
)
_CANONICAL = re.compile(r"Gate (\S{1,60}) CLAIMED\b")
_LEADING_FEAT = re.compile(r"(?:feat|fix|chore):\s*")


def parse_subject(subject: str, handoff: Handoff, words: Vocabulary, done: Done | None = None) -> Subject:
    """Read one commit subject.  Never raises."""
    subject = subject[:2000].strip()
    for kind, prefix in ((SubjectKind.CLAIM, handoff.claim), (SubjectKind.REVIEW, handoff.review)):
        if prefix and subject.startswith(prefix):
            return _signal(kind, subject[len(prefix) :], prefix, words)
    found = _DONE.match(subject)
    if found:
        return Subject(SubjectKind.DONE, tuple(found[1].split()))
    status = _STATUS.match(subject)
    if status:
        marker = (done or Done()).marker
        rest = status[2]
        announced = rest.startswith(marker) and not rest[len(marker) :][:1].isalnum()
        return Subject(SubjectKind.DONE if announced else SubjectKind.OTHER, tuple(status[1].split()))
    return Subject(SubjectKind.OTHER)


def _signal(kind: SubjectKind, rest: str, prefix: str, words: Vocabulary) -> Subject:
    scope: tuple[str, ...] = ()
    text = rest
    if prefix.endswith("("):
        found = _SCOPE.match(rest)
        if not found:
            return Subject(kind)
        inside = _LEADING_FEAT.sub("", found[1], count=1)
        scope, text = tuple(re.split(r"[\s,]+", inside.strip())) if inside.strip() else (), rest[found.end() :]
    scoped = _scope_labels(scope, words)
    if kind is SubjectKind.CLAIM:
        return Subject(kind, scope, scoped or _named(scope, text) or _claimed(text, words))
    about = scoped or ((words.phase,) if words.phase in scope else ())
    said = [
        one for one in statements.read(text, words, about) if one.label and one.word not in (Word.CLAIMED, Word.NOT_YET)
    ]
    verdicts = tuple(stated(one, 0, text, one.word is not Word.UNCLEAR) for one in said)
    veto = _VETO.search(text)
    labels = scoped or tuple(dict.fromkeys(one.item for one in verdicts if one.item != statements.ALL))
    gone = bool(veto and veto["gone"])
    return Subject(kind, scope, labels, verdicts, bool(veto) and not gone, gone)


def _scope_labels(scope: tuple[str, ...], words: Vocabulary) -> tuple[str, ...]:
    """The labels in the brackets, without the phase's own id."""
    found: list[str] = []
    for word in scope:
        labels, end = statements.leading_labels(word, words)
        if end == len(word):
            found += [label for label in labels if label not in (words.phase, statements.ALL)]
    return tuple(dict.fromkeys(found))


def _named(scope: tuple[str, ...], text: str) -> tuple[str, ...]:
    """The label of a canonical claim, whatever its shape: ``claim(1c docs): Gate docs CLAIMED — …``."""
    found = _CANONICAL.match(text)
    return (found[1],) if found and found[1] in scope else ()


def _claimed(text: str, words: Vocabulary) -> tuple[str, ...]:
    """The gates a claim's text says are CLAIMED: ``Gate WC4+WC7 CLAIMED — …``."""
    said = statements.read(text, words)
    return tuple(
        one.label for one in said if one.word is Word.CLAIMED and one.label not in (statements.WHOLE, words.phase)
    )
