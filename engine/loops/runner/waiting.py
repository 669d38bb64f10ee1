"""Waits for whatever comes first: a signal, the person, the agent's program, the time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from loops.runner.link import NEVER, Link

if TYPE_CHECKING:
    from loops.runner.terminal import Terminal


def wake_up(signals: Iterable[int]) -> int:
    """Take *signals* from now on as bytes of the descriptor that is returned; they end nothing any more."""
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return woken


def ready(woken: int, terminal: Terminal, link: Link, due: float) -> list[tuple[int, int]]:
    """Wait, at the latest until *due* (``time.monotonic()``); return the descriptors that are ready, with their events.

    *woken* is the wake-up descriptor of this process's signals.
    """
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    if terminal.interactive:
        poll.register(0, select.POLLIN)
    if terminal.wants():
        poll.register(1, terminal.wants())
    for descriptor, events in link.descriptors():
        poll.register(descriptor, events)
    # One millisecond more than is left: poll(2) rounds down, and would return just before it is time.
    return poll.poll(None if due == NEVER else max(0.0, (due - time.monotonic()) * 1000 + 1))
