"""What is said with a server of the agent's own: requests one after the other, and events for as long as it lives.

Without a process: `loops.runner.http_link` has that.  Plain sockets and a small reader of HTTP, in the runner's own
loop: two connections at a time need no thread, and ``http.client`` would take longer to load than all the rest.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Sequence

from loops.runner.http_exchange import HOST, Exchange
from loops.runner.http_wire import BrokenAnswer, Events, question
from loops.runner.link import NEVER

HEALTH = 2.0
"""Seconds for an answer about health: a request sent during boot is never answered."""
ANSWER = 120.0
"""Seconds for an answer to a request; the first prompt waits until the project is loaded."""
SILENCE = 35.0
"""Seconds without a byte of events before connecting anew; a living server sends a heartbeat every 10."""
BOOT = 180.0
"""Seconds from the beginning to the first event: two, and half a minute where the machine is busy."""
LOST = 150.0
"""Seconds without a byte of events after which the server counts as dead."""
AGAIN = 0.1
"""Seconds between two attempts to connect."""


class HttpConversation:
    """Gives back lines: events' payloads, and `response`s.  Times are ``time.monotonic()``."""

    def __init__(self, user: str, password: str, health: str, events: str) -> None:
        """*health* and *events*: the paths to ask once, and to listen to."""
        self.port = 0
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._authorization = f"Basic {secret}"
        self._health_path, self._events_path = health, events
        self._unsent: deque[tuple[str, bytes]] = deque()
        self._health: Exchange | None = None
        self._events: Exchange | None = None
        self._asked: tuple[str, Exchange, list[bytes]] | None = None
        self._payloads = Events()
        self._healthy = False
        self._listened = False
        self._again = 0.0
        self._heard = NEVER

    def begin(self, now: float) -> None:
        """The server is started; from now on it is waited for."""
        self._heard = now

    def found(self, port: int, now: float) -> None:
        """The server listens on *port*."""
        self.port = port
        self._connect(now)

    def ask(self, line: bytes) -> None:
        """Do the request ``{"method", "path", "body"}``, after those before it and while events are heard."""
        request = json.loads(line)
        body = request.get("body")
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        method, path = request["method"], request["path"]
        self._unsent.append((f"{method} {path}", question(method, path, HOST, self._authorization, content)))

    def lost(self, now: float) -> bool:
        """Whether the server has been silent for so long that it counts as dead."""
        return now >= self._patience()

    def descriptors(self) -> Sequence[tuple[int, int]]:
        """The connections, with the events to poll for."""
        return [(exchange.descriptor, exchange.wanted) for exchange in self._exchanges()]

    def serve(self, descriptor: int, now: float) -> list[bytes]:
        """Serve the connection that is ready."""
        if self._events is not None and descriptor == self._events.descriptor:
            return self._serve_events(self._events, now)
        if self._asked is not None and descriptor == self._asked[1].descriptor:
            return self._serve_asked(*self._asked, now)
        if self._health is not None and descriptor == self._health.descriptor:
            self._serve_health(self._health, now)
        return []

    def due(self) -> float:
        """When the next attempt, or somebody's patience, is at its end."""
        times = [self._patience()]
        if self._health is not None:
            times.append(self._health.began + HEALTH)
        if self._events is not None:
            times.append(self._events.heard + SILENCE)
        elif self.port and self._health is None:
            times.append(self._again)
        if self._asked is not None:
            times.append(self._asked[1].began + ANSWER)
        elif self._unsent and self._connected():
            times.append(self._again)
        return min(times)

    def tick(self, now: float) -> list[bytes]:
        """Connect, and give up what has taken too long."""
        if self._health is not None and now >= self._health.began + HEALTH:
            self._drop_health(now)
        if self._events is not None and now >= self._events.heard + SILENCE:
            self._drop_events(now)
        self._connect(now)
        lines = []
        if self._asked is not None and now >= self._asked[1].began + ANSWER:
            lines.append(self._answered(0, json.dumps(f"no answer within {ANSWER:.0f} s").encode()))
        self._ask(now)
        return lines

    def close(self) -> None:
        """Give the connections back."""
        for exchange in self._exchanges():
            exchange.close()
        self._health = self._events = self._asked = None
        self._unsent.clear()

    # ---- connecting ------------------------------------------------------------------------------------------------

    def _patience(self) -> float:
        return self._heard + (LOST if self._listened else BOOT)

    def _exchanges(self) -> list[Exchange]:
        asked = None if self._asked is None else self._asked[1]
        return [exchange for exchange in (self._health, self._events, asked) if exchange is not None]

    def _connected(self) -> bool:
        return self._events is not None and self._events.answer.status == 200

    def _connect(self, now: float) -> None:
        """Ask for health once after the start, then for the events."""
        if not self.port or self._health is not None or self._events is not None or now < self._again:
            return
        path = self._events_path if self._healthy else self._health_path
        try:
            exchange = Exchange(self.port, question("GET", path, HOST, self._authorization, None), now)
        except OSError:
            self._again = now + AGAIN
            return
        if self._healthy:
            self._events, self._payloads = exchange, Events()
        else:
            self._health = exchange

    def _drop_health(self, now: float) -> None:
        if self._health is not None:
            self._health.close()
            self._health = None
        self._again = now + AGAIN

    def _drop_events(self, now: float) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None
        self._again = now + AGAIN

    # ---- listening and asking --------------------------------------------------------------------------------------

    def _serve_health(self, exchange: Exchange, now: float) -> None:
        try:
            exchange.serve(now)
        except (OSError, BrokenAnswer):
            self._drop_health(now)
            return
        if exchange.answer.done:
            self._healthy = exchange.answer.status == 200
            self._drop_health(now)
            if self._healthy:
                self._again = now
                self._connect(now)

    def _serve_events(self, exchange: Exchange, now: float) -> list[bytes]:
        try:
            body = exchange.serve(now)
        except (OSError, BrokenAnswer):
            self._drop_events(now)
            return []
        lines = self._payloads.feed(body) if exchange.answer.status == 200 else []
        if self._connected():
            self._heard, self._listened = now, True
            self._ask(now)
        if exchange.answer.done or exchange.answer.status not in (0, 200):
            self._drop_events(now)
        return lines

    def _ask(self, now: float) -> None:
        if self._asked is not None or not self._unsent or not self._connected():
            return
        to, request = self._unsent[0]
        try:
            exchange = Exchange(self.port, request, now)
        except OSError:  # nobody listens any more: the events will tell
            self._again = now + AGAIN
            return
        self._unsent.popleft()
        self._asked = (to, exchange, [])

    def _serve_asked(self, to: str, exchange: Exchange, body: list[bytes], now: float) -> list[bytes]:
        try:
            body.append(exchange.serve(now))
        except (OSError, BrokenAnswer) as error:
            lines = [self._answered(0, json.dumps(f"no answer: {error}").encode())]
        else:
            if not exchange.answer.done:
                return []
            lines = [self._answered(exchange.answer.status, b"".join(body))]
        self._ask(now)
        return lines

    def _answered(self, status: int, body: bytes) -> bytes:
        assert self._asked is not None, "somebody was asked"
        to, exchange, _ = self._asked
        exchange.close()
        self._asked = None
        return response(to, status, body)


def response(to: str, status: int, body: bytes) -> bytes:
    """Return the line that tells of an answer; a body that is JSON on one line stays as it came."""
    try:
        value = json.loads(body) if body else None
    except (ValueError, RecursionError):
        body = json.dumps(body.decode("utf-8", "replace")).encode()
    else:
        if not body or b"\n" in body or b"\r" in body:
            body = json.dumps(value).encode()
    return b'{"response": {"to": %s, "status": %d, "body": %s}}' % (json.dumps(to).encode(), status, body)
