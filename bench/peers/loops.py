"""The engine itself: holder, supervisor, journal, logs and views, as `loops up` brings them up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from bench.arena import HERE
from bench.peers.peer import Peer

_HEAD = """[defaults]
session_prefix = "bench-"
log_dir = "log"
[watchdog]
stop_grace = 1
restart_backoff = { first = 0, factor = 1, max = 0, jitter = 0, park_after = 1000000 }
"""
_SERVICE = """[[service]]
name = "{name}"
command = ["{child}", "{name}"]
watch = "heal"
"""


class Loops(Peer):
    """With pty, log and journal on, and without backoff."""

    name = "loops"

    def prepare(self, names: Sequence[str]) -> None:
        """Write agents.toml."""
        text = _HEAD + "".join(_SERVICE.format(name=name, child=self.arena.child) for name in names)
        self._config = self.arena.write("agents.toml", text)
        runtime = os.path.join(self.arena.directory, "run")
        root = os.path.join(os.path.dirname(HERE), "engine")
        self._more = {"LOOPS_RUNTIME_DIR": runtime, "PYTHONPATH": root, "HOME": self.arena.directory}

    def start(self, names: Sequence[str]) -> None:
        """Up."""
        self.arena.spawn(sys.executable, "-m", "loops", "--config", self._config, "up", **self._more)

    def stop(self) -> None:
        """Down, in good order."""
        command = [sys.executable, "-m", "loops", "--config", self._config, "down"]
        subprocess.run(command, env={**self.arena.environment, **self._more}, capture_output=True, timeout=120)

    def status_command(self) -> Sequence[str]:
        """The quick way, in a pipe."""
        words = [f"{name}={value}" for name, value in self._more.items()]
        return ("env", *words, sys.executable, "-m", "loops", "status", "--config", self._config)
