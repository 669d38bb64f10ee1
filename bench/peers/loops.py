"""The engine itself: holder, supervisor, journal, logs and views, as `loops up` brings them up."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.peer import Peer
from bench.project import HEAD, Project, service


class Loops(Peer):
    """With pty, log and journal on, and without backoff."""

    name = "loops"

    def prepare(self, names: Sequence[str]) -> None:
        """Write agents.toml."""
        text = HEAD + "".join(service(name, self.arena.child, name) for name in names)
        self._project = Project(self.arena, text)

    def start(self, names: Sequence[str]) -> None:
        """Up."""
        self._project.begin()

    def stop(self) -> None:
        """Down, in good order."""
        self._project.down()

    def supervisors(self) -> list[int]:
        """Return holder, supervisor, tmux server and relays."""
        return self._project.supervisors()

    def status_command(self) -> Sequence[str]:
        """The quick way, in a pipe."""
        words = [f"{name}={value}" for name, value in self._project.more.items()]
        return ("env", *words, *self._project.words("status"))
