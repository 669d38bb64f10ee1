"""ntfy (https://docs.ntfy.sh/publish/): one POST with the text, by the standard library."""

from __future__ import annotations

import urllib.error
import urllib.request
from email.header import Header
from http.client import HTTPException
from urllib.parse import urlsplit

from loops.notices.order import Fate, Message

PATIENCE = 20.0
"""Seconds for each step of the exchange."""
URGENT = frozenset({"crash-loop", "blocked", "approval", "budget", "task-failed"})
"""What waits for a person."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET, and its token goes to wherever the answer said."""

    def redirect_request(self, *_: object) -> None:
        return None


class Topic:
    """One topic of a server."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url, token
        self.name = f"ntfy ({urlsplit(url).hostname})"

    def send(self, message: Message) -> tuple[Fate, str]:
        """POST it.  What a server refused can be tried again; an exchange that broke off may have gone through."""
        headers = {
            "Title": message.title if message.title.isascii() else Header(message.title, "utf-8").encode(),
            "Tags": message.kind,
            "Priority": "4" if message.kind in URGENT else "3",
            "Content-Type": "text/plain; charset=utf-8",
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url, message.text.encode(), headers, method="POST")
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=PATIENCE):
                return Fate.DELIVERED, ""
        except urllib.error.HTTPError as error:
            error.close()
            return Fate.FAILED, f"the server answered {error.code}{_HINTS.get(error.code, '')}"
        except urllib.error.URLError as error:
            reason = error.reason
            said = getattr(reason, "strerror", None) or type(reason).__name__
            return Fate.FAILED, f"the server cannot be reached: {said}"
        except (OSError, HTTPException) as error:
            return Fate.UNKNOWN, f"the connection broke off before the answer ({type(error).__name__})"


_HINTS = {
    401: ": the token is wrong",
    403: ": the token, or its lack, may not write to this topic",
    404: ": there is no such topic",
    429: ": too many notices",
}
