"""Sends notices: words them, and gives them to a process of their own (`loops.notices`)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from loops.config.model import Config
from loops.notices import call
from loops.notices.order import Fate, Message, Order, Outcome
from loops.supervisor.action import Notify
from loops.supervisor.clock import Clock
from loops.supervisor.errands import Errands, Result
from loops.supervisor.observation import NoticeTried, Observation
from loops.supervisor.state import Notice, State

NO_CHANNEL = "agents.toml has no [notify] with urls, url_files, ntfy or command: there is nobody to tell"
MOST_LINES = 20
"""Of a notice that several were put together into."""
LATE = 300.0
"""Seconds after which a notice says when it happened."""


class Announcer:
    """*state* gives the state of the moment, *see* takes an observation."""

    def __init__(
        self, errands: Errands, clock: Clock, *, state: Callable[[], State], see: Callable[[Observation], None]
    ) -> None:
        self._errands = errands
        self._clock = clock
        self._state = state
        self._see = see

    def send(self, act: Notify) -> None:
        """Start the sending process; what comes of it is seen later."""
        config = self._state().config
        assert config is not None, "a notice exists only after a configuration"
        told = message(config, act.notices, act.lost, self._clock.wall() - self._clock.now(), self._clock.now())
        order = Order(told, config.notify, config.root, act.notices[0].settled, config.path)
        then = partial(self._tried, tuple(notice.id for notice in act.notices))
        # It outlives us: a notice that is half sent is better sent whole.
        self._errands.run(call.COMMAND, then, input=order.encode(), timeout=call.PATIENCE, outlives=True)

    def _tried(self, ids: tuple[str, ...], result: Result) -> None:
        self._see(tried(self._clock.now(), ids, call.outcomes(result.code, result.output)))


def tried(at: float, ids: tuple[str, ...], outcomes: Sequence[Outcome] | None) -> NoticeTried:
    """Return the observation.  *outcomes* None: the sending process broke off."""
    if outcomes is None:
        return NoticeTried(at, ids, unknown=(("the sending process", "it broke off without an answer"),))
    delivered = tuple(each.channel for each in outcomes if each.fate is Fate.DELIVERED)
    failed = tuple((each.channel, each.why) for each in outcomes if each.fate is Fate.FAILED)
    unknown = tuple((each.channel, each.why) for each in outcomes if each.fate is Fate.UNKNOWN)
    return NoticeTried(at, ids, delivered, failed, unknown)


def message(config: Config, notices: Sequence[Notice], lost: int, to_wall: float, now: float) -> Message:
    """Word *notices* as one.  *to_wall*: seconds from steady to wall time; *lost*: how many before did not get through."""
    first = notices[0]
    project = config.session_prefix.strip("-_") or os.path.basename(config.root)
    if len(notices) == 1:
        kind, what = first.kind.value, first.kind.value.replace("-", " ")
        late = now - first.at > LATE
        lines = [f"{first.text} ({_clock(first.at + to_wall)})" if late else first.text]
    else:
        kind, what = "several", f"{len(notices)} notices"
        lines = [f"{_clock(notice.at + to_wall)}  {notice.text}" for notice in notices[:MOST_LINES]]
        if len(notices) > MOST_LINES:
            lines.append(f"and {len(notices) - MOST_LINES} more: `loops explain notices`")
    if lost:
        lines.append(f"{lost} before this did not get through: `loops explain notices`")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first.at + to_wall))
    id = first.id if len(notices) == 1 else f"{first.id}+{len(notices) - 1}"
    return Message(id, kind, f"{project}: {what}", "\n".join(lines), project, socket.gethostname(), at)


def _clock(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(wall))
