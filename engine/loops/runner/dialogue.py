"""What the runner asks of a backend's protocol: a state machine without I/O.

Lines are bytes without their final newline.  Over standard input and output a sent line is written as it is; for
opencode, which speaks HTTP, a sent line is ``{"method", "path", "body"}`` and the link does the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Dialogue(Protocol):
    """One backend's protocol, for one run of the agent."""

    def open(self) -> Sequence[bytes]:
        """What to send first, before anything was heard."""

    def heard(self, line: bytes) -> Sequence[bytes]:
        """Take in one line; return what to send in answer to it.

        An approval is answered here only where the permissions decide it by themselves; else see `answer`.
        """

    @property
    def ready(self) -> bool:
        """Whether a message may be said: the conversation is open."""

    @property
    def closed(self) -> bool:
        """Whether the conversation could not be opened: nothing can be said in this run any more."""

    def say(self, text: str) -> Sequence[bytes]:
        """Start a turn with *text*.  Called only when ready and no turn runs."""

    def answer(self, request: str, allow: bool, reason: str) -> Sequence[bytes]:
        """Answer the approval whose raw id is *request* (``data.request`` of its ``approval.requested``)."""

    def interrupt(self) -> Sequence[bytes]:
        """End the turn that runs, keeping the conversation."""
