"""What belongs to the process, whether it runs one supervisor or many: its signals, and the service manager's words."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from loops import sd_notify
from loops.supervisor.reactor import Reactor


class Shell:
    """The process around the loop that *reactor* turns; *now* is its clock.

    SIGTERM and SIGINT call *leave*: the supervisors end, and the agents live on with their holders.  SIGHUP calls
    *look_again*.
    """

    def __init__(
        self,
        reactor: Reactor,
        now: Callable[[], float],
        *,
        leave: Callable[[], None],
        look_again: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._now = now
        self._leave = leave
        self._look_again = look_again
        self._told_ready = False

    def listen(self) -> None:
        """Take the signals from now on."""
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._reactor.watch(self._ours.fileno(), self._signalled)

    def _signalled(self) -> None:
        numbers = self._ours.recv(64)
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._leave()
        elif signal.SIGHUP in numbers:
            self._look_again()

    def ready(self) -> None:
        """Tell the service manager that what it started is there, and from now on that it is not stuck."""
        if not self._told_ready:
            self._told_ready = True
            sd_notify.tell("READY=1\nSTATUS=")
            self._feed_watchdog()

    def _feed_watchdog(self) -> None:
        interval = sd_notify.watchdog_interval()
        if interval is not None:
            sd_notify.tell("WATCHDOG=1")
            self._reactor.at("watchdog", self._now() + interval, self._feed_watchdog)

    def stopping(self) -> None:
        """Tell the service manager that the end has come."""
        sd_notify.tell("STOPPING=1")
