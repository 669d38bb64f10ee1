"""tmux sessions looked at every 30 seconds, one process a question: the earlier engine's way, and most tmux tools'."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from bench.peers.peer import Peer, apt

PERIOD = 30.0
_WATCHDOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tmux_watchdog.py")


class TmuxPoll(Peer):
    """The sessions stand on a tmux server of their own, with its socket in the arena."""

    name = "tmux 30 s poll"
    reaction = PERIOD

    @classmethod
    def missing(cls) -> str:
        """The package must be there."""
        return "" if shutil.which("tmux") else "tmux is not installed (apt: tmux)"

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        apt("tmux")

    def start(self, names: Sequence[str]) -> None:
        """The watchdog starts them, and the server with the first."""
        words = (sys.executable, "-S", _WATCHDOG, self._socket, self.arena.child, str(PERIOD), str(len(names)))
        self.arena.spawn(*words)

    def status_command(self) -> Sequence[str]:
        """One question for all, which is the best that tmux can do."""
        return ("tmux", "-S", self._socket, "list-sessions")

    @property
    def _socket(self) -> str:
        return f"{self.arena.directory}/tmux.sock"
