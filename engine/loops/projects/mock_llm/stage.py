"""What each path plays now, and how often each conversation was refused.  Safe to use from many threads."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from loops.errors import UsageError
from loops.projects.mock_llm.scenarios import SCENARIOS, Scenario, named
from loops.projects.mock_llm.wire import Json

WINDOW = 3600.0
"""Seconds until the reset that a limit without an end of its own announces."""


@dataclass(frozen=True, slots=True)
class Playing:
    """``ends_at``: epoch seconds at which the scenario gives way to ``then``; 0: it stays, or nobody has met it yet.

    ``lasts``: seconds from the first request on, however long an agent took to start; None: it stays.
    """

    scenario: Scenario
    lasts: float | None = None
    ends_at: float = 0.0
    then: str = "ok"


class Stage:
    """The scenarios of all paths."""

    def __init__(self, usual: str, now: Callable[[], float] = time.time) -> None:
        """*usual*: what a path plays whose name is no scenario."""
        self._usual = named(usual)
        self._now = now
        self._lock = threading.Lock()
        self._playing: dict[str, Playing] = {}
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._requests: Counter[str] = Counter()

    def change(self, order: Json) -> None:
        """Change what a path plays, as ``POST /control`` says it.

        Raises:
            UsageError: the order has no path, or names a scenario that is not there.
        """
        path, name, then = order.get("path"), order.get("scenario"), order.get("then", "ok")
        if not isinstance(path, str) or not path or "/" in path:
            raise UsageError('control: "path" must be the first part of a base URL\'s path, such as "a"')
        ends = order.get("reset_in")
        if ends is not None and (isinstance(ends, bool) or not isinstance(ends, int | float) or ends < 0):
            raise UsageError(f'control: "reset_in" must be a number of seconds, not {ends!r}')
        scenario, after = named(str(name)), named(str(then))
        with self._lock:
            self._playing[path] = Playing(scenario, ends, then=after.name)
            for key in [key for key in self._refused if key[0] == path]:
                del self._refused[key]

    def seen(self, path: str) -> Playing:
        """Count a request to *path*, and return what it plays."""
        with self._lock:
            self._requests[path] += 1
            playing = self._current(path)
            if playing.lasts is not None and not playing.ends_at:
                playing = self._playing[path] = replace(playing, ends_at=self._now() + playing.lasts)
            return playing

    def _current(self, path: str) -> Playing:
        playing = self._playing.get(path) or Playing(SCENARIOS.get(path, self._usual))
        if playing.ends_at and self._now() >= playing.ends_at:
            playing = self._playing[path] = Playing(named(playing.then))
        return playing

    def refuses(self, path: str, playing: Playing, conversation: str) -> bool:
        """Whether this request of *conversation* is refused."""
        scenario = playing.scenario
        if scenario.cause is None:
            return False
        if scenario.refused_first == 0:
            return True
        key = (path, scenario.name, conversation)
        with self._lock:
            if self._refused[key] >= scenario.refused_first:
                return False
            self._refused[key] += 1
        return True

    def resets_at(self, playing: Playing) -> int:
        """When a limit says that it ends, in epoch seconds: rounded up, so that it is not named too early."""
        return int(-(-(playing.ends_at or self._now() + WINDOW) // 1))

    def facts(self) -> Json:
        """What ``GET /control`` says."""
        with self._lock:
            paths = sorted({*self._playing, *self._requests})
            return {
                path: {"scenario": self._current(path).scenario.name, "requests": self._requests[path]}
                for path in paths
            }
