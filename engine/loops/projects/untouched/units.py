"""Looks at units of systemd: their state, and the invocation that they are in."""

from __future__ import annotations

import os
import subprocess

from loops.boot import installed
from loops.projects.untouched.model import Unit, Unseen
from loops.projects.untouched.touch import Thing

WITHIN = 30.0
PERSONAL = "user:"
"""In front of a unit of this user's own service manager."""
_BOOTED = "/run/systemd/system"
_KEYS = ("Id", "LoadState", "ActiveState", "SubState", "InvocationID", "MainPID", "NRestarts")


def look(names: tuple[str, ...]) -> tuple[tuple[Unit, ...], tuple[Unseen, ...]]:
    """Return the units by name, and those names that nobody could be asked about."""
    found: dict[str, Unit] = {}
    unseen: list[Unseen] = []
    for personal in (False, True):
        front = PERSONAL if personal else ""
        asked = [name.removeprefix(PERSONAL) for name in names if name.startswith(PERSONAL) is personal]
        if not asked:
            continue
        try:
            said = _ask(asked, personal)
        except (OSError, subprocess.SubprocessError) as error:
            unseen += [Unseen(Thing.UNIT, front + name, str(error)) for name in asked]
            continue
        found |= {unit.name: unit for unit in units(said, front)}
    return tuple(found[name] for name in sorted(found)), tuple(unseen)


def _ask(names: list[str], personal: bool) -> str:
    if not personal and not os.path.isdir(_BOOTED):
        raise OSError("systemd does not run here")
    command = [*installed.systemctl(personal=personal), "show", f"--property={','.join(_KEYS)}", "--no-pager", "--"]
    done = subprocess.run(
        [*command, *names],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=WITHIN,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"systemctl failed: {' '.join(done.stderr.split())}")
    return done.stdout


def units(said: str, front: str = "") -> list[Unit]:
    """Read what ``systemctl show`` printed: a block of ``KEY=VALUE`` a unit."""
    found = []
    for block in said.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            load, active, sub, invocation = (values.get(key, "") for key in _KEYS[1:5])
            pid, restarts = (int(value) if (value := values.get(key, "")).isdecimal() else 0 for key in _KEYS[5:])
            found.append(Unit(front + values["Id"], load, active, sub, invocation, pid, restarts))
    return found
