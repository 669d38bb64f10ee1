"""runit: one runsv process a service below runsvdir, which looks for new services every 5 seconds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from bench.peers.peer import Peer, apt


class Runit(Peer):
    """Debian's package runit."""

    name = "runit"

    @classmethod
    def missing(cls) -> str:
        """The package must be there."""
        return "" if shutil.which("runsvdir") else "runsvdir is not installed (apt: runit)"

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        apt("runit")

    def prepare(self, names: Sequence[str]) -> None:
        """One service directory each."""
        for name in names:
            self.arena.write(f"sv/{name}/run", f"#!/bin/sh\nexec {self.arena.child} {name}\n", 0o755)

    def start(self, names: Sequence[str]) -> None:
        """One scanner finds them all."""
        self.arena.spawn("runsvdir", f"{self.arena.directory}/sv")

    def status_command(self) -> Sequence[str]:
        """Its own, over all service directories."""
        return ("/bin/sh", "-c", f"exec sv status {self.arena.directory}/sv/*")
