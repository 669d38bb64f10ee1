"""One epoll loop: descriptors and timers in, callbacks out.  Nothing here knows what they mean."""

from __future__ import annotations

import heapq
import math
import select
from collections.abc import Callable

Callback = Callable[[], None]

LONGEST_WAIT = 3600.0
"""Seconds of one wait: epoll_wait(2) takes no more than 24 days, and a limit may well be lifted in 30."""


class Reactor:
    """Waits for descriptors and timers.  Times are those of *now*, in seconds.

    It can itself be waited for: its `fileno` is readable when `turn` has a descriptor to serve, and `wait` says until when
    there is no timer.  So one loop can turn many.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, str]] = []
        self._due: dict[str, tuple[float, int, Callback]] = {}
        self._count = 0

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        """Forget everything; nothing is called any more."""
        self._callbacks.clear()
        self._timers.clear()
        self._due.clear()
        self._epoll.close()

    def watch(self, fd: int, callback: Callback, *, write: bool = False) -> None:
        """Call *callback* whenever *fd* is readable (with *write*: writable).  A second call changes the first.

        Not both: who waits to write and is sent more than it reads would be called without end.
        """
        mask = select.EPOLLOUT if write else select.EPOLLIN
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching *fd*; call it before the descriptor is closed."""
        if self._callbacks.pop(fd, None) is not None and not self._epoll.closed:
            self._epoll.unregister(fd)

    def at(self, key: str, when: float | None, callback: Callback) -> None:
        """Set, move or (None, or never: infinite) clear the timer named *key*."""
        if when is None or math.isinf(when):
            self._due.pop(key, None)
            return
        known = self._due.get(key)
        if known is not None and known[0] == when:
            self._due[key] = (when, known[1], callback)
            return
        self._count += 1
        self._due[key] = (when, self._count, callback)
        heapq.heappush(self._timers, (when, self._count, key))

    def cancel(self, key: str) -> None:
        """Clear the timer named *key*, if there is one."""
        self._due.pop(key, None)

    def _next(self) -> float | None:
        while self._timers:
            when, count, key = self._timers[0]
            known = self._due.get(key)
            if known is not None and known[1] == count:
                return when
            heapq.heappop(self._timers)
        return None

    def wait(self) -> float:
        """Seconds until the next timer; never more than `LONGEST_WAIT`."""
        when = self._next()
        return LONGEST_WAIT if when is None else min(max(0.0, when - self._now()), LONGEST_WAIT)

    def turn(self, *, waiting: bool = True) -> None:
        """Wait once (unless not *waiting*), then run everything that is ready: timers first, for they are late already.

        A timer that is set meanwhile waits for the next turn, be it due at once: so the descriptors always have theirs.
        """
        ready = self._epoll.poll(self.wait() if waiting else 0)
        now, newest = self._now(), self._count
        later: list[tuple[float, int, str]] = []
        while (when := self._next()) is not None and when <= now:
            timer = heapq.heappop(self._timers)
            if timer[1] > newest:
                later.append(timer)
            else:
                self._due.pop(timer[2])[2]()
        for timer in later:
            heapq.heappush(self._timers, timer)
        for fd, _mask in ready:
            found = self._callbacks.get(fd)
            if found is not None:
                found()
