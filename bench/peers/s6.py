"""s6: one s6-supervise process a service below s6-svscan."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from bench.peers.peer import Peer, apt


class S6(Peer):
    """Debian's package s6.  It waits a second before any restart, by design."""

    name = "s6"
    reaction = 1.0

    @classmethod
    def missing(cls) -> str:
        """The package must be there."""
        return "" if shutil.which("s6-svscan") else "s6-svscan is not installed (apt: s6)"

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        apt("s6")

    def prepare(self, names: Sequence[str]) -> None:
        """One service directory each."""
        for name in names:
            self.arena.write(f"sv/{name}/run", f"#!/bin/sh\nexec {self.arena.child} {name}\n", 0o755)

    def start(self, names: Sequence[str]) -> None:
        """The scanner takes 1000 services unless told otherwise."""
        limit = str(max(1000, 2 * len(names)))
        self.arena.spawn("s6-svscan", "-c", limit, f"{self.arena.directory}/sv")

    def status_command(self) -> Sequence[str]:
        """s6-svstat takes one service; a loop is how people list them."""
        return ("/bin/sh", "-c", f'for s in {self.arena.directory}/sv/*; do s6-svstat "$s"; done')
