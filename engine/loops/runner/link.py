"""The link to an agent's program: what carries lines to it and back, without understanding any.

`loops.runner.run` polls a link's descriptors together with its own and hands every line on.  Standard input and output
are `loops.runner.stdio`; a backend whose protocol is not made of pipes has a link of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

NEVER = math.inf


class Ended(NamedTuple):
    """How the program ended: its exit ``code``, or the ``signal`` that killed it; both None when nobody could tell."""

    code: int | None = None
    signal: int | None = None


class Received(NamedTuple):
    """One raw line, without its final newline.  ``stream``: ``out``, or ``err`` for complaints."""

    stream: str
    line: bytes


class Link(Protocol):
    """One run of an agent's program and the way to it.

    The order of calls: ``start`` once; then ``serve``, ``tick`` and ``send`` as things happen, until ``ended`` is set
    (every line that the program left has then been returned by ``serve`` or ``tick``); ``leave`` and ``kill`` end it.
    Nothing blocks.  Times are ``time.monotonic()``.
    """

    def start(self, argv: Sequence[str], env: Mapping[str, str], directory: str) -> None:
        """Start the program in *directory* with exactly *env*.

        Raises:
            OSError: it cannot be started; ``filename`` names what is wrong.
        """

    def descriptors(self) -> Sequence[tuple[int, int]]:
        """What to poll now: descriptors with their `select.poll` events.  Asked before every wait."""

    def serve(self, descriptor: int, events: int) -> Sequence[Received]:
        """Serve one descriptor that is ready; return the whole lines that came."""

    def due(self) -> float:
        """When `tick` is wanted; `NEVER` when it is not."""

    def tick(self, now: float) -> Sequence[Received]:
        """Do what time asks for; return lines as `serve`."""

    def send(self, line: bytes) -> None:
        """Queue one line (without its newline); what the program does not take at once is sent when it does."""

    @property
    def ended(self) -> Ended | None:
        """How the program ended; None while it runs, or while it has left lines that were not yet returned."""

    @property
    def pid(self) -> int:
        """Of the program, which leads its process group; 0 before the start."""

    def leave(self) -> None:
        """Ask for the polite end: close its input, or SIGTERM.  Saying it twice asks more firmly (SIGTERM)."""

    def kill(self) -> None:
        """SIGKILL to its whole process group."""
