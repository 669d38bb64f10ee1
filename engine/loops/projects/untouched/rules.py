"""Rules that explain a difference: what the live system's own parts do to their own things, and why."""

from __future__ import annotations

from dataclasses import dataclass

from loops.projects.untouched.touch import Cause, Change, Thing


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.  It explains a difference of one of ``things`` by one of ``changes`` whose name matches ``names``."""

    id: str
    why: str
    thing: Thing
    changes: tuple[Change, ...]
    names: tuple[str, ...]
    """Globs; see `matches`."""
    cause: Cause = Cause.LIVE
    beside: str = ""
    """A glob: only while a session or process of such a name lived through both looks; empty: always."""
