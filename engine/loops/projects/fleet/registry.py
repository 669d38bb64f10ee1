"""Adding, removing and changing the entries of a fleet.toml: whole, one writer at a time, and never into a bad state."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from loops.config.fleet import ABSENT, Entry, parse_fleet
from loops.config.problems import ConfigProblems
from loops.config.toml_file import read_bytes
from loops.errors import LoopsError, UsageError
from loops.projects.fleet import edits
from loops.projects.fleet.survey import look
from loops.projects.fleet.validate import check

Edit = Callable[[bytes], bytes]


def add(path: str, entry: Entry) -> None:
    """Add *entry* to the file at *path*, which is made when it is missing.

    Raises:
        UsageError: there is a project of that name.
        ConfigProblems: `loops.projects.fleet.validate` would find something that it does not find now; nothing was written.
        LoopsError: the file cannot be changed.
    """

    def edit(raw: bytes) -> bytes:
        after = edits.added(path, raw, entry)
        if any(each.name == entry.name for each in parse_fleet(path, raw).fleet.projects):
            raise UsageError(
                f"{path}: there is a project {entry.name!r} already: choose another name, or remove that one"
            )
        _refuse_new_problems(path, raw, after)
        return after

    path = os.path.realpath(path)
    _change(path, edit, make=True)


def remove(path: str, name: str) -> None:
    """Take the project *name* out of the file at *path*; the project itself is not touched.

    Raises:
        UsageError: there is no such project.
        LoopsError: the file cannot be changed.
    """
    path = os.path.realpath(path)
    _change(path, lambda raw: edits.removed(path, raw, name))


def set_ref(path: str, name: str, ref: str) -> None:
    """Write *ref* as the mirror of the pin of the project *name*.

    Raises:
        UsageError: there is no such project.
        ConfigProblems: *ref* cannot stand there.
        LoopsError: the file cannot be changed.
    """
    RefChange(path, name, ref).make()


class RefChange:
    """One `set_ref` that can be taken back."""

    def __init__(self, path: str, name: str, ref: str) -> None:
        """Take what `set_ref` takes; nothing is done yet."""
        self._path, self._name, self._wanted = os.path.realpath(path), name, ref
        self._before = self._after = b""

    def make(self) -> None:
        """Write it."""
        _change(self._path, self._edit)

    def take_back(self) -> None:
        """Bring the file's bytes back, however far `make` came; of a file that others changed since, only the ref."""
        if self._after != self._before:
            _change(self._path, self._back)

    def _edit(self, raw: bytes) -> bytes:
        self._before, self._after = raw, _with_ref(self._path, raw, self._name, self._wanted)
        return self._after

    def _back(self, raw: bytes) -> bytes:
        if raw in (self._before, self._after):
            return self._before
        return _with_ref(self._path, raw, self._name, parse_fleet(self._path, self._before).fleet.entry(self._name).ref)


def check_ref(path: str, name: str, ref: str) -> None:
    """Raise what `set_ref` would, and write nothing."""
    path = os.path.realpath(path)
    _with_ref(path, read_bytes(path, name="fleet.toml", absent=ABSENT)[0], name, ref)


def _with_ref(path: str, raw: bytes, name: str, ref: str) -> bytes:
    after = edits.with_ref(path, raw, name, ref)
    before = {(each.key, each.message) for each in parse_fleet(path, raw).problems}
    new = [each for each in parse_fleet(path, after).problems if (each.key, each.message) not in before]
    if new:
        raise ConfigProblems(new)
    return after


def _refuse_new_problems(path: str, before: bytes, after: bytes) -> None:
    """Mistakes that stand already must not keep anybody from adding a project."""
    seen = cache(look)  # the first look at a project serves both
    old, new = parse_fleet(path, before), parse_fleet(path, after)
    kept = {each.name: each for each in old.fleet.projects}
    known = {(each.key, each.message) for each in check(old, seen).problems}
    found = check(new, lambda fleet, entry: seen(old.fleet, kept.get(entry.name, entry))).problems
    fresh = [each for each in found if (each.key, each.message) not in known]
    if fresh:
        raise ConfigProblems(fresh)


def _change(path: str, edit: Edit, *, make: bool = False) -> None:
    """Read, *edit* and replace the file at the real *path*, while no other edit of ours does."""
    try:
        with _locked(os.path.dirname(path)):
            missing = make and not os.path.lexists(path)
            raw, about = (edits.FIRST, None) if missing else read_bytes(path, name="fleet.toml", absent=ABSENT)
            after = edit(raw)
            if about is not None and after == raw:
                return
            _replace(path, after, about)
    except OSError as error:
        raise LoopsError(f"{error.filename or path}: {error.strerror}; nothing was written") from error


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """The directory's lock, and not the file's: a file that is replaced takes its lock with it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, raw: bytes, about: os.stat_result | None) -> None:
    """Put *raw* in the place of the file that *about* describes; refuse when it is another one by now."""
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            os.fchmod(file.fileno(), about.st_mode & 0o7777 if about else 0o644)
            if about and (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):
                    os.fchown(file.fileno(), about.st_uid, about.st_gid)
            file.flush()
            os.fsync(file.fileno())
        if _identity(path) != (about and (about.st_ino, about.st_size, about.st_mtime_ns)):
            raise LoopsError(f"{path}: somebody else changed it at this very moment; nothing was written: try again")
        os.replace(draft, path)
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        now = os.stat(path)
    except FileNotFoundError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns
