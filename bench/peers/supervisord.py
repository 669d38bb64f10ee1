"""supervisord: one Python process with a select loop of one second."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bench.peers.peer import Peer, cached, pip

_HEAD = """[supervisord]
nodaemon=true
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
minfds={files}
minprocs=200
[unix_http_server]
file={directory}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{directory}/supervisor.sock
"""
_PROGRAM = """[program:{name}]
command={child} {name}
autorestart=true
startsecs=1
redirect_stderr=true
stdout_logfile={directory}/{name}.log
"""


class Supervisord(Peer):
    """PyPI's supervisor, in a virtual environment of its own."""

    name = "supervisord"
    reaction = 1.0

    @classmethod
    def missing(cls) -> str:
        """The virtual environment must be there."""
        program = cached("supervisor", "bin", "supervisord")
        return "" if os.path.exists(program) else "supervisord is not installed (PyPI: supervisor)"

    @classmethod
    def install(cls) -> None:
        """From PyPI; setuptools 80 is the last that brings the pkg_resources it imports."""
        pip("supervisor", "supervisor", "setuptools<81")

    def prepare(self, names: Sequence[str]) -> None:
        """One program section each, its output captured as people do."""
        directory = self.arena.directory
        text = _HEAD.format(directory=directory, files=4 * len(names) + 200)
        text += "".join(_PROGRAM.format(name=name, child=self.arena.child, directory=directory) for name in names)
        self.arena.write("supervisord.conf", text)

    def start(self, names: Sequence[str]) -> None:
        """It starts all of them by itself."""
        config = f"{self.arena.directory}/supervisord.conf"
        self.arena.spawn(cached("supervisor", "bin", "supervisord"), "-c", config)

    def status_command(self) -> Sequence[str]:
        """Its own."""
        program = cached("supervisor", "bin", "supervisorctl")
        return (program, "-c", f"{self.arena.directory}/supervisord.conf", "status")
