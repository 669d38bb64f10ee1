"""A machine's disk: layers that are shared and never written, and one of its own on top.

An overlay, mounted only in the mount namespace of who uses it: there is nothing to unmount, and a machine costs what it
writes (a copy of the tree is 13,500 files, and on a busy disk half a minute with its removal).  Where the kernel refuses an
overlay, as on top of another one in many containers, the layers are copied.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")
"""Before a script whose mounts nobody else sees, and which are gone with its last process."""


class Disk:
    """*directory* must exist and be empty; `remove` takes it away."""

    def __init__(self, directory: Path, below: tuple[Path, ...]) -> None:
        """*below*: the shared layers, the topmost first."""
        self.directory = directory
        self.root = directory / "root"
        """The whole tree, for who has run `mounting`."""
        upper, work = directory / "upper", directory / "work"
        for path in (self.root, upper, work):
            path.mkdir()
        lower = ":".join(map(str, below))
        overlay = f"mount -t overlay overlay -o 'lowerdir={lower},upperdir={upper},workdir={work}' '{self.root}'"
        self.layered = subprocess.run([*OWN_MOUNTS, overlay], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not self.layered:
            for layer in reversed(below):
                subprocess.run(["cp", "-a", "--reflink=auto", f"{layer}/.", self.root], check=True)
        self.mounting = overlay if self.layered else ":"
        """Shell that makes the tree appear, in a mount namespace of its own."""
        self.top = upper if self.layered else self.root
        """Where that which is written goes, and may be put while nobody uses the disk."""
        self.layers = (upper, *below) if self.layered else (self.root,)
        """What another disk may stand on, once this one is written no more."""

    def find(self, path: str) -> Path:
        """Where a file of the tree is on the host, while nobody has it mounted: in the topmost layer that has it."""
        name = path.lstrip("/")
        return next((layer / name for layer in self.layers if (layer / name).exists()), self.top / name)

    def run(self, script: str) -> None:
        """Run a shell *script* in the tree, as root."""
        words = [*OWN_MOUNTS, f'{self.mounting}; exec chroot "$1" sh -ec "$2"', "sh", str(self.root), script]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def remove(self) -> None:
        """Remove it, and all that is on it."""
        shutil.rmtree(self.directory)
