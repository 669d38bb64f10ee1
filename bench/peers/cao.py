"""cli-agent-orchestrator: a server that starts agents in tmux sessions.  It has no healing; only its server can be run here."""

from __future__ import annotations

import os

from bench.peers.peer import Peer, cached, pip


class CliAgentOrchestrator(Peer):
    """PyPI's cli-agent-orchestrator."""

    name = "cli-agent-orchestrator"

    @classmethod
    def missing(cls) -> str:
        """Say why it is not measured."""
        if not os.path.exists(cached("cao", "bin", "cao-server")):
            return "not installed (PyPI: cli-agent-orchestrator)"
        return "it restarts no session that died, and it starts only agent CLIs that are logged in"

    @classmethod
    def install(cls) -> None:
        """From PyPI."""
        pip("cao", "cli-agent-orchestrator")
