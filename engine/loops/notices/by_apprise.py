"""Any service that the apprise library knows (https://github.com/caronc/apprise), where it is installed.

An address may be a key as a whole, and the library writes addresses into what it logs: nothing of that is passed on.
"""

from __future__ import annotations

import logging
import threading

from loops.notices.order import Fate, Message

MISSING = "the apprise library is not installed: pip install apprise (in a checkout: .venv/bin/pip)"


class Service:
    """One address."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self._url = name, url

    def send(self, message: Message) -> tuple[Fate, str]:
        """Send by the library, which says no more than yes or no; its log is searched for a lost answer only."""
        try:
            import apprise
        except ImportError:
            return Fate.FAILED, MISSING
        service = apprise.Apprise.instantiate(self._url, suppress_exceptions=True)
        if service is None:
            return Fate.FAILED, "apprise does not understand this address"
        heard = _Heard()
        log = logging.getLogger("apprise")
        log.propagate = False
        log.setLevel(logging.DEBUG)
        log.addHandler(heard)
        try:
            taken = service.notify(body=message.text, title=message.title, notify_type=_TYPES.get(message.kind, "info"))
        finally:
            log.removeHandler(heard)
        if taken:
            return Fate.DELIVERED, ""
        if heard.answer_lost:
            return Fate.UNKNOWN, "the service did not answer in time"
        return Fate.FAILED, "the service did not take it, or cannot be reached"


_TYPES = {
    "finished": "success",
    "phase-done": "success",
    "crash-loop": "failure",
    "task-failed": "failure",
    "blocked": "warning",
    "approval": "warning",
    "budget": "warning",
    "limit": "warning",
    "provider": "warning",
    "takeover": "warning",
}


class _Heard(logging.Handler):
    """Listens whether an answer was lost, and keeps nothing else of what the library says."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self.answer_lost = False

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage().lower() if record.thread == self._thread else ""
        if any(words in said for words in ("read timed out", "connection aborted", "incomplete read")):
            self.answer_lost = True
