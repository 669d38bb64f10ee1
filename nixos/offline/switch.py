"""switch.py TOPLEVEL switch|dry-activate: put a system of ./nixos.nix in force on a Debian with systemd.

It follows NixOS' switch-to-configuration: a unit that went away is stopped, a new one is started if a target wants it, a
changed one is restarted if it runs; X-RestartIfChanged=false leaves it alone, X-StopIfChanged=false restarts it in one go.

One link says what is in force; units, commands and the next switch look through it.  So a rollback is a switch to the
older system, a power cut leaves the old system or the new one and nothing between, and each boot has the same again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

IN_FORCE = Path("/nix/var/nix/gcroots/current-system")
"""The link; where it is, the garbage collector keeps what it leads to."""
SEEN_BY_SYSTEMD = Path("/usr/local/lib/systemd/system")
SEEN_BY_PEOPLE = Path("/run/current-system")
AT_BOOT = Path("/etc/tmpfiles.d/current-system.conf")
TARGETS = ("multi-user.target", "timers.target")
FAILED = 4
"""The exit code that NixOS has for units that do not come up."""

SAYS_NOTHING = ("Description", "Documentation")
"""Keys of [Unit] that change nothing in how a unit runs."""

Section = dict[str, list[str]]


@dataclass(frozen=True)
class System:
    """A toplevel: its units by name, and which of them the targets want."""

    units: dict[str, dict[str, Section]]
    wanted: frozenset[str]

    def says(self, name: str, key: str, value: str) -> bool:
        """Whether [Service] of the unit has this line."""
        return value in self.units[name].get("Service", {}).get(key, [])


def read(toplevel: Path) -> System:
    """Read a toplevel; one that is not there is an empty system."""
    directory = toplevel / "etc/systemd/system"
    files = [each for each in directory.iterdir() if each.is_file()] if directory.is_dir() else []
    wanted = {link.name for target in TARGETS for link in (directory / f"{target}.wants").glob("*")}
    return System({each.name: parse(each.read_text()) for each in files}, frozenset(wanted))


def parse(text: str) -> dict[str, Section]:
    """The sections of a unit as far as they say how it runs."""
    sections: dict[str, Section] = {}
    section: Section = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif "=" in line:
            key, value = line.split("=", 1)
            section.setdefault(key, []).append(value)
    sections.pop("Install", None)
    for key in SAYS_NOTHING:
        sections.get("Unit", {}).pop(key, None)
    return sections


@dataclass(frozen=True)
class Plan:
    """What a switch does with which units."""

    stop: list[str]
    """They are gone."""
    pause: list[str]
    """Stopped under the old text, started under the new one."""
    restart: list[str]
    leave: list[str]
    start: list[str]

    @property
    def lines(self) -> list[str]:
        """What the operator reads."""
        said = {
            "stopping": self.stop,
            "restarting": sorted(self.pause + self.restart),
            "NOT restarting": self.leave,
            "starting": self.start,
        }
        return [f"{what}: {', '.join(names)}" for what, names in said.items() if names] or ["no unit changed"]


def plan(old: System, new: System, active: Iterable[str]) -> Plan:
    """Compare two systems.  *active*: the units of either that run, or are about to."""
    running = set(active)
    both = old.units.keys() & new.units.keys()
    # A slice takes its new limits over at the daemon's reload.
    changed = sorted(n for n in both & running if old.units[n] != new.units[n] and not n.endswith(".slice"))
    leave = [name for name in changed if new.says(name, "X-RestartIfChanged", "false")]
    restart = [name for name in changed if name not in leave and new.says(name, "X-StopIfChanged", "false")]
    return Plan(
        stop=sorted((old.units.keys() - new.units.keys()) & running),
        pause=[name for name in changed if name not in leave + restart],
        restart=restart,
        leave=leave,
        start=sorted(new.wanted - running),
    )


def active(names: Iterable[str]) -> set[str]:
    """Which of these units run, or are about to: a supervisor between two starts is one of them."""
    properties = ["systemctl", "show", "--property=Id,ActiveState", "--", *names]
    said = subprocess.run(properties, check=True, capture_output=True, text=True).stdout
    found = set()
    for block in said.split("\n\n"):
        facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if facts.get("ActiveState") not in (None, "inactive", "failed"):
            found.add(facts["Id"])
    return found


def systemctl(verb: str, names: list[str]) -> bool:
    """Do it with all of them at once; return whether all went well (systemctl says what did not)."""
    return not names or subprocess.run(["systemctl", verb, "--", *names]).returncode == 0


def point(link: Path, target: Path) -> None:
    """Make *link* lead to *target*; at every moment it leads to the old one or to the new one."""
    link.parent.mkdir(parents=True, exist_ok=True)
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.rename(link)


def put_in_force(toplevel: Path) -> None:
    """Let everybody see *toplevel*, now and after each boot."""
    os.sync()  # what Nix has just built is whole on the disk before anything leads to it
    point(IN_FORCE, toplevel)
    if not SEEN_BY_SYSTEMD.is_symlink():
        point(SEEN_BY_SYSTEMD, IN_FORCE / "etc/systemd/system")
        AT_BOOT.write_text(f"L+ {SEEN_BY_PEOPLE} - - - - {IN_FORCE}\n")
    point(SEEN_BY_PEOPLE, IN_FORCE)
    os.sync()


def main(words: list[str]) -> int:
    """Switch."""
    if len(words) != 2 or words[1] not in ("switch", "dry-activate"):
        print("usage: switch-to-configuration switch|dry-activate", file=sys.stderr)
        return 2
    toplevel, verb = Path(words[0]), words[1]
    old, new = read(IN_FORCE), read(toplevel)
    todo = plan(old, new, active(sorted(old.units.keys() | new.units.keys())))
    print(*todo.lines, sep="\n", flush=True)
    if verb == "dry-activate":
        return 0
    stopped = systemctl("stop", todo.stop + todo.pause)
    subprocess.run(["systemd-sysusers", toplevel / "users.conf"], check=True)
    put_in_force(toplevel)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    restarted = systemctl("restart", todo.restart)
    # All at once and in their order; what the second one names is on its way, and is waited for.
    subprocess.run(["systemctl", "start", "--no-block", *TARGETS], check=True)
    started = systemctl("start", todo.pause + todo.start)
    return 0 if stopped and restarted and started else FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
