"""The holder's ends of its connections: the supervisor's link, and the viewers.

Neither ever blocks the holder and neither grows without bound: a supervisor that does not read for long is cut off (it
comes back and is told the state as it is), a viewer that lags is fed from the session's ring, and skips what the ring
no longer has.  Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from loops.sessions import wire
from loops.sessions.held import Session

MAX_QUEUED = 20_000
"""Messages kept for a supervisor that does not read: several for each of a thousand sessions."""
BATCH = wire.MAX_DESCRIPTORS // 2
"""Sessions in one message: two descriptors each."""


class NotRead(Exception):
    """The supervisor lives, but does not read: it must come again, and be told the state anew."""


class Connection:
    """Somebody who connected.  *want* asks the loop to tell when the socket takes bytes again."""

    __slots__ = ("_want", "pid", "role", "sock")

    def __init__(self, sock: socket.socket, pid: int, want: Callable[[int, bool], None]) -> None:
        """*pid* is the other end's; ``role`` is empty until it said hello."""
        self.sock = sock
        self.pid = pid
        self.role = ""
        self._want = want

    def say(self, message: bytes) -> None:
        """Send one small message, or nothing: for a last word or a greeting."""
        try:
            wire.send(self.sock, message)
        except OSError:
            return


class Link:
    """The supervisor's connection: first every session, then ``welcome``, then events in their order."""

    __slots__ = ("_connection", "_queue", "_to_hand_over", "_waiting")

    def __init__(self, connection: Connection, sessions: Sequence[Session]) -> None:
        """*sessions* are handed over by `pump`."""
        self._connection = connection
        self._to_hand_over = deque(sessions)
        self._queue: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._waiting = False
        self._queue.append((wire.pack("welcome", pid=os.getpid(), version=wire.VERSION), ()))

    @property
    def connection(self) -> Connection:
        """Whose it is."""
        return self._connection

    def tell(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send, or queue, one event.  OSError: the link is broken.  NotRead: it was not read for too long."""
        if not self._queue and not self._to_hand_over:
            try:
                wire.send(self._connection.sock, message, descriptors)
                return
            except BlockingIOError:
                pass
        if len(self._queue) >= MAX_QUEUED:
            raise NotRead(f"{len(self._queue)} messages were not read")
        # Duplicates: the session may end, and its numbers be given to others, before this is sent.
        self._queue.append((message, tuple(os.dup(number) for number in descriptors)))
        self._wait(True)

    def pump(self) -> None:
        """Send what waits, as far as the socket takes it.  OSError: the link is broken."""
        try:
            while self._to_hand_over:
                self._hand_over()
            while self._queue:
                message, descriptors = self._queue[0]
                wire.send(self._connection.sock, message, descriptors)
                self._queue.popleft()
                wire.close(descriptors)
            self._wait(False)
        except BlockingIOError:
            self._wait(True)

    def close(self) -> None:
        """Give up what was not sent."""
        for _message, descriptors in self._queue:
            wire.close(descriptors)
        self._queue.clear()

    def _hand_over(self) -> None:
        batch = [self._to_hand_over[index] for index in range(min(BATCH, len(self._to_hand_over)))]
        descriptors = [number for session in batch if session.alive for number in (session.master, session.pidfd)]
        message = wire.pack("session", sessions=[session.record() for session in batch])
        wire.send(self._connection.sock, message, descriptors)
        for _ in batch:
            self._to_hand_over.popleft()

    def _wait(self, waiting: bool) -> None:
        if waiting != self._waiting:
            self._waiting = waiting
            self._connection._want(self._connection.sock.fileno(), waiting)


class Viewer:
    """A person's window on one session, or a terminal multiplexer's."""

    __slots__ = ("_connection", "_fresh", "_incarnation", "_said_exit", "_waiting", "cols", "offset", "rows")

    def __init__(self, connection: Connection, rows: int, cols: int) -> None:
        """A window of *rows* x *cols*; ``offset`` is how much of the session's output it was sent."""
        self._connection = connection
        self.rows = rows
        self.cols = cols
        self.offset = 0
        self._incarnation = -1
        self._fresh = False
        self._said_exit = False
        self._waiting = False

    @property
    def connection(self) -> Connection:
        """Whose it is."""
        return self._connection

    def pump(self, session: Session) -> None:
        """Bring the viewer up to date with *session*, as far as its socket takes it.  OSError: it is gone."""
        sock = self._connection.sock
        try:
            if self._incarnation != session.incarnation:
                wire.send(
                    sock,
                    wire.pack("welcome", name=session.name, incarnation=session.incarnation, alive=session.alive),
                )
                self._incarnation = session.incarnation
                self._fresh = True
                self._said_exit = False
                self.offset = 0
            while self._fresh or self.offset < session.ring.total:
                skipped, data = session.ring.since(self.offset)
                if skipped and not self._fresh:
                    data = f"\r\n[loops: {skipped} bytes were skipped, this terminal was too slow]\r\n".encode() + data
                wire.send(sock, wire.pack("data", data))
                self.offset = session.ring.total
                self._fresh = False
            if not session.alive and not self._said_exit:
                wire.send(sock, wire.pack("exit", **ending(session)))
                self._said_exit = True
            self._wait(False)
        except BlockingIOError:
            self._wait(True)

    def _wait(self, waiting: bool) -> None:
        if waiting != self._waiting:
            self._waiting = waiting
            self._connection._want(self._connection.sock.fileno(), waiting)


def ending(session: Session) -> dict[str, Any]:
    """The head of an ``exit``."""
    ended = session.ended
    return {
        "name": session.name,
        "incarnation": session.incarnation,
        "pid": session.pid,
        "code": ended.code,
        "signal": ended.signal,
        "core": ended.core,
    }
