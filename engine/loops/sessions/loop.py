"""The holder's one thread: descriptors and their handlers, the clock, the deaths of children.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable

AT_ONCE = 128
"""Most descriptors served in one turn."""

Handler = Callable[[int], None]
"""Called with the epoll events of its descriptor."""


def clock() -> float:
    """Seconds that go on while the machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Loop:
    """A handler that raises is reported, and the others go on."""

    __slots__ = ("_handlers", "_poll", "now")

    def __init__(self) -> None:
        """``now`` is the time at which the current turn began."""
        self._poll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self.now = clock()

    def turn(self, until: float) -> None:
        """Wait until something happens, at the latest until the time *until*, and serve it."""
        ready = self._poll.poll(max(until - clock(), 0.0), AT_ONCE)
        self.now = clock()
        for number, events in ready:
            handler = self._handlers.get(number)  # gone when an earlier one of this turn closed it
            if handler is not None:
                try:
                    handler(events)
                except Exception as error:
                    complain(error)

    def listen(self, number: int, handler: Handler) -> None:
        """Call *handler* whenever *number* can be read, or its other end is closed."""
        self._poll.register(number, select.EPOLLIN)
        self._handlers[number] = handler

    def hand_to(self, number: int, handler: Handler) -> None:
        """Let another handler serve *number* from now on."""
        self._handlers[number] = handler

    def want_write(self, number: int, wanted: bool) -> None:
        """Call the handler, or no longer, when *number* can be written as well."""
        if number in self._handlers:
            self._poll.modify(number, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    def want_edges(self, number: int) -> None:
        """Call the handler when something changes, not as long as it lasts: for a terminal nobody has open.

        `want_write` ends it.
        """
        self._poll.modify(number, select.EPOLLIN | select.EPOLLET)

    def forget(self, number: int) -> None:
        """Call nobody for *number*; to be said before it is closed."""
        if self._handlers.pop(number, None) is not None:
            self._poll.unregister(number)

    def listen_for_signals(self, handler: Callable[[bytes], None]) -> None:
        """Call *handler* with the numbers of what came: whenever a child may have ended, and of signals with handlers."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

        def heard(_events: int) -> None:
            handler(os.read(reading, 4096))

        self.listen(reading, heard)


def complain(error: Exception) -> None:
    """Write what happened, and where, to the holder's own log."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame is not None else "?"
    sys.stderr.write(f"holder: {type(error).__name__} in {where}: {error}\n")
