"""Whether bubblewrap can run here: tried, not guessed, since kernels, containers and AppArmor each forbid it in their way."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

PROGRAM = "bwrap"
WITHIN = 10.0
"""Seconds for a trial that takes a hundredth of one."""
_TRIAL = (
    *("--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", "--die-with-parent"),
    *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"),
)
_CAUSES = (
    ("loopback", "the kernel gives it no network of its own (AppArmor restricts user namespaces?)"),
    ("No permissions to creat", "this user may make no user namespace"),
    ("uid map", "this user may map no user (AppArmor restricts user namespaces, or a container does)"),
    ("mount proc", "a container keeps it from mounting /proc"),
    ("Creating new namespace failed", "namespaces are forbidden here, as in most containers"),
    ("unknown option", "it is too old: 0.5 or later is needed"),
)


@dataclass(frozen=True, slots=True)
class Ability:
    """``program``: bubblewrap's path; ``reason``: why it cannot be used, empty when it can."""

    program: str
    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


_known: dict[tuple[str, bool], Ability] = {}


def ability(*, own_network: bool = False) -> Ability:
    """Try bubblewrap as an agent's sandbox will use it.  What worked once is not tried again, what did not is."""
    program = shutil.which(PROGRAM) or ""
    key = (program, own_network)
    if key not in _known:
        found = _try(program, own_network)
        if not found:
            return found
        _known[key] = found
    return _known[key]


def _try(program: str, own_network: bool) -> Ability:
    if not program:
        return Ability("", "bubblewrap is not installed (there is no bwrap on PATH)")
    argv = [program, *_TRIAL, *(["--unshare-net"] if own_network else []), "--", program, "--version"]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ability(program, f"{program} cannot be run: {error}")
    if done.returncode == 0:
        return Ability(program)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else f"exit {done.returncode}"
    cause = next((f"{words}: " for text, words in _CAUSES if text in last), "")
    return Ability(program, f"{cause}{last}")
