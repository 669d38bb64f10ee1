"""Read what `status` has printed, by the earlier engine, its launchers, or this one.  Pure."""

from __future__ import annotations

from loops.projects.deployment.model import Deployment


def parse(text: str, source: str) -> Deployment:
    """Return the facts in *text*, captured from ``status``; *source* is what it is called in messages.

    Raises:
        LoopsError: no line of it is a status.
    """
    raise NotImplementedError
