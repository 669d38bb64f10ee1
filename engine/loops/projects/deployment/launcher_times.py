"""When an agent of the earlier launchers is woken or started: their hourly wake, and timers of systemd."""

from __future__ import annotations

import os
import re

from loops.config import calendar
from loops.projects.deployment import unit_file
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Wakes
from loops.projects.deployment.python.scripts import Module

_WAKE = "ai-progress-monitor-prompt.txt"
_HOURLY = 3600.0
"""Of the launchers' wake, where no constant says otherwise."""


def wakes(settings: Settings, name: str, module: Module) -> Wakes | None:
    """What wakes the agent *name*, whose script is *module*; None: nothing."""
    interval = settings.constant("WAKE_INTERVAL", module)
    named = settings.constant("WAKE_PROMPT_FILE", module)
    path = named.value if named else _WAKE if name == "orchestrator" else ""
    if not path or (named is None and settings.files.bytes(path) is None):
        return None
    seconds = float(interval.value) if interval and re.fullmatch(r"\d{1,9}(\.\d+)?", interval.value) else _HOURLY
    origin = interval.origin if interval else "the launchers' hourly wake"
    settings.origins[f"agent {name}: wake interval"] = origin
    return Wakes(seconds, settings.files.document(path))


def schedule(settings: Settings, name: str) -> str | None:
    """When a timer of systemd, kept beside the scripts, starts it."""
    for directory in ("systemd", "."):
        for file in settings.files.names(directory):
            path = os.path.join(directory, file)
            if not file.endswith(".timer") or name not in file:
                continue
            for line in unit_file.lines(settings.files.text(path) or ""):
                if (line.section, line.key) == ("Timer", "OnCalendar") and line.value:
                    return _calendar(settings, name, line.value, f"{settings.files.shown(path)}:{line.number}")
    return None


def _calendar(settings: Settings, name: str, text: str, place: str) -> str | None:
    try:
        calendar.parse(text)
    except calendar.BadCalendar as error:
        settings.note(place, f"the timer of {name}: {text}", f"{error}: set schedule in agents.toml by hand")
        return None
    settings.origins[f"agent {name}: schedule"] = place
    return text
