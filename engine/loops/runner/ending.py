"""The end of an agent's program: asked for politely, then firmly, then not asked at all."""

from __future__ import annotations

from loops.runner.link import NEVER, Link

TERM_AFTER, KILL_AFTER = 3.0, 3.0
"""Seconds from the polite request until SIGTERM, and from there until SIGKILL."""


class Ending:
    """How far the end has been asked for.  Times are ``time.monotonic()``."""

    __slots__ = ("_asked", "_link", "due", "status")

    def __init__(self, link: Link) -> None:
        """Nobody has asked."""
        self._link = link
        self._asked = 0
        self.due = NEVER
        """When `tick` is wanted."""
        self.status: int | None = None
        """The runner's exit status, when it is decided already; None: the program's own."""

    @property
    def begun(self) -> bool:
        """Whether somebody has asked."""
        return self._asked > 0

    def ask(self, status: int, now: float, *, firmly: bool = False) -> None:
        """Ask for the end; the first *status* stands, but for one that a signal asks for *firmly*."""
        if self.status is None or firmly:
            self.status = status
        if self._asked == 0:
            self._next(now)
        if firmly and self._asked == 1:
            self._next(now)

    def tick(self, now: float) -> None:
        """Ask more firmly when it is time."""
        if now >= self.due:
            self._next(now)

    def _next(self, now: float) -> None:
        self._asked += 1
        if self._asked <= 2:
            self._link.leave()
            self.due = now + (TERM_AFTER if self._asked == 1 else KILL_AFTER)
        else:
            self._link.kill()
            self.due = NEVER
