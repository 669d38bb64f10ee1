"""systemd as PID 1: one transient-like template unit, restarted at once (``RestartSec=0``), without a start limit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from bench.arena import VARIABLE
from bench.peers.peer import Peer

_UNIT = """[Unit]
Description=loops benchmark %i
StartLimitIntervalSec=0
[Service]
Environment={variable}={socket}
ExecStart={child} %i
Restart=always
RestartSec=0
"""


class Systemd(Peer):
    """The system manager; the units live in /run and are removed afterwards."""

    name = "systemd"

    @classmethod
    def missing(cls) -> str:
        """It must be PID 1, and ours to command."""
        if not os.path.isdir("/run/systemd/system"):  # sd_booted(3)
            return "systemd is not PID 1 here"
        return "" if os.geteuid() == 0 else "needs root (the units are the system manager's)"

    def prepare(self, names: Sequence[str]) -> None:
        """One template for all."""
        with open(self._path, "w", encoding="utf-8") as file:
            socket = self.arena.environment[VARIABLE]
            file.write(_UNIT.format(variable=VARIABLE, socket=socket, child=self.arena.child))
        self._call("daemon-reload")

    def start(self, names: Sequence[str]) -> None:
        """One instance each."""
        self._units = [f"{self._template}@{name}.service" for name in names]
        self._call("start", "--no-block", *self._units)

    def supervisors(self) -> list[int]:
        """PID 1 only: what else descends from it is not the price of this."""
        return [1]

    def stop(self) -> None:
        """Stop the units, which would heal what is killed, and remove them."""
        if os.path.exists(self._path):
            self._call("stop", *self._units)
            self._call("reset-failed", f"{self._template}@*.service")
            os.unlink(self._path)
            self._call("daemon-reload")

    def status_command(self) -> Sequence[str]:
        """Its own."""
        return ("systemctl", "list-units", "--no-pager", "--plain", f"{self._template}@*.service")

    @property
    def _template(self) -> str:
        return "loops-bench-" + os.path.basename(self.arena.directory)

    @property
    def _path(self) -> str:
        return f"/run/systemd/system/{self._template}@.service"

    def _call(self, *words: str) -> None:
        subprocess.run(["systemctl", *words], check=False, capture_output=True)
