"""pm2: one Node daemon."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence

from bench.peers.peer import Peer, cached, npm


class Pm2(Peer):
    """npm's pm2, with its own home in the arena."""

    name = "pm2"

    @classmethod
    def missing(cls) -> str:
        """Node and the package must be there."""
        if not shutil.which("node"):
            return "node is not installed"
        return "" if os.path.exists(_program()) else "pm2 is not installed (npm: pm2)"

    @classmethod
    def install(cls) -> None:
        """From npm."""
        npm("pm2", "pm2")

    def prepare(self, names: Sequence[str]) -> None:
        """One application each."""
        apps = [
            {
                "name": name,
                "script": self.arena.child,
                "args": name,
                "interpreter": "none",
                "exec_mode": "fork",
                "out_file": "/dev/null",
                "error_file": "/dev/null",
                "max_restarts": 1_000_000,
            }
            for name in names
        ]
        self.arena.write("ecosystem.json", json.dumps({"apps": apps}))

    def start(self, names: Sequence[str]) -> None:
        """The command forks the daemon and ends."""
        self.arena.spawn(_program(), "start", f"{self.arena.directory}/ecosystem.json", PM2_HOME=self._home)

    def status_command(self) -> Sequence[str]:
        """Its own."""
        return ("env", f"PM2_HOME={self._home}", _program(), "jlist")

    @property
    def _home(self) -> str:
        return os.path.join(self.arena.directory, "pm2")


def _program() -> str:
    return cached("pm2", "node_modules", ".bin", "pm2")
