"""Nix in the Debian tree: a store of its own, the build sandbox on, no network, and this checkout's flake.

The tree is only read.  bwrap makes the root around it anew, which is also why Nix can have its sandbox: that pivots the root,
which a plain chroot forbids, and Nix would then go on without a sandbox and without a word.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("flake.nix", "flake.lock", "pyproject.toml", "LICENSE", "engine", "schemas", "prompts", "tests", "nixos")
"""What the flake is made of; in a `path:` flake Nix takes in the whole directory, .venv and all."""

OFFLINE = ("--override-input", "nixpkgs", "path:/src/nixos/offline", "--no-write-lock-file")
"""nixos/offline in the place of nixpkgs, for whichever command reads the flake."""

SETTINGS = """\
experimental-features = nix-command flakes
build-users-group =
substituters =
flake-registry =
sandbox = true
sandbox-fallback = false
sandbox-paths = /usr /bin /lib /lib64 /etc/alternatives /etc/ssl
"""
"""What the stand-in builds with is Debian's /usr, which the sandbox therefore shows."""

LONGEST = 600.0
"""Seconds for one command: far beyond what it takes on a busy machine."""


class Nix:
    """Nix with an empty store in *directory*/nix, and a copy of the flake in *directory*/src."""

    def __init__(self, directory: Path, tree: Path) -> None:
        self.source = directory / "src"
        self.store = directory / "nix"
        self._tree = tree
        self.source.mkdir()
        self.store.mkdir()
        for name in PARTS:
            if (CHECKOUT / name).is_dir():
                shutil.copytree(CHECKOUT / name, self.source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(CHECKOUT / name, self.source)

    def run(self, *words: str, extra: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in the tree, in /src; *extra* are more words for bwrap."""
        return subprocess.run(
            [*self._enter(), *extra, "--", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )

    def offline(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``nix VERB`` on the flake, with the stand-in for nixpkgs."""
        return self.run("nix", *verb.split(), *words, *OFFLINE)

    def answer(self, verb: str, *words: str) -> str:
        """What ``nix VERB`` prints on standard output; it must succeed."""
        done = self.offline(verb, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def build(self, output: str, *words: str) -> str:
        """Build an output of the flake, and return its path in the store."""
        return self.answer("build", f"path:/src#{output}", "--no-link", "--print-out-paths", *words)

    def _enter(self) -> list[str]:
        # As it is and not made anew by --proc: bwrap would cover parts of that, and the kernel then forbids the fresh
        # /proc of Nix's own sandbox.
        proc = ("--dev-bind", "/proc", "/proc")
        links = [
            word
            for name in ("bin", "sbin", "lib", "lib64")
            if (self._tree / name).is_symlink()
            for word in ("--symlink", str((self._tree / name).readlink()), f"/{name}")
        ]
        return [
            *("bwrap", "--die-with-parent", "--unshare-net", "--unshare-ipc"),
            *("--ro-bind", str(self._tree / "usr"), "/usr", "--ro-bind", str(self._tree / "etc"), "/etc", *links),
            *("--dev", "/dev", *proc, "--tmpfs", "/tmp", "--dir", "/root", "--dir", "/var"),
            *("--bind", str(self.store), "/nix", "--bind", str(self.source), "/src", "--chdir", "/src"),
            *("--clearenv", "--setenv", "HOME", "/root", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            *("--setenv", "LC_ALL", "C.UTF-8", "--setenv", "NIX_CONFIG", SETTINGS),
        ]
