"""The files of two looks, compared.  Pure.

One change of a path is one difference: what follows from it (the times of the file, of its directory) is not told again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from loops.projects.untouched.difference import NOTHING, Difference, fine_clock
from loops.projects.untouched.model import Entry, Kind
from loops.projects.untouched.touch import Change, Thing

_AT_ONCE = 20_000_000
"""Nanoseconds between two times that a file system sets in one call: it looks at a clock that ticks."""
_Told = tuple[Change, str, str]


def differences(before: Sequence[Entry], after: Sequence[Entry], roots: Sequence[str]) -> Iterator[Difference]:
    """Yield every difference of the files below *roots*, by path."""
    earlier, later = {each.path: each for each in before}, {each.path: each for each in after}
    hidden = {path for path, each in earlier.items() if each.kind is Kind.DIRECTORY and each.unread} | {
        path for path, each in later.items() if each.kind is Kind.DIRECTORY and each.unread
    }
    found = {path: told for path in sorted({*earlier, *later}) if (told := _path(earlier.get(path), later.get(path)))}
    moved = _moved(earlier, later, found)
    busy = _busy(earlier, later, found)
    for path, told in found.items():
        if _below(path, hidden) and told[0][0] in (Change.ADDED, Change.REMOVED):
            continue  # it could not be seen in one of the looks
        old, new = earlier.get(path), later.get(path)
        for change, was, now in told:
            if change is Change.TIME and old is not None and new is not None and _follows(path, new, busy):
                continue
            names = (path, *(os.path.relpath(path, root) for root in roots if _below(path, {root})))
            hints = tuple(_hints(change, old, new, moved))
            yield Difference(Thing.FILE, path, change, was, now, names, hints=hints)


def _path(old: Entry | None, new: Entry | None) -> list[_Told]:
    if old is None or new is None:
        present = old or new
        assert present is not None
        what = describe(present)
        return [(Change.ADDED, NOTHING, what) if old is None else (Change.REMOVED, what, NOTHING)]
    if old == new:
        return []
    if old.kind is not new.kind:
        return [(Change.TYPE, describe(old), describe(new))]
    return list(_entry(old, new))


def _entry(old: Entry, new: Entry) -> Iterator[_Told]:
    same_inode = (old.device, old.inode) == (new.device, new.inode)
    content = _content(old, new, same_inode)
    told = True
    if content is not None:
        yield content, describe(old), describe(new)
    elif not same_inode:
        yield Change.REPLACED, f"inode {old.inode}", f"inode {new.inode}"
    elif old.mtime_ns != new.mtime_ns:
        yield Change.TIME, fine_clock(old.mtime_ns), fine_clock(new.mtime_ns)
    else:
        told = False
    for change, was, now in (
        (Change.MODE, f"{old.mode:04o}", f"{new.mode:04o}"),
        (Change.OWNER, f"uid {old.uid}, gid {old.gid}", f"uid {new.uid}, gid {new.gid}"),
    ):
        if was != now:
            told = True
            yield change, was, now
    if old.xattrs != new.xattrs and not (old.unread or new.unread):
        told = True
        yield Change.XATTRS, _short(old.xattrs), _short(new.xattrs)
    if old.links != new.links and same_inode and old.kind is not Kind.DIRECTORY:
        told = True
        yield Change.LINKS, f"{old.links} links", f"{new.links} links"
    if new.unread and not old.unread:
        told = True
        yield Change.HIDDEN, "readable", new.unread
    if not told and old.ctime_ns != new.ctime_ns:
        yield Change.INODE, fine_clock(old.ctime_ns), fine_clock(new.ctime_ns)


def _content(old: Entry, new: Entry, same_inode: bool) -> Change | None:
    if old.kind is Kind.SYMLINK:
        return Change.TARGET if old.target != new.target else None
    if old.kind is not Kind.FILE or (old.size == new.size and (old.digest == new.digest or old.unread or new.unread)):
        return None
    if same_inode and new.size > old.size and not old.unread and not new.unread:
        kept = new.head is not None and (new.head.size, new.head.digest) == (old.size, old.digest)
        if kept or not old.size:
            return Change.APPENDED
    return Change.CONTENT


def describe(entry: Entry) -> str:
    """What it is, in a few words."""
    if entry.kind is Kind.SYMLINK:
        return f"symlink to {entry.target}"
    if entry.kind is not Kind.FILE:
        return str(entry.kind.value)
    return f"{entry.size:,} bytes, {f'sha256 {_short(entry.digest)}' if entry.digest else entry.unread}"


def _short(digest: str) -> str:
    return digest[:12] or "none"


def _moved(
    earlier: Mapping[str, Entry], later: Mapping[str, Entry], found: Mapping[str, Sequence[_Told]]
) -> dict[tuple[int, int], str]:
    """Where files are now whose earlier path holds something else."""
    inodes = {
        (each.device, each.inode)
        for path in found
        if (each := earlier.get(path)) is not None and each.kind is Kind.FILE
    }
    return {
        place: path
        for path, each in later.items()
        if (place := (each.device, each.inode)) in inodes and each.kind is Kind.FILE
    }


def _busy(
    earlier: Mapping[str, Entry], later: Mapping[str, Entry], found: Mapping[str, Sequence[_Told]]
) -> dict[str, list[int]]:
    """By directory: when an entry in it could have changed the directory's own time (0: certainly)."""
    moments: dict[str, list[int]] = {}
    for path in found:
        old, new = earlier.get(path), later.get(path)
        certain = old is None or new is None or (old.device, old.inode) != (new.device, new.inode)
        # A file that was renamed over can have the inode of the one before the last again.
        moments.setdefault(os.path.dirname(path), []).append(0 if certain or new is None else new.ctime_ns)
    return moments


def _follows(path: str, new: Entry, busy: Mapping[str, Sequence[int]]) -> bool:
    if new.kind is not Kind.DIRECTORY:
        return False
    return any(not moment or abs(new.mtime_ns - moment) <= _AT_ONCE for moment in busy.get(path, ()))


def _below(path: str, directories: set[str]) -> bool:
    while path not in directories:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _hints(change: Change, old: Entry | None, new: Entry | None, moved: Mapping[tuple[int, int], str]) -> Iterator[str]:
    if old is not None and (old.device, old.inode) in moved and (new is None or new.inode != old.inode):
        yield f"what was there is now {moved[old.device, old.inode]}"
    if new is None or old is None:
        return
    if change is Change.CONTENT and old.mtime_ns == new.mtime_ns:
        yield f"its time was set back: the inode was last changed at {fine_clock(new.ctime_ns)}"
    if change is Change.CONTENT and new.size < old.size:
        yield f"it is {old.size - new.size:,} bytes shorter"
    elif change is Change.TIME and new.kind is Kind.DIRECTORY:
        yield "something was made in it and removed again, or its time was set"
    elif change is Change.INODE:
        yield "a mode, name, link or time was changed and changed back"
