"""What a `loops claim` or `loops verdict` that was killed has left, so that the same words typed again stand once.

It is found by the words alone: what the command would have written at a time that stands in the document, and that stands
in nothing committed before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loops.errors import ProtocolError
from loops.protocol.clone import Clone, GitError
from loops.protocol.moment import epoch_of

_STAMP = re.compile(r"@(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)")


@dataclass(frozen=True, slots=True)
class Writing:
    """What one command writes, as functions of the time.

    Attributes:
        edit: the document's text, what of it is committed, and the time -> its new text, in which the writing stands once.
        subject: the time -> the subject of the commit.
    """

    edit: Callable[[str, str, float], str]
    subject: Callable[[float], str]


def without(text: str, committed: str, write: Callable[[str, float], str]) -> str:
    """*text* without what *write* added to it, whenever that was, and nobody committed; all else stays."""
    for stamp, when in _stamps(text, committed):
        before = text[: text.rfind("\n", 0, text.index(stamp)) + 1]
        try:
            own = write(before, when)
        except ProtocolError:  # it could not be written there
            continue
        if text.startswith(own):
            return before + text[len(own) :].lstrip("\n")
    return text


def unpushed(clone: Clone, document: str, writing: Writing, upstream: str) -> str:
    """The subject of the commit that is checked out, when it is this very *writing* and *upstream* is not known to have it.

    Empty when it is not, and when *document* has changed since.
    """
    if contained(clone, "HEAD", upstream) or any(path == document for _, path in clone.changes()):
        return ""
    subject = clone.run("log", "-1", "--format=%s")
    text, before = text_of(clone, "HEAD", document), text_of(clone, "HEAD^", document)
    for _, when in _stamps(text, before):
        if writing.subject(when) == subject and writing.edit(text, before, when) == text:
            return subject
    return ""


def contained(clone: Clone, commit: str, ref: str) -> bool:
    """Whether *ref* is there and leads to *commit*."""
    if not clone.commit_of(ref):
        return False
    try:
        clone.run("merge-base", "--is-ancestor", commit, ref)
    except GitError:
        return False
    return True


def text_of(clone: Clone, commit: str, document: str) -> str:
    """The document in *commit*, with one line break at its end; empty: one of them is not there."""
    try:
        return clone.run("show", f"{commit}:{document}") + "\n"
    except GitError:
        return ""


def _stamps(text: str, known: str) -> Iterator[tuple[str, float]]:
    """The times in *text*, as the writers put them down, that do not stand in what is *known*."""
    for stamp in dict.fromkeys(_STAMP.findall(text)):
        when = epoch_of(stamp)
        if when is not None and stamp not in known:
            yield f"@{stamp}", when
