"""The stream of one run as it happens: every line recorded, then normalized, then acted on, in one order.

An act may send lines, which are recorded in their turn: therefore acts wait until all events of a line are kept, and a
recording normalized again gives the same events in the same order.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from loops.runner.order import RunOrder
from loops.runner.recorder import Recorder

if TYPE_CHECKING:
    from loops.streams.event import Event
    from loops.streams.normaliser import Normaliser

SIGN_OF_LIFE = 5.0
"""Seconds, at least, between two signs of life in the signals, for what the supervisor need not know in detail."""
_ALIVE = b'{"type":"state.changed","state":"working","source":"event"}'


class Live:
    """Raw lines in, events out."""

    def __init__(self, order: RunOrder, recorder: Recorder) -> None:
        """The normaliser is loaded with the first call of `events`: the agent starts meanwhile."""
        self._order = order
        self._recorder = recorder
        self._normaliser: Normaliser | None = None
        self._unread: deque[tuple[str, bytes, float]] = deque()
        self._alive_at = 0.0

    def take(self, stream: str, line: bytes) -> None:
        """Record one raw line."""
        now = round(time.time(), 6)
        self._recorder.raw(stream, line, f"{now:.6f}")
        self._unread.append((stream, line, now))

    def own(self, type: str, **facts: Any) -> None:
        """Record a fact of the runner's own."""
        self.take("runner", json.dumps({"type": type, **facts}, ensure_ascii=False).encode("utf-8", "replace"))

    def events(self) -> list[Event]:
        """Normalize and keep what was recorded since; return its events."""
        if not self._unread:
            return []
        normaliser = self._normaliser or self._load()
        found: list[Event] = []
        while self._unread:
            stream, line, now = self._unread.popleft()
            for event in normaliser.feed(stream, line, now):
                self._recorder.event(event.line)
                found.append(event)
        return found

    def tell(self, event: Event) -> None:
        """Tell the supervisor of *event*."""
        self._recorder.signal(event.line)

    def tell_or_show_life(self, event: Event, now: float, *, working: bool) -> None:
        """Tell *event* if it concerns the supervisor; else show now and then that the turn goes on."""
        from loops.streams.signals import concerns

        if concerns(event):
            self.told_alive(now)
            self.tell(event)
        elif working:
            self.sign_of_life(now)

    def sign_of_life(self, now: float) -> None:
        """Show that the turn goes on, unless that was shown a moment ago."""
        if now - self._alive_at >= SIGN_OF_LIFE:
            self._alive_at = now
            self._recorder.signal(_ALIVE)

    def told_alive(self, now: float) -> None:
        """Something that was told anyhow shows life."""
        self._alive_at = now

    def _load(self) -> Normaliser:
        from loops.streams.recording import Head

        order = self._order
        head = Head(
            engine=order.backend,
            engine_version="",  # the stream says it
            run=order.run,
            agent=order.agent,
            phase=os.environ.get("LOOPS_PHASE", ""),
            conversation=order.conversation,
            utc_offset=time.localtime().tm_gmtoff,
        )
        self._recorder.head(head.encode())
        self._normaliser = head.normaliser()
        return self._normaliser
