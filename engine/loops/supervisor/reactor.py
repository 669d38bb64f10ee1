"""One epoll loop: descriptors and timers in, callbacks out.  Nothing here knows what they mean."""

from __future__ import annotations

import heapq
import select
from collections.abc import Callable

Callback = Callable[[], None]


class Reactor:
    """Waits for descriptors and timers.  Times are those of *now*, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, str]] = []
        self._due: dict[str, tuple[float, int, Callback]] = {}
        self._count = 0

    def watch(self, fd: int, callback: Callback, *, write: bool = False) -> None:
        """Call *callback* whenever *fd* is readable (or, with *write*, also writable).  A second call changes the first."""
        mask = select.EPOLLIN | (select.EPOLLOUT if write else 0)
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching *fd*; call it before the descriptor is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def at(self, key: str, when: float | None, callback: Callback) -> None:
        """Set, move or (None) clear the timer named *key*."""
        if when is None:
            self._due.pop(key, None)
            return
        known = self._due.get(key)
        if known is not None and known[0] == when:
            return
        self._count += 1
        self._due[key] = (when, self._count, callback)
        heapq.heappush(self._timers, (when, self._count, key))

    def _next(self) -> float | None:
        while self._timers:
            when, count, key = self._timers[0]
            known = self._due.get(key)
            if known is not None and known[1] == count:
                return when
            heapq.heappop(self._timers)
        return None

    def turn(self) -> None:
        """Wait once, then run everything that is ready: timers first, for they are late already."""
        when = self._next()
        timeout = -1.0 if when is None else max(0.0, when - self._now())
        ready = self._epoll.poll(timeout)
        now = self._now()
        while (when := self._next()) is not None and when <= now:
            _, _, key = heapq.heappop(self._timers)
            callback = self._due.pop(key)[2]
            callback()
        for fd, _mask in ready:
            found = self._callbacks.get(fd)
            if found is not None:
                found()
