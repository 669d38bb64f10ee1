"""From what a commit states to the latest verdict on each item: pure steps of the evidence's fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from loops.protocol.review import Result, Stated
from loops.protocol.statements import ALL


@dataclass(frozen=True, slots=True)
class Point:
    """A commit's place in the evidence.  ``time``: epoch seconds, never later than when it was seen."""

    position: int
    sha: str
    time: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The latest on one item.  ``text``: the line that says it, or why it is unclear.  ``author``: e-mail.

    ``line`` is the fingerprint of its line in REVIEW, empty when only the subject speaks.
    """

    item: str
    result: Result
    at: Point
    text: str
    author: str
    line: str = ""


class Authored(Protocol):
    """The part of a commit that matters here."""

    @property
    def sha(self) -> str:
        """The commit's id."""

    @property
    def email(self) -> str:
        """Its author's address."""

    @property
    def subject(self) -> str:
        """Its first line."""


def fingerprint(stated: Stated) -> str:
    """A short name for one line of verdict, the same wherever it stands in the document."""
    raw = f"{stated.item}\0{stated.result.value}\0{stated.text}".encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=8).hexdigest()


def fingerprints(stated: Sequence[Stated]) -> Mapping[str, int]:
    """How often each line of verdict stands in a document."""
    return Counter(fingerprint(one) for one in stated)


def added(stated: Sequence[Stated], before: Mapping[str, int]) -> tuple[Stated, ...]:
    """The lines that were not there *before*, in order; of a repeated line the later ones are the new ones."""
    count = Counter(fingerprint(one) for one in stated)
    spare = {name: min(before.get(name, 0), number) for name, number in count.items()}
    found = []
    for one in stated:
        name = fingerprint(one)
        if spare[name]:
            spare[name] -= 1
        else:
            found.append(one)
    return tuple(found)


def most(first: Mapping[str, int], second: Mapping[str, int]) -> Mapping[str, int]:
    """How often each line stood there at most."""
    return {name: max(first.get(name, 0), second.get(name, 0)) for name in {**first, **second}}


def foreign(
    verdicts: Mapping[str, Verdict], fresh: Sequence[Stated], at: Point, commit: Authored
) -> Mapping[str, Verdict]:
    """Lines of verdict from a commit that is no review: no verdict, and a reason to ask again."""
    given = {
        one.item: Verdict(
            one.item,
            Result.UNCLEAR,
            at,
            f'REVIEW was written by "{commit.subject[:80]}", which is no review commit: {one.text}',
            commit.email,
        )
        for one in fresh
        if one.result is not Result.UNCLEAR or one.adverse
    }
    return {**verdicts, **given} if given else verdicts


def settle(
    verdicts: Mapping[str, Verdict], fresh: Sequence[Stated], spoken: Sequence[Stated], at: Point, author: str
) -> Mapping[str, Verdict]:
    """The verdicts after a review commit that adds the lines *fresh* and says *spoken* in its subject."""
    items = dict.fromkeys(one.item for one in (*fresh, *spoken))
    if not items:
        return verdicts
    for_all = [one for one in (*fresh, *spoken) if one.item == ALL and one.result is not Result.UNCLEAR]
    after = dict(verdicts)
    for item in items:
        said = [one for one in fresh if one.item == item]
        said += [one for one in spoken if one.item == item]
        if item != ALL:
            said += for_all
        decided = _decide(said, verdicts.get(item))
        if decided is not None:
            result, one = decided
            line = fingerprint(one) if any(one is new for new in fresh) else ""
            after[item] = Verdict(item, result, at, one.text, author, line)
    return after


def _decide(said: Sequence[Stated], before: Verdict | None) -> tuple[Result, Stated] | None:
    """What *said* of one item in one commit amounts to; None: only a remark that changes nothing."""
    clear = [one for one in said if one.result is not Result.UNCLEAR]
    against = [one for one in said if one.result is Result.UNCLEAR and one.adverse]
    if clear and not any(one.firm for one in against):
        return _agree(clear)
    if against:
        return Result.UNCLEAR, against[0]
    if (before is not None and before.result is Result.PASS) or any(one.item == ALL for one in said):
        return None
    return (Result.UNCLEAR, said[0]) if said else None


def _agree(clear: Sequence[Stated]) -> tuple[Result, Stated]:
    if len({one.result for one in clear}) == 1:
        return clear[0].result, clear[0]
    # A FAIL and a later PASS in one commit are a history when both carry their time; else they contradict.
    timed = [(one.moment.epoch, one) for one in clear if one.moment and one.moment.epoch is not None]
    if len(timed) == len(clear):
        last = max(epoch for epoch, _ in timed)
        newest = [one for epoch, one in timed if epoch == last]
        if len({one.result for one in newest}) == 1 and newest[0].line:
            return newest[0].result, newest[0]
    return Result.UNCLEAR, next(one for one in clear if one.result is not clear[0].result)
