"""The views: a tmux server of the project's own, so that ``tmux attach`` and all habits work.

Nothing depends on it: the sessions live in the holder, and whatever happens to tmux is rebuilt.  The supervisor never
waits for tmux either, since a stopped server lets its clients hang for ever: each call is a child process with a
deadline (an *errand*), and `View.fileno` becomes readable when one ends or when the server dies.
"""

from __future__ import annotations

import glob
import os
import select
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from loops.sessions import tmux
from loops.sessions.errand import Errand, Then

EAGER = 24
"""Views whose relay runs from the start."""
LOOK_WITHIN = 5.0
"""Seconds for a listing: 16 ms with a thousand sessions."""
BUILD_WITHIN = 30.0
"""Seconds for making or ending views: 2 s for a thousand."""
MOST_LOOKS = 50
"""Looks at a server whose socket was removed (by a cleaner of /tmp, say), after it was told to make it (tmux(1))."""

_NO_SERVER = ("no server running", "error connecting to", "server exited")


@dataclass(frozen=True, slots=True)
class Ready:
    """Every wanted view is there."""


@dataclass(frozen=True, slots=True)
class ServerGone:
    """The tmux server ended; `View.ensure` makes another."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Some view is missing.  ``reason`` says why and what helps; the sessions themselves run on."""

    reason: str


@dataclass(frozen=True, slots=True)
class TmuxMissing:
    """There is no tmux on this machine."""

    reason: str = (
        "tmux is not installed (3.3 or later is needed); the sessions run on, and `loops attach NAME` shows them"
    )


ViewEvent = Ready | ServerGone | Failed | TmuxMissing


