"""One grammar for "this gate or item has that result", shared by STATUS, REVIEW, BACKLOG and commit subjects.

A statement begins its clause with its label and says the result in capitals: ``M1 — title: PASS @…``, ``D1 PASS``,
``V5 PASS, V3 full PASS, V8 FAIL (…)``, ``ALL DoD PASS``, ``Gate: WC4+WC7 CLAIMED``.  A line that has both a label and a
result but another shape reads as UNCLEAR, never as a guess; a line without them reads as nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

ALL = "*"
"""The label of a verdict on every item of the phase."""

WHOLE = ""
"""The label of a gate that is named nowhere: the whole phase."""

_LONGEST = 2000
"""Characters of a line that are looked at: what comes later in it is prose."""

_CLAUSES = 12
"""Clauses left of a result that may name its labels."""


class Word(Enum):
    """A result as a careful reader takes it.  PARTIAL is FAIL; UNCLEAR is everything that would have to be guessed."""

    PASS = "PASS"
    FAIL = "FAIL"
    PROVISIONAL = "PROVISIONAL"
    CLAIMED = "CLAIMED"
    NOT_YET = "NOT_YET"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Statement:
    """``adverse``: the words speak against the item, so that even an unclear statement must not be overlooked."""

    label: str
    word: Word
    adverse: bool = False


_LABEL = r"[A-Z][A-Za-z]{0,5}-?\d{1,3}(?:\.\d{1,2})?[a-z]?(?![\w-]*\w)"
_RESULT = re.compile(
    r"(?<![\w/|-])(?:(?P<neg>(?i:not yet|not|no|never|un)) )?"
    r"(?:(?P<mod>(?i:partial(?:ly)?|provisional(?:ly)?|conditional(?:ly)?|tentative(?:ly)?)) )?"
    r"(?P<word>PASS(?:ED|ES)?|FAIL(?:ED|S)?|CLAIMED|PARTIAL|PROVISIONAL)(?![\w/|]|-\w)"
)
_QUICK = re.compile(r"PASS|FAIL|CLAIMED|PARTIAL|PROVISIONAL")
_LOOSE = re.compile(
    r"(?:^|[:—–=]|\s-)\s{0,3}(pass(?:ed)?|fail(?:ed|s)?|partial|not pass(?:ed)?)\s{0,3}(?:$|[@(.,;!—–-])|(?:^|\s)([✅❌✗✘])\s*$",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[,;→⇒]|->|\.(?=\s|$)")
_PARENTHESES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_LEAD = re.compile(
    r"(?:[\s:—–>→✅❌✔✓✗✘☑️🟢🔴-]|\d{1,2}[.)]\s|"
    r"(?:gates?|items?|milestones?|(?:final |cold )?verdicts?(?: (?:on|for))?|review|and)(?=[\s:—–-])|phase(?=\s))*",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"(?:ALL|All)(?: (?:the|\d{1,3}))?(?: (?:DoD|DOD)s?)?(?: (?:items?|gates?|milestones?))?(?=[\s:—–-])"
)
_RANGE = re.compile(
    r"(?P<head>[A-Za-z]+-?)(?P<from>\d{1,3})\s?(?:–|—|-|\.\.|to)\s?(?P=head)(?P<to>\d{1,3})(?![\w-]*\w)"
)
_JOIN = re.compile(r"\s*(?:[,+&/]|and\b)\s*(?:and\s+)?")
_QUALIFIERS = re.compile(
    r"(?:[\s:=—–✅❌✔✓-]|\b(?:full|fully|is|now|still|cold|re-?verified|verified|verdict|result|adversary|gate)\b)*",
    re.IGNORECASE,
)
_TITLE_END = re.compile(r"[:—–=→][\s✅❌✔✓]*$|\s-\s*$")
_HEDGED = re.compile(
    r"\b(?:expect\w*|builder\w*|claim(?:s|ed)?|says?|said|targets?|goals?|earlier|previous\w*|before|old|wants?|"
    r"wanted|should|would|will|to be|needs?|requires?|await\w*|pending|not|never|if|when|once|until|unless|example|"
    r"template)\b",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(r"\s*(?:$|[@(\[:!✅❌✔✓~—–,;→⇒]|\.(?:\s|$)|-+[>\s]|\d|\b(?:at|logged|by|again|and)\b)")
_PROVISIONAL = re.compile(r"\b(?:provisional\w*|conditional\w*|tentative\w*|pending|preliminary)\b", re.IGNORECASE)
_UNDONE = re.compile(
    r"\b(?:except|unless|until|once|subject to|provided that|withdrawn|withdraw|revoked|retracted|superseded|void|"
    r"to be confirmed|tbc|tbd|not verified|unverified|untested|not run)\b",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"FAIL|PARTIAL|❌|✗|✘|🔴|\b(?:withdrawn|withdraw|revoked|retracted|superseded|void)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What counts as a label beside the usual shapes.  ``phase`` may also stand before a label: ``canon M1: PASS``."""

    known: tuple[str, ...] = ()
    phase: str = ""


