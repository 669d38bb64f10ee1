"""switch.py TOPLEVEL switch|dry-activate: put a system of ./nixos.nix in force on a Debian with systemd.

It follows NixOS' switch-to-configuration: a unit that went away is stopped, a new one is started with its target, a
changed one is restarted if it runs; X-RestartIfChanged=false leaves it alone, X-StopIfChanged=false restarts it in one go.
What is in force is what the links in /etc/systemd/system say, so that a rollback is a switch to the older system.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UNITS = Path("/etc/systemd/system")
COMMANDS = Path("/usr/local/bin")
STORE = "/nix/store/"
TARGETS = ("multi-user.target", "timers.target")


def links(directory: Path) -> dict[str, Path]:
    """What an earlier switch put into *directory*: name -> where it leads, in the store."""
    if not directory.is_dir():
        return {}
    found = {each.name: Path(os.readlink(each)) for each in directory.iterdir() if each.is_symlink()}
    return {name: target for name, target in found.items() if str(target).startswith(STORE)}


def text(unit: Path) -> str:
    return unit.read_text() if unit.is_file() else ""


def says(unit: Path, line: str) -> bool:
    return line in text(unit).splitlines()


def is_active(unit: str) -> bool:
    state = systemctl("show", "--property=ActiveState", "--value", unit).strip()
    return state in ("active", "activating", "reloading", "deactivating")


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True).stdout


def relink(directory: Path, new: dict[str, Path]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in links(directory).keys() - new.keys():
        (directory / name).unlink()
    for name, target in new.items():
        beside = directory / f".{name}.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.rename(directory / name)


def main() -> None:
    toplevel, verb = Path(sys.argv[1]), sys.argv[2]
    if verb not in ("switch", "dry-activate"):
        sys.exit(f"switch.py: {verb} is neither switch nor dry-activate")
    new = {each.name: each for each in (toplevel / "etc/systemd/system").iterdir() if each.is_file()}
    wants = {
        f"{each.parent.name}/{each.name}": each.resolve() for each in (toplevel / "etc/systemd/system").glob("*.*s/*")
    }
    old = links(UNITS)

    gone = sorted(old.keys() - new.keys())
    changed = [name for name in sorted(old.keys() & new.keys()) if text(old[name]) != text(new[name])]
    running = [name for name in changed if not name.endswith(".slice") and is_active(name)]
    left = [name for name in running if says(new[name], "X-RestartIfChanged=false")]
    at_once = [name for name in running if name not in left and says(new[name], "X-StopIfChanged=false")]
    stopped = [name for name in running if name not in left and name not in at_once]
    started = sorted(new.keys() - old.keys())

    for what, names in (
        ("stopping what is gone", gone),
        ("restarting", at_once + stopped),
        ("NOT restarting", left),
        ("new", started),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
    if not (gone or changed or started):
        print("no unit changed")
    if verb == "dry-activate":
        return

    for name in gone + stopped:
        systemctl("stop", name)
    subprocess.run(["systemd-sysusers", toplevel / "users.conf"], check=True)
    relink(COMMANDS, {each.name: each for each in (toplevel / "sw/bin").iterdir()})
    relink(UNITS, new)
    for directory in {Path(name).parent for name in wants} | {each.relative_to(UNITS) for each in UNITS.glob("*.wants")}:
        inside = {Path(name).name: target for name, target in wants.items() if Path(name).parent == directory}
        relink(UNITS / directory, inside)
    systemctl("daemon-reload")
    if at_once:
        systemctl("restart", "--no-block", *at_once)
    if stopped:
        systemctl("start", "--no-block", *stopped)
    systemctl("start", "--no-block", *TARGETS)


main()