class View:
    """The tmux server at one socket, and the views in it."""

    def __init__(self, socket: str, relay: Sequence[str], eager: int = EAGER, program: str = "tmux") -> None:
        """*relay*: an argv prefix; the session's name in the holder is added to it."""
        self._socket = socket
        self._relay = tuple(relay)
        self._eager = eager
        self._program = program
        self._wanted: dict[str, str] = {}
        self._errand: Errand | None = None
        self._again = False
        self._built = False
        self._looks = 0
        self._events: list[ViewEvent] = []
        self._only_ours = True
        self._server = 0
        self._server_fd = -1
        self._epoll = select.epoll()

    # ---- for the supervisor ---------------------------------------------------------------------------------------

    @property
    def server_pid(self) -> int:
        """The tmux server's pid as last seen; 0 when none is known."""
        return self._server

    def fileno(self) -> int:
        """A descriptor that stays the same, and is readable when `poll` has something to do."""
        return self._epoll.fileno()

    def due(self) -> float | None:
        """When to call `poll` although nothing became readable; None when there is nothing to wait for."""
        if self._events:
            return 0.0
        return self._errand.deadline if self._errand else None

    def ensure(self, wanted: Mapping[str, str], now: float) -> None:
        """Make the views be *wanted* (from the tmux session's name to the session in the holder); returns at once.

        Also starts again what is broken, so call it from time to time.  *now* is seconds of the clock of `poll`.
        """
        self._wanted = {}
        for text, holder in wanted.items():
            name = tmux.session_name(text)
            if name in self._wanted:
                self._events.append(Failed(f"two sessions would be called {name!r} in tmux: rename {holder!r}"))
            else:
                self._wanted[name] = holder
        self._again = self._errand is not None
        self._looks = 0
        if self._errand is None:
            self._built = False
            self._look(now)

    def drop(self, names: Collection[str], now: float) -> None:
        """End the views of these tmux sessions; what a person made there himself stays."""
        gone = {tmux.session_name(name) for name in names}
        self.ensure({name: holder for name, holder in self._wanted.items() if name not in gone}, now)

    def poll(self, now: float) -> list[ViewEvent]:
        """Take in what happened, go on with what is under way, and return what is worth telling."""
        self._epoll.poll(0)  # level-triggered: only the state below counts
        if self._server_fd >= 0 and _readable(self._server_fd):
            self._forget_server()
            self._events.append(ServerGone())
        errand = self._errand
        if errand is not None and errand.ended():
            self._put_down(errand)
            code, output, complaint = errand.result()
            errand.then(code, output, complaint, now)
        elif errand is not None and now >= errand.deadline:
            self._abandon(errand)
            self._fail(self._hung(), now)
        events, self._events = self._events, []
        return events

    def close(self, within: float = 3.0) -> None:
        """End our views, and with the last of them the server, unless a person has sessions of their own there."""
        until = time.monotonic() + within
        if self._errand is not None:
            self._abandon(self._errand)
        self.ensure({}, time.monotonic())
        while self._errand is not None and time.monotonic() < until:
            self._epoll.poll(max(until - time.monotonic(), 0))
            self.poll(time.monotonic())
        if self._errand is not None:
            self._abandon(self._errand)
            if self._server_fd >= 0 and self._only_ours:  # stopped, or stuck: nothing of anybody else is in it
                self._signal_server(signal.SIGKILL)
        self.release()

    def release(self) -> None:
        """Let go of the server, which goes on with all views in it."""
        if self._epoll.closed:
            return
        if self._errand is not None:
            self._abandon(self._errand)
        self._forget_server()
        self._epoll.close()

    # ---- errands --------------------------------------------------------------------------------------------------

    def _run(self, words: Sequence[str], within: float, now: float, then: Then) -> None:
        argv = [self._program, "-u", "-S", self._socket, "-f", "/dev/null", *words]
        try:
            self._errand = Errand(argv, now + within, then)
        except FileNotFoundError:
            self._events.append(TmuxMissing())
        except OSError as error:
            self._events.append(Failed(f"tmux cannot be started: {error.strerror}; it is tried again"))
        else:
            self._epoll.register(self._errand.pidfd, select.EPOLLIN)

    def _put_down(self, errand: Errand) -> None:
        self._errand = None
        self._epoll.unregister(errand.pidfd)

    def _abandon(self, errand: Errand) -> None:
        self._put_down(errand)
        errand.kill()

    def _look(self, now: float) -> None:
        self._run(["list-panes", "-a", "-F", tmux.LISTING], LOOK_WITHIN, now, self._looked)

    def _looked(self, code: int, output: str, complaint: str, now: float) -> None:
        if code and not any(text in complaint for text in _NO_SERVER):
            self._fail(f"tmux: {complaint or f'exit {code}'}", now)
            return
        if code and self._server_lives() and self._looks < MOST_LOOKS:
            if not self._looks:  # once: each call replaces the socket that a client may just have reached
                self._signal_server(signal.SIGUSR1)
            self._looks += 1
            self._look(now)
            return
        present = tmux.panes(output)
        if self._server_lives() and self._only_ours and (not present or present[0].server != self._server):
            self._signal_server(signal.SIGKILL)
        self._only_ours = all(pane.holder for pane in present)
        self._watch_server(present[0].server if present else 0)
        if self._again:
            self._again = self._built = False
        # Just built panes are about to be parked by themselves.
        # Twenty-five relays would cost more than all the rest of a large project: beyond the limit, none is eager.
        eager = self._eager if len(self._wanted) <= self._eager else 0
        script = tmux.commands(self._wanted, present, self._relay, eager, park=not self._built)
        if not script:
            self._finish(present)
        elif self._built:
            self._fail(f"the views, or the relays in them, end at once; look with `tmux -S {self._socket} attach`", now)
        else:
            self._built = True
            self._build(script, now)

    def _server_lives(self) -> bool:
        """Whether the server that we know still runs, reachable or not."""
        return self._server_fd >= 0 and not _readable(self._server_fd)

    def _build(self, script: str, now: float) -> None:
        path = f"{self._socket}.views"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(script)
        except OSError as error:
            self._fail(f"{path}: {error.strerror}", now)
            return
        self._run(["start-server", ";", "source-file", glob.escape(path)], BUILD_WITHIN, now, self._made)

    def _made(self, code: int, _output: str, complaint: str, now: float) -> None:
        if code and complaint and not any(text in complaint for text in _NO_SERVER):
            self._fail(f"tmux: {complaint}", now)
        else:
            self._look(now)

    def _finish(self, present: Sequence[tmux.Pane]) -> None:
        taken = tmux.strangers(self._wanted, present)
        if taken:
            self._events.append(
                Failed(
                    f"tmux session {taken[0]!r} is not ours and was left alone: "
                    f"rename it with `tmux -S {self._socket} rename-session -t '={taken[0]}' NEW`"
                )
            )
        else:
            self._events.append(Ready())

    def _fail(self, reason: str, now: float) -> None:
        self._events.append(Failed(reason))
        if self._again:
            self._again = self._built = False
            self._look(now)

    def _hung(self) -> str:
        if not self._server:
            return "tmux did not answer in time; it is tried again"
        return (
            f"the tmux server (pid {self._server}) does not answer; the sessions run on. "
            f"`kill -CONT {self._server}` wakes it if it was stopped, `kill -KILL {self._server}` has it built anew"
        )

    # ---- the server -----------------------------------------------------------------------------------------------

    def _watch_server(self, pid: int) -> None:
        if pid == self._server:
            return
        self._forget_server()
        if pid:
            with suppress(OSError):  # it ended since: the next look tells
                self._server_fd = os.pidfd_open(pid)
                self._server = pid
                self._epoll.register(self._server_fd, select.EPOLLIN)

    def _signal_server(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._server_fd, number)

    def _forget_server(self) -> None:
        if self._server_fd >= 0:
            os.close(self._server_fd)  # which also takes it out of the epoll
        self._server, self._server_fd = 0, -1


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
