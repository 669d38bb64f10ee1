"""The link to a server of the agent's own: opencode's, which speaks HTTP and tells what happens as server-sent events.

A sent line is ``{"method", "path", "body"}``.  What comes back are lines of the stream ``out``: each event's payload as
the server wrote it, and ``{"response": {"to": "POST /session", "status": 200, "body": ...}}`` for each request
(``status`` 0: there was no answer; ``body`` then says why).  What the server prints is the stream ``err``.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence

from loops.known import opencode as known
from loops.runner.child import Child, spawn
from loops.runner.http_conversation import HttpConversation
from loops.runner.lines import Lines
from loops.runner.link import NEVER, Ended, Received

LINGER = 0.5
"""Seconds after the server's end in which its pipes and connections may still be open."""
PIECE = 1 << 16

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL


class HttpLink:
    """See `loops.runner.link.Link`.  A server that dies ends it; a connection that drops is made anew."""

    def __init__(self) -> None:
        """Nothing is started."""
        self.password = os.urandom(24).hex()
        """Made for this run; the user is `loops.known.opencode.USER`."""
        self._talk = HttpConversation(known.USER, self.password, known.HEALTH, known.EVENTS)
        self._child: Child | None = None
        self._printed: dict[int, Lines] = {}
        self._until = NEVER
        self._ended: Ended | None = None

    @property
    def port(self) -> int:
        """The server's, on 127.0.0.1; 0 until it has one."""
        return self._talk.port

    def start(self, argv: Sequence[str], env: Mapping[str, str], directory: str) -> None:
        """Start the server."""
        wanted = {**env, known.SERVER_USER: known.USER, known.SERVER_PASSWORD: self.password}
        self._child = child = spawn(argv, wanted, directory)
        child.close_input()
        self._printed = {child.out: Lines(), child.err: Lines()}
        self._talk.begin(time.monotonic())

    @property
    def pid(self) -> int:
        """Of the server."""
        return self._child.pid if self._child is not None else 0

    @property
    def ended(self) -> Ended | None:
        """How it ended."""
        return self._ended

    def descriptors(self) -> Sequence[tuple[int, int]]:
        """Its outputs, its end, and the connections."""
        child = self._child
        if child is None or self._ended is not None:
            return ()
        own = [(descriptor, select.POLLIN) for descriptor in (*self._printed, child.pidfd) if descriptor >= 0]
        return [*own, *self._talk.descriptors()]

    def serve(self, descriptor: int, events: int) -> Sequence[Received]:
        """Read, write or take in the end."""
        child = self._child
        if child is None:
            return ()
        now = time.monotonic()
        if descriptor in self._printed:
            lines = self._read(descriptor) if events & _READABLE else []
        elif descriptor == child.pidfd:
            child.reap()
            self._until = now + LINGER
            lines = []
        else:
            lines = [Received("out", line) for line in self._talk.serve(descriptor, now)]
        self._end_when_drained()
        return lines

    def due(self) -> float:
        """When the next attempt, or somebody's patience, is at its end."""
        if self._child is None or self._ended is not None:
            return NEVER
        return self._talk.due() if self._child.ended is None else self._until

    def tick(self, now: float) -> Sequence[Received]:
        """Connect; give up a server that says nothing any more, and pipes that somebody else holds after its end."""
        child = self._child
        if child is None or self._ended is not None:
            return ()
        if child.ended is not None:
            if now < self._until:
                return ()
            rest = [received for descriptor in list(self._printed) for received in self._close(descriptor)]
            self._talk.close()
            self._end_when_drained()
            return rest
        if self._talk.lost(now):
            self.kill()
            self._talk.begin(now)  # its end will be seen
        return [Received("out", line) for line in self._talk.tick(now)]

    def send(self, line: bytes) -> None:
        """Do the request that *line* describes, after those before it and while events are heard."""
        self._talk.ask(line)

    def leave(self) -> None:
        """Ask the server to end."""
        if self._child is not None:
            self._child.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End its whole group."""
        if self._child is not None:
            self._child.signal(signal.SIGKILL)

    # ---- the process -----------------------------------------------------------------------------------------------

    def _read(self, descriptor: int) -> list[Received]:
        try:
            data = os.read(descriptor, PIECE)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        return self._noticed(self._printed[descriptor].feed(data)) if data else self._close(descriptor)

    def _noticed(self, lines: list[bytes]) -> list[Received]:
        """Look out for the port; what a server prints is never its protocol."""
        for line in lines:
            if not self.port and (found := re.search(known.LISTENING, line)):
                self._talk.found(int(found[1]), time.monotonic())
        return [Received("err", line) for line in lines]

    def _close(self, descriptor: int) -> list[Received]:
        lines = self._printed.pop(descriptor)
        assert self._child is not None, "it has outputs"
        self._child.close_output(descriptor)
        rest = lines.rest()
        return self._noticed([rest] if rest else [])

    def _end_when_drained(self) -> None:
        child = self._child
        if child is None or child.ended is None or self._printed or self._talk.descriptors():
            return
        self._ended = child.ended
        self._talk.close()
        child.close()
