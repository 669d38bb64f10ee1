"""What became of one project that a command of the fleet was about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fate:
    """``ok`` None: it was left alone.  ``next``: what the operator types, when it failed."""

    name: str
    ok: bool | None
    text: str
    next: str = ""
