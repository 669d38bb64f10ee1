"""``loops note``: change the orchestrator's journal on disk, and keep it where its other documents are kept.

The file is replaced whole and flushed, under a lock on its directory, so that a kill leaves the old one or the new one.
In a clone the change is committed, alone, and pushed where the branch has somewhere to go; but a note is worth more than
its commit, so what git refuses is said and undoes nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loops.errors import LoopsError, ProtocolError
from loops.protocol.clone import Clone, GitError


@dataclass(frozen=True, slots=True)
class Noted:
    """``changed``: whether the file says anything new.  ``commit``: its id, if there is one.  ``trouble``: git's, in words."""

    changed: bool
    commit: str = ""
    pushed: bool = False
    trouble: str = ""


def read(path: str) -> str:
    """The file's text; empty when there is none.  Raises LoopsError."""
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise LoopsError(f"{path}: {error.strerror}; name another file with --file") from error


def change(path: str, edit: Callable[[str], str], subject: str) -> Noted:
    """Let *edit* make the file's new text; *subject* is that of the commit.

    Raises:
        ProtocolError: *edit* refused; nothing was written.
        LoopsError: the file cannot be written.
    """
    directory = os.path.dirname(os.path.abspath(path))
    try:
        with _locked(directory):
            before = read(path)
            after = edit(before)
            if after == before:
                return Noted(changed=False)
            _replace(path, after)
            return _keep(path, directory, subject)
    except OSError as error:
        raise LoopsError(f"{path}: {error.strerror}; name another file with --file") from error


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, text: str) -> None:
    draft = os.path.join(os.path.dirname(os.path.abspath(path)), f".{os.path.basename(path)}.draft")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _keep(path: str, directory: str, subject: str) -> Noted:
    """Commit the file, and push it, as far as git lets us."""
    try:
        clone = Clone(directory)
    except ProtocolError:  # no clone
        return Noted(changed=True)
    name = os.path.relpath(os.path.realpath(path), clone.root)
    with suppress(GitError):
        clone.run("check-ignore", "--quiet", "--", name)
        return Noted(changed=True)
    try:
        busy = clone.busy()
        if busy:
            return Noted(changed=True, trouble=f"not committed: a {busy} is half-done in {clone.root}")
        clone.commit(subject, (name,))
    except GitError as error:
        return Noted(changed=True, trouble=f"not committed: {error}")
    try:
        return Noted(changed=True, commit=clone.head(), pushed=_push(clone))
    except GitError as error:
        return Noted(changed=True, commit=clone.head(), trouble=f"not pushed: {error}")


def _push(clone: Clone) -> bool:
    """Push the branch to where it belongs, once more on top of what came meanwhile; False: it belongs nowhere."""
    if not clone.commit_of("@{upstream}"):
        return False
    try:
        clone.run("push", "--quiet", network=True)
    except GitError:
        try:
            clone.run("pull", "--quiet", "--rebase", network=True)
        except GitError:
            if clone.busy():
                clone.run("rebase", "--abort")
            raise
        clone.run("push", "--quiet", network=True)
    return True
