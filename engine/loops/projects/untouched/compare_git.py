"""Git repositories of two looks, compared.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loops.projects.untouched.difference import NOTHING, Difference
from loops.projects.untouched.model import Repository
from loops.projects.untouched.touch import Change, Thing


def differences(before: Sequence[Repository], after: Sequence[Repository]) -> Iterator[Difference]:
    """By path."""
    earlier, later = {each.path: each for each in before}, {each.path: each for each in after}
    for path in sorted({*earlier, *later}):
        old, new = earlier.get(path, Repository(path, "")), later.get(path, Repository(path, ""))
        if old.unseen:
            continue
        if new.unseen:
            yield Difference(Thing.GIT, path, Change.HIDDEN, "readable", new.unseen, (path,))
            continue
        yield from _repository(old, new)


def _repository(old: Repository, new: Repository) -> Iterator[Difference]:
    path = old.path
    if old.head != new.head:
        yield _difference(path, "HEAD", Change.MOVED, old.head, new.head)
    refs = ({ref.name: ref.object for ref in old.refs}, {ref.name: ref.object for ref in new.refs})
    for name, change, was, now in _changes(*refs):
        yield _difference(path, name, Change.MOVED if change is Change.CONTENT else change, was, now)
    states = ({each.path: each.state for each in old.status}, {each.path: each.state for each in new.status})
    for name, _, was, now in _changes(*states):
        yield _difference(path, name, Change.WORKTREE, _state(was), _state(now))
    for change, digests in ((Change.INDEX, (old.index, new.index)), (Change.CONFIG, (old.config, new.config))):
        if digests[0] != digests[1]:
            yield _difference(path, change.value, change, f"sha256 {digests[0][:12]}", f"sha256 {digests[1][:12]}")
    for change, lists in (
        (Change.STASH, (old.stashes, new.stashes)),
        (Change.WORKTREES, (old.worktrees, new.worktrees)),
    ):
        if lists[0] != lists[1]:
            yield _difference(path, change.value, change, _listed(lists[0]), _listed(lists[1]))


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, Change, str, str]]:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was is None:
            yield name, Change.ADDED, NOTHING, now or ""
        elif now is None:
            yield name, Change.REMOVED, was, NOTHING
        elif was != now:
            yield name, Change.CONTENT, was, now


def _difference(path: str, what: str, change: Change, before: str, after: str) -> Difference:
    return Difference(Thing.GIT, f"{path}: {what}", change, before, after, (what,))


def _state(told: str) -> str:
    """The two letters of git, and the start of the digest."""
    if told == NOTHING:
        return "as committed"
    fields = told.split(" ")
    letters = "untracked" if fields[0] == "?" else " ".join(fields[1:2])
    return f"{letters}, sha256 {fields[-1][:12]}" if len(fields[-1]) == 64 else f"{letters} {fields[-1]}".strip()


def _listed(entries: Sequence[str]) -> str:
    return ", ".join(each[:12] if len(each) == 40 else each for each in entries) or "none"
