"""What ``loops cutover check WHAT STAGED`` looks at.  Each check returns what is not as it shall be; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from loops.errors import LoopsError
from loops.projects.cutover import checks_live, checks_staged
from loops.projects.cutover.scene import Hopeless, Scene

GLANCE = 0.25
"""Seconds between two looks at what gives no event."""

Look = Callable[[Scene], list[str]]


def check(what: str, scene: Scene) -> list[str]:
    """Look, and wait for what takes a moment; return what is not so in the end.  KeyError: there is no such check."""
    look = CHECKS[what]
    deadline = time.monotonic() + (scene.patience if what in SETTLING else 0.0)
    while True:
        try:
            wrong = look(scene)
        except Hopeless as error:
            return [str(error)]
        except LoopsError as error:
            wrong = [str(error)]
        if not wrong or time.monotonic() >= deadline:
            return wrong
        time.sleep(GLANCE)


CHECKS: Mapping[str, Look] = {
    "space": checks_live.space,
    "at-rest": checks_live.at_rest,
    "no-task": checks_live.no_task,
    "noted": checks_live.noted,
    "live-runs": checks_live.live_runs,
    "live-stopped": checks_live.live_stopped,
    "live-state": checks_live.live_state,
    "carried": checks_staged.carried,
    "staged-stopped": checks_staged.staged_stopped,
    "staged-ended": checks_staged.staged_ended,
    "service": checks_staged.service,
    "staged-runs": checks_staged.staged_runs,
    "conversations": checks_staged.conversations,
    "phase": checks_staged.phase,
    "models": checks_staged.models,
    "views": checks_staged.views,
    "soak": checks_staged.soak,
}
SETTLING = frozenset(CHECKS) - {"space", "at-rest", "no-task", "noted", "live-state", "carried", "soak"}
"""Checks of what may be on its way still."""