NO_VOCABULARY = Vocabulary()


def read(text: str, words: Vocabulary = NO_VOCABULARY, scope: tuple[str, ...] = ()) -> tuple[Statement, ...]:
    """The statements in one visible line, in order.

    *scope*: whom a result without a label is about, as in ``review(M1): PASS``; without a scope it is about nobody.
    """
    if not _QUICK.search(text):
        return _loosely(text[:_LONGEST], words, scope)
    return tuple(_Reader(text[:_LONGEST], words, scope).run())


def labels_in(text: str, words: Vocabulary = NO_VOCABULARY) -> tuple[str, ...]:
    """Every label named anywhere in *text*, in order, once."""
    found = (match.group() for match in _grammar(words).anywhere.finditer(text[:_LONGEST]))
    return tuple(dict.fromkeys(label for label in found if label != words.phase))


def leading_labels(text: str, words: Vocabulary = NO_VOCABULARY) -> tuple[tuple[str, ...], int]:
    """The labels with which *text* begins (``WC4+WC7``, ``V2–V8``, ``ALL DoD``) and where the rest starts."""
    found, position = _labels_at(text, _skip_lead(text), words)
    if found == (words.phase,):
        # "porepo: ALL DoD PASS", "canon M1: PASS": the phase only says where the label belongs.
        inner, end = _labels_at(text, position + _skip_lead(text[position:]), words)
        if inner:
            return inner, end
    return found, position


def _labels_at(text: str, position: int, words: Vocabulary) -> tuple[tuple[str, ...], int]:
    group = _GROUP.match(text, position)
    if group:
        return (ALL,), group.end()
    label = _grammar(words).label
    found: list[str] = []
    while True:
        span = _RANGE.match(text, position)
        one = label.match(text, position)
        if span and (expanded := _expand(span)):
            found += expanded
            position = span.end()
        elif one:
            found.append(one.group())
            position = one.end()
        else:
            break
        join = _JOIN.match(text, position)
        if not join or not (label.match(text, join.end()) or _RANGE.match(text, join.end())):
            break
        position = join.end()
    return tuple(dict.fromkeys(found)), position


def _loosely(text: str, words: Vocabulary, scope: tuple[str, ...]) -> tuple[Statement, ...]:
    """``M1: passed``, ``M1 ❌``: not a form of the protocol, but too near to one to be overlooked."""
    found = _LOOSE.search(text)
    if not found:
        return ()
    labels = leading_labels(text, words)[0] or scope
    adverse = not (found[1] or found[2]).lower().startswith(("pass", "✅"))
    return tuple(Statement(label, Word.UNCLEAR, adverse) for label in labels)


@dataclass(frozen=True, slots=True)
class _Grammar:
    label: re.Pattern[str]
    anywhere: re.Pattern[str]


@lru_cache(maxsize=64)
def _grammar(words: Vocabulary) -> _Grammar:
    names = sorted({*words.known, words.phase} - {""}, key=lambda name: (-len(name), name))
    known = "".join(rf"{re.escape(name)}(?![\w-]*\w)|" for name in names)
    return _Grammar(re.compile(known + _LABEL), re.compile(rf"(?<![\w-])(?:{known}{_LABEL})"))


def _skip_lead(text: str) -> int:
    found = _LEAD.match(text)
    return found.end() if found else 0


def _expand(span: re.Match[str]) -> list[str]:
    low, high = int(span["from"]), int(span["to"])
    return [f"{span['head']}{number}" for number in range(low, high + 1)] if low < high <= low + 50 else []


