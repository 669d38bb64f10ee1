"""Looks at everything below a path without leaving a trace: nothing is followed, and only regular files are opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256

from loops.projects.untouched.model import Entry, Head, Kind

_CHUNK = 1 << 20
_TRIES = 3
"""For a file that is written while it is read."""
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CHANGING = "it changed all the time while it was read"
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}

Earlier = Mapping[str, Entry]


def look(root: str, earlier: Earlier | None = None) -> Iterator[Entry]:
    """Yield *root* and everything below it, in no order.

    A path that vanishes between two looks at it was not there.  *earlier*: of the look before, so that each file is
    also digested as far as it reached then.
    """
    earlier = earlier or {}
    about = os.lstat(root)
    if not stat.S_ISDIR(about.st_mode):
        yield _entry(root, about, None, earlier)
        return
    todo = [root]
    while todo:
        directory = todo.pop()
        entry, inside = _directory(directory, earlier, todo)
        if entry is not None:
            yield entry
            yield from inside


def one(path: str) -> Entry:
    """The entry of one path alone.  OSError: there is none."""
    about = os.lstat(path)
    return _stated(path, about) if stat.S_ISDIR(about.st_mode) else _entry(path, about, None, {})


def _directory(path: str, earlier: Earlier, todo: list[str]) -> tuple[Entry | None, list[Entry]]:
    """One directory and what is in it, its directories excepted: they are left *todo*."""
    found: list[Entry] = []
    try:
        about = os.lstat(path)
    except OSError:
        return None, found
    try:
        descriptor = _open(path, os.O_DIRECTORY)
    except OSError as error:
        return _stated(path, about, unread=_words(error)), found
    try:
        about = os.fstat(descriptor)  # of the very directory that is listed
        with os.scandir(descriptor) as listing:
            names = [each.name for each in listing]
        front = path if path.endswith("/") else path + "/"
        for name in names:
            try:
                inner = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(inner.st_mode):
                todo.append(front + name)
            else:
                found.append(_entry(front + name, inner, (name, descriptor), earlier))
        return _stated(path, about, xattrs=_xattrs(descriptor)), found
    except OSError as error:
        return _stated(path, about, unread=_words(error)), found
    finally:
        os.close(descriptor)


def _entry(path: str, about: os.stat_result, within: tuple[str, int] | None, earlier: Earlier) -> Entry:
    name, descriptor = within or (path, None)
    if stat.S_ISREG(about.st_mode):
        return _file(path, name, descriptor, about, earlier.get(path))
    if stat.S_ISLNK(about.st_mode):
        try:
            return _stated(path, about, target=os.readlink(name, dir_fd=descriptor))
        except OSError as error:
            return _stated(path, about, unread=_words(error))
    return _stated(path, about)


def _file(path: str, name: str, within: int | None, about: os.stat_result, known: Entry | None) -> Entry:
    try:
        descriptor = _open(name, 0, within)
    except OSError as error:
        return _stated(path, about, unread=_words(error))
    try:
        for _ in range(_TRIES):
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):  # swapped for something else since it was listed
                return _stated(path, about)
            reach = known.size if known is not None and known.kind is Kind.FILE and known.size < about.st_size else 0
            head, digest, whole = _digests(descriptor, about.st_size, reach)
            now = os.fstat(descriptor)
            # A log that grows is whole up to the size that was read.
            if whole and (now.st_mtime_ns == about.st_mtime_ns or now.st_size > about.st_size):
                return _stated(path, about, digest=digest, head=head, xattrs=_xattrs(descriptor))
            os.lseek(descriptor, 0, os.SEEK_SET)
        return _stated(path, about, unread=CHANGING)
    except OSError as error:
        return _stated(path, about, unread=_words(error))
    finally:
        os.close(descriptor)


def _digests(descriptor: int, size: int, reach: int) -> tuple[Head | None, str, bool]:
    """The digests of the first *reach* bytes (0: none asked for) and of *size* bytes; whether there were as many."""
    whole, head, left = sha256(), None, size
    while left:
        data = os.read(descriptor, min(_CHUNK, left, reach or left))
        if not data:
            break
        whole.update(data)
        left -= len(data)
        if reach:
            reach -= len(data)
            if not reach:
                head = Head(size - left, whole.hexdigest())
    return head, whole.hexdigest(), not left


def _open(name: str, how: int, within: int | None = None) -> int:
    """Open for reading; where it may be so, reading leaves the time of the last access alone."""
    try:
        return os.open(name, _LOOK | os.O_NOATIME | how, dir_fd=within)
    except PermissionError:  # O_NOATIME is for the owner
        return os.open(name, _LOOK | how, dir_fd=within)


def _stated(
    path: str,
    about: os.stat_result,
    *,
    digest: str = "",
    target: str = "",
    xattrs: str = "",
    unread: str = "",
    head: Head | None = None,
) -> Entry:
    return Entry(
        path,
        _KINDS.get(stat.S_IFMT(about.st_mode), Kind.DEVICE),
        stat.S_IMODE(about.st_mode),
        about.st_uid,
        about.st_gid,
        about.st_size,
        about.st_mtime_ns,
        about.st_ctime_ns,
        about.st_dev,
        about.st_ino,
        about.st_nlink,
        digest,
        target,
        xattrs,
        unread,
        head,
    )


def _xattrs(descriptor: int) -> str:
    try:
        names = os.listxattr(descriptor)
    except OSError:
        return ""  # a file system that has none
    if not names:
        return ""
    digest = sha256()
    for name in sorted(names):
        try:
            value = os.getxattr(descriptor, name)
        except OSError as error:
            value = f"({_words(error)})".encode()
        digest.update(os.fsencode(name) + b"\0" + str(len(value)).encode() + b"\0" + value)
    return digest.hexdigest()


def _words(error: OSError) -> str:
    return "may not be read" if error.errno in (errno.EACCES, errno.EPERM) else error.strerror or str(error)
