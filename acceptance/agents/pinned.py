"""The real command lines at the versions that the acceptance tests run on, and where they are on this machine.

They come from npm and are kept outside the repository, once for all checkouts: ``$LOOPS_AGENTS_CACHE``, else
``$XDG_CACHE_HOME/loops/agents``.  `install` puts them there; the tests only look.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
STAMP = ".complete"
"""Written last: a directory that has it holds the whole package."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One command line.  ``program``: below the directory that npm fills."""

    name: str
    version: str
    package: str
    program: str
    node: tuple[int, int] = (0, 0)
    """The oldest Node that runs it; (0, 0): it needs none."""
    optional: bool = False

    @property
    def directory(self) -> Path:
        return cache_directory() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        return self.directory / self.program

    @property
    def manifest(self) -> Path:
        return self.directory / "node_modules" / self.package / "package.json"


def _claude(version: str, optional: bool = False) -> Pin:
    program = f"node_modules/@anthropic-ai/claude-code-linux-{ARCH}/claude"
    return Pin("claude", version, "@anthropic-ai/claude-code", program, optional=optional)


NODE = Pin("node", "22.23.3", f"node-linux-{ARCH}", f"node_modules/node-linux-{ARCH}/bin/node", optional=True)
"""Only where the machine's own Node is too old for pi."""

PINS = (
    _claude("2.1.329"),
    Pin("codex", "0.169.0", "@openai/codex", "node_modules/.bin/codex", (16, 0)),
    Pin("opencode", "1.18.33", "opencode-ai", f"node_modules/opencode-linux-{ARCH}/bin/opencode"),
    Pin("pi", "0.73.1", "@mariozechner/pi-coding-agent", "node_modules/.bin/pi", (20, 6)),
    _claude("2.1.197", optional=True),
)


def cache_directory() -> Path:
    """Where the command lines are, or would be."""
    named = os.environ.get("LOOPS_AGENTS_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "loops", "agents")


def pin(name: str) -> Pin:
    """The newest pinned version of *name*."""
    return next(each for each in PINS if each.name == name)


def is_installed(pin: Pin) -> bool:
    return (pin.directory / STAMP).exists() and os.access(pin.path, os.X_OK)


def lack(pin: Pin) -> str:
    """Why *pin* cannot be used here; empty when it can."""
    if not is_installed(pin):
        return f"{pin.name} {pin.version} is not installed in {pin.directory}; `./dev test --real-agents` installs it"
    if pin.node and node(pin.node) is None:
        return f"{pin.name} {pin.version} needs Node {pin.node[0]}.{pin.node[1]} or newer"
    return ""


def node(oldest: tuple[int, int]) -> Path | None:
    """A Node that is new enough: the machine's, else the one that was installed beside the agents."""
    own = shutil.which("node")
    if own is not None and version_of(own) >= oldest:
        return Path(own)
    return NODE.path if is_installed(NODE) else None


@cache
def version_of(program: str) -> tuple[int, int]:
    """The version of a Node."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.match(r"v(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