class _Reader:
    """Reads one line: each result with the words left of it (whom it is about) and right of it (whether it holds)."""

    def __init__(self, text: str, words: Vocabulary, scope: tuple[str, ...]) -> None:
        self.text = text
        self.words = words
        # Parentheses explain; they never state.  Blanked in place, so that positions stay.
        self.open = text
        for _ in range(3):
            self.open = _PARENTHESES.sub(lambda found: " " * len(found.group()), self.open)
        self.scope = scope
        self.current = scope
        self.said: dict[str, Statement] = {}

    def run(self) -> tuple[Statement, ...]:
        results = list(_RESULT.finditer(self.open))
        end = 0
        for index, result in enumerate(results):
            until = results[index + 1].start() if index + 1 < len(results) else len(self.text)
            self._result(result, end, until)
            end = result.end()
        if not self.said:
            # Only a mention, or a result in parentheses: whoever leads the line is unclear.
            adverse = bool(_AGAINST.search(self.text))
            for label in leading_labels(self.open, self.words)[0]:
                self._say(label, Word.UNCLEAR, adverse)
        return tuple(self.said.values())

    def _result(self, result: re.Match[str], start: int, until: int) -> None:
        note = self.text[result.end() : until]
        word = _word(result, note)
        against = result["word"].startswith(("FAIL", "PARTIAL")) or (result["neg"] and word is not Word.NOT_YET)
        labels, certain = self._about(start, result.start())
        if not labels and against:
            # A FAIL that cannot be placed must not be overlooked: whoever was named just before it is unclear.
            left = self.open[start : result.start()]
            # "FAIL: M1" names it afterwards.
            near = note if not start and _skip_lead(left) == len(left) else left
            labels, certain = labels_in(near, self.words), False
        if not labels:
            return
        self.current = labels
        for label in labels:
            self._say(label, word if certain else Word.UNCLEAR, bool(against or _AGAINST.search(note)))

    def _about(self, start: int, end: int) -> tuple[tuple[str, ...], bool]:
        """The labels a result at *end* speaks of, and whether the words between allow no other reading."""
        left = self.open[start:end]
        clauses = [0, *(found.end() for found in _BREAK.finditer(left))]
        unsure: tuple[str, ...] = ()
        for at in (clauses[0], *clauses[1:][-_CLAUSES:]):
            clause = left[at:]
            labels, rest = leading_labels(clause, self.words)
            if labels and _connects(clause[rest:]):
                return labels, True
            unsure = labels or unsure
        if unsure:
            return unsure, False
        tail = left[max(clauses[-1], left.rfind(" — ") + 1, left.rfind(" – ") + 1) :]
        if self.current or self.said:
            return (self.current, True) if _QUALIFIERS.fullmatch(tail) else ((), False)
        if not start and _skip_lead(left) == len(left) and _LEAD_GATE.match(self.text):
            return (WHOLE,), True
        return (), False

    def _say(self, label: str, word: Word, adverse: bool) -> None:
        before = self.said.get(label)
        if before and before.word is not word and before.word not in (Word.CLAIMED, Word.NOT_YET):
            # "PASS on linux, FAIL on mac", "FAIL -> PASS": two results in one line contradict each other.
            word, adverse = Word.UNCLEAR, True
        self.said[label] = Statement(label, word, adverse or bool(before and before.adverse))


_LEAD_GATE = re.compile(r"gate\b", re.IGNORECASE)


def _connects(between: str) -> bool:
    """Whether the words between a label and its result are a title or a harmless qualifier."""
    if _QUALIFIERS.fullmatch(between):
        return True
    if not _TITLE_END.search(between):
        return False
    title = re.split(r"[:—–,;.]", between.rstrip(" \t:—–=→-✅❌✔✓"))[-1]
    return not _HEDGED.search(title)


def _word(result: re.Match[str], note: str) -> Word:
    word, modifier, negated = result["word"], (result["mod"] or "").lower(), result["neg"]
    if word == "CLAIMED":
        if negated:
            return Word.NOT_YET
        return Word.CLAIMED if _FOLLOWS.match(note) else Word.UNCLEAR
    if negated or note.lstrip().startswith("?"):
        return Word.UNCLEAR
    if word.startswith("FAIL") or word == "PARTIAL" or modifier.startswith("partial"):
        return Word.FAIL
    if word == "PROVISIONAL" or modifier or _PROVISIONAL.search(note):
        return Word.PROVISIONAL
    if _UNDONE.search(note) or not _FOLLOWS.match(note) or any(mark in note[:4] for mark in "❌✗✘"):
        return Word.UNCLEAR
    return Word.PASS
