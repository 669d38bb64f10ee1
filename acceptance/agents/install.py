"""Install the pinned command lines from npm, each once; everything works offline afterwards.

    python acceptance/agents/install.py [--all] [--check] [NAME...]

Each package is installed beside its place and renamed into it when it is whole.  None of its own scripts is run, and
none of the programs is started.  Exit code 1: something is missing; the reason stands in the last lines.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pinned import NODE, PINS, STAMP, Pin, cache_directory, is_installed, lack, node

LONGEST = 900.0
"""Seconds for one package: up to 400 MB."""


class Missing(Exception):
    """One of them cannot be had; the text says why."""


def main(words: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME", help="claude, codex, opencode, pi (default: all of them)")
    options.add_argument("--all", action="store_true", help="the older versions too")
    options.add_argument("--check", action="store_true", help="install nothing, say nothing: only the exit code")
    given = options.parse_args(words)
    unknown = sorted(set(given.names) - {pin.name for pin in PINS})
    if unknown:
        options.error(f"there is no agent {unknown[0]!r}; known are {', '.join(sorted({pin.name for pin in PINS}))}")
    chosen = [pin for pin in PINS if (not given.names or pin.name in given.names) and (given.all or not pin.optional)]
    wanting = [pin for pin in chosen if lack(pin)]
    if given.check:
        return 1 if wanting else 0
    if wanting:
        with _alone():
            for pin in wanting:
                _try(pin)
    reasons = [reason for pin in chosen if (reason := lack(pin))]
    for reason in reasons:
        say(f"without {reason}")
    return 1 if reasons else 0


def say(text: str) -> None:
    print(f"agents: {text}", file=sys.stderr, flush=True)


class _alone:
    """One installation at a time, whichever checkout it comes from; the kernel takes the lock back however it ends."""

    def __enter__(self) -> None:
        cache_directory().mkdir(parents=True, exist_ok=True)
        self._lock = (cache_directory() / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another installation")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        _sweep(cache_directory())

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def _sweep(directory: Path) -> None:
    """Remove what installations left that were killed: the lock is ours, so nobody works on them."""
    for left in directory.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _try(pin: Pin) -> None:
    try:
        if pin.node > (0, 0) and node(pin.node) is None:
            _provide(NODE)
        _provide(pin)
    except Missing as reason:
        say(f"{pin.name} {pin.version}: {reason}")


def _provide(pin: Pin) -> None:
    if is_installed(pin):
        return
    if _is_whole(pin, pin.directory):  # put there by hand
        (pin.directory / STAMP).touch()
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed; type: sudo apt-get install nodejs npm")
    say(f"installing {pin.package}@{pin.version} into {pin.directory}")
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=cache_directory()))
    try:
        _install(npm, pin, new)
        if not _is_whole(pin, new):
            raise Missing(f"npm installed something else than {pin.program} of {pin.package}@{pin.version}")
        (new / STAMP).touch()
        shutil.rmtree(pin.directory, ignore_errors=True)
        new.chmod(0o755)
        new.rename(pin.directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _install(npm: str, pin: Pin, directory: Path) -> None:
    (directory / "package.json").write_text('{"private": true}\n')
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    words = [npm, "install", "--prefix", str(directory), "--save-exact", *options, f"{pin.package}@{pin.version}"]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST,
            cwd=directory,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"npm did not end within {LONGEST:.0f} s; is its registry reachable (npm config list)?") from None
    if done.returncode != 0:
        told = [line for line in done.stdout.splitlines() if "npm error" in line or "ERR!" in line]
        raise Missing("; ".join(line.strip() for line in told[:2]) or f"npm failed ({done.returncode})")


def _is_whole(pin: Pin, directory: Path) -> bool:
    """Whether *directory* holds the program at its version."""
    manifest = directory / pin.manifest.relative_to(pin.directory)
    try:
        version = json.loads(manifest.read_text())["version"]
    except (OSError, ValueError, KeyError):
        return False
    return version == pin.version and os.access(directory / pin.program, os.X_OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
