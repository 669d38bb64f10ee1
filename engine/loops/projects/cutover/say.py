"""The words that several steps of a cutover use, and how long things take.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from loops.projects.cutover.plan import Check, Command, Ground

CHECK_WITHIN = 180.0
"""Seconds in which one check ends: it waits for what takes a while, on a machine that is busy."""
ESTIMATES: Mapping[str, float] = {
    "preflight": 30.0,
    "note": 5.0,
    "stop-live": 30.0,
    "carry": 5.0,
    "boot": 15.0,
    "up": 45.0,
    "keep": 5.0,
}
"""Seconds, with their checks; the soak takes what was asked for."""
GUESS = "an estimate: `loops cutover rehearse` measures it"


@dataclass(frozen=True, slots=True)
class Words:
    """How the live side is ended, started and asked: known for its form, unless the operator said otherwise."""

    stop: tuple[Command, ...]
    start: tuple[Command, ...]
    """It keeps the phase: the launchers begin again with phase 0 unless RESUME_PHASE=1 is set."""
    status: Command
    unit_starts: bool = False
    """The unit is what starts it, and keeps the phase."""


def loops(*words: str) -> Command:
    """One of our own commands."""
    return Command(("loops", *words), timeout=CHECK_WITHIN)


def check(ground: Ground, what: str, sees: str, lasting: bool = False) -> Check:
    """One of the checks that `loops cutover check` makes."""
    return Check(sees, loops("cutover", "check", what, ground.staged_root), lasting=lasting)


def same(ground: Ground) -> Check:
    """Asked twice, for hours and an editor may lie between the first step and the start."""
    around = ground.around if ground.unit_file != ground.live else dataclasses.replace(ground.around, unit="")
    accepted = ("--allow", ground.allow) if ground.allow else ()
    return Check(
        "live and staged are the same, but for phase and conversations, which are carried over",
        loops("parity", ground.live, ground.staged_root, "--carried-later", *around.words(), *accepted),
    )


def enabled(ground: Ground, sees: str) -> Check:
    """Whether the live side's unit starts at boot."""
    return Check(sees, Command((*systemctl(ground), "is-enabled", ground.unit), timeout=CHECK_WITHIN))


def systemctl(ground: Ground) -> tuple[str, ...]:
    """The words that ask the unit's service manager."""
    return ("systemctl", "--user") if ground.personal else ("systemctl",)


def tmux(ground: Ground) -> tuple[str, ...]:
    """The words that ask the live side's tmux server."""
    return ("tmux", "-S", ground.tmux) if ground.tmux else ("tmux",)


def span(seconds: float) -> str:
    """``10 minutes``, ``45 seconds``."""
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
