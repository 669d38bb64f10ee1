"""cli-agent-orchestrator: an HTTP server that starts agents in tmux sessions.

Its own mock agent ("mock_cli", found on PATH) is our child, so that no agent CLI and no account is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from threading import Thread

from bench.arena import VARIABLE, Arena
from bench.peers.peer import Peer, cached, pip


class CliAgentOrchestrator(Peer):
    """PyPI's cli-agent-orchestrator, with its home and its tmux server in the arena."""

    name = "cli-agent-orchestrator"
    limit = 10

    def __init__(self, arena: Arena) -> None:
        """Choose a free port."""
        super().__init__(arena)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    @classmethod
    def missing(cls) -> str:
        """The virtual environment and tmux must be there."""
        if not shutil.which("tmux"):
            return "tmux is not installed (apt: tmux)"
        program = cached("cao", "bin", "cao-server")
        return "" if os.path.exists(program) else "not installed (PyPI: cli-agent-orchestrator)"

    @classmethod
    def install(cls) -> None:
        """From PyPI."""
        pip("cao", "cli-agent-orchestrator")

    def prepare(self, names: Sequence[str]) -> None:
        """Start the server, and wait until it answers: only the sessions' start is measured."""
        command = f"#!/bin/sh\nprintf '\u276f '\nexec {self.arena.child} \"$LOOPS_BENCH_NAME\"\n"
        programs = os.path.dirname(self.arena.write("bin/mock_cli", command, 0o755))
        self.arena.write(".profile", f"PATH={programs}:$PATH\n")  # its panes run a login shell, which resets PATH
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CAO_HOME_DIR": f"{self.arena.directory}/cao",
            "CAO_API_PORT": str(self._port),
            "TMUX_TMPDIR": self.arena.directory,
            "SHELL": "/bin/sh",
        }
        self.arena.spawn(cached("cao", "bin", "cao-server"), **self._environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self._call("GET", "/health")
                return
            except OSError:
                time.sleep(0.1)

    def start(self, names: Sequence[str]) -> None:
        """Launch one after the other, as its command line does: each launch waits for the agent's prompt."""
        Thread(target=self._launch, args=(names,), daemon=True).start()

    def _launch(self, names: Sequence[str]) -> None:
        for name in names:
            query = {"provider": "mock_cli", "agent_profile": "developer", "session_name": name}
            query["working_directory"] = self.arena.directory
            carried = {"LOOPS_BENCH_NAME": name, VARIABLE: self.arena.environment[VARIABLE]}
            try:
                self._call("POST", f"/sessions?{urllib.parse.urlencode(query)}", {"env_vars": carried})
            except OSError as error:
                said = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
                with open(f"{self.arena.directory}/output", "a", encoding="utf-8") as output:
                    output.write(f"\nlaunch of {name}: {error} {said}\n")
                return

    def status_command(self) -> Sequence[str]:
        """Its own."""
        return ("env", f"CAO_API_PORT={self._port}", cached("cao", "bin", "cao"), "session", "list")

    def _call(self, method: str, path: str, body: object = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
