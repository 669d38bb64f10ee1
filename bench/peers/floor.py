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

    def start(self, names: Sequence[str]) -> None:
        """Spawn them all."""
        program = compile_c("floor", self.arena.directory)
        self.roots = [self.arena.spawn(program, str(len(names)), self.arena.child).pid]
