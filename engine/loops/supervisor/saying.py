"""Tells the operator something: on our standard error, which is the holder's log, or the service manager's journal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from loops.secrets.redaction import redact


class Saying:
    """*log*: the project's own.  *shared*: takes the words of all projects of this process; None: the process is ours alone."""

    def __init__(self, log: str, shared: Callable[[str], None] | None) -> None:
        self._log = log
        self._shared = shared
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        """Tell the operator, with no secret in it."""
        text = redact(text)
        with suppress(OSError):  # the log lies on the disk that is full, or its reader is gone: no reason to die
            if self._shared is None:
                print(f"[loops] {text}", file=sys.stderr, flush=True)
                return
            self._shared(text)  # to all projects' one log; and to our own, where it is looked for
            with open(self._log, "a", encoding="utf-8", errors="replace") as log:
                log.write(f"[loops] {text}\n")

    def once(self, text: str) -> None:
        """The same, unless it was said before."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)
