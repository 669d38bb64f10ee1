"""How ``loops new`` ends before its time, and leaves nothing all the same.

A signal is answered by taking back what was made; after SIGKILL, which nobody can answer, the next ``loops new`` of the same
name removes the draft.  It is known by its mark, on which a living one holds a lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MARK = ".made-by-loops-new"
_TRIES = 40
_PAUSE = 0.05
"""Seconds between two tries to remove what the helpers of a git that was just ended still write into."""


class Ended(KeyboardInterrupt):
    """A signal came that ends the process; its number is the argument."""


@contextmanager
def answered() -> Iterator[None]:
    """Have the first signal that would end this process raise `Ended`, and those behind it cut no undoing short.

    The process then ends as the signal wants it; of SIGINT only a KeyboardInterrupt is left.  For the main thread.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}
    ours = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]  # as nohup(1) has it

    def answer(number: int, _frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, lambda *_: None)  # not SIG_IGN, which children would inherit
        raise Ended(number)

    for number in ours:
        signal.signal(number, answer)
    ended = 0
    try:
        yield
    except Ended as signalled:
        ended = signalled.args[0]
    finally:
        for number in ours:
            signal.signal(number, before[number])
    if ended == signal.SIGINT:
        raise KeyboardInterrupt
    if ended:
        os.kill(os.getpid(), ended)


@contextmanager
def held() -> Iterator[None]:
    """Have such signals wait for the end of the body: between a change and the note by which it is taken back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def workshop(parent: str, name: str) -> Iterator[str]:
    """A hidden directory in *parent* that is gone afterwards, whatever happens."""
    shop, mark = "", -1
    try:
        with held():
            shop = tempfile.mkdtemp(prefix=_prefix(name), dir=parent)
            mark = _marked(shop, name)
        yield shop
    finally:
        with held():
            if shop:
                _remove(shop)
            if mark >= 0:
                os.close(mark)


def sweep(parent: str, name: str) -> None:
    """Remove the workshops in *parent* in which a project *name* was made by somebody who was killed."""
    with suppress(OSError):
        for found in sorted(os.listdir(parent)):
            if found.startswith(_prefix(name)):
                _sweep(os.path.join(parent, found), name)


def _sweep(shop: str, name: str) -> None:
    """Remove it if it is ours beyond doubt: our user's, marked, with no lock on its mark, and nothing else in it."""
    with suppress(OSError):
        about = os.lstat(shop)
        mark = os.open(os.path.join(shop, _MARK), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = os.read(mark, 4096) == _words(name)
            ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
            if whole and ours and set(os.listdir(shop)) <= {_MARK, name}:
                _remove(shop)
        finally:
            os.close(mark)


def _marked(shop: str, name: str) -> int:
    """Mark *shop* as ours; return the descriptor that holds the lock.  The words come last: without them it is nobody's mark."""
    mark = os.open(os.path.join(shop, _MARK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without locks: then nobody sweeps it
        fcntl.flock(mark, fcntl.LOCK_EX)
        os.write(mark, _words(name))
    return mark


def _prefix(name: str) -> str:
    return f".{name}.new-"


def _words(name: str) -> bytes:
    return f"Made by `loops new {name}`, which removes it again.\n".encode()


def _remove(shop: str) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(shop, ignore_errors=True)
        if not os.path.lexists(shop):
            return
        time.sleep(_PAUSE)
