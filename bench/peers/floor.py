"""The floor: a supervisor of fifty lines of C that does nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from bench.arena import compile_c, compiler
from bench.peers.peer import Peer


class Floor(Peer):
    """See floor.c."""

    name = "C floor"

    @classmethod
    def missing(cls) -> str:
        """It must be compiled."""
        return "" if compiler() else "no C compiler"

    def prepare(self, names: Sequence[str]) -> None:
        """Compile it."""
        compile_c("floor", self.arena.directory)

    def start(self, names: Sequence[str]) -> None:
        """Spawn them all."""
        self.arena.spawn(f"{self.arena.directory}/floor", str(len(names)), self.arena.child)
