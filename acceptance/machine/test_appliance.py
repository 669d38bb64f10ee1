"""A machine that is made from nothing, rebuilt from git inside itself, changed, rolled back, rebooted and cut off its power.

What is done to it is nixos/test_script.py, word for word what the NixOS test driver runs; what this adds is that the
machine is built here, by Nix, in the machine itself, and that what it leaves is held against the same promises as
every other gate.  It is a Debian with the units and users that NixOS would have: see nixos/offline.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from disk import Disk
from image import build_image
from loops.places import State
from loops.projects.report import html, problems, read
from loops.supervisor.events import Event
from loops.supervisor.ledger import history
from nix import CHECKOUT
from root import Base
from scratch import Message, read_received
from seed import OPERATOR, OURS, seed
from test_nineteen_phases import assert_nothing_lost_or_doubled
from transcript import Transcript, artifacts
from vm import Machine, lack_of_machines

SCRIPT = CHECKOUT / "nixos" / "test_script.py"
ROOT = "/var/lib/loops/demo"
REBUILD = "/root/loops/nixos/offline/rebuild.sh switch"
FLAKE = f"{REBUILD} --flake /etc/nixos#machine 2>&1"
LONG = 900.0
"""Seconds for what Nix builds."""


def edited(old: str, new: str) -> str:
    """The shell command by which the operator changes the machine's repository and rebuilds from it."""
    return f"cd /etc/nixos && sed -i 's/{old}/{new}/' machine.nix && git commit --quiet -am '{new}' && {FLAKE}"


@pytest.mark.heavy
def test_a_machine_rebuilt_from_git_survives_what_happens_to_machines(debian: Base, tmp_path: Path) -> None:
    if reason := lack_of_machines():
        pytest.skip(reason)
    script = compile(SCRIPT.read_text(), SCRIPT, "exec")
    transcript = Transcript(artifacts("vm"))
    print(f"everything that is done and said: {transcript.directory}/transcript.txt")
    image = tmp_path / "disk.raw"
    step = transcript.step
    with Machine(image, debian.kernel, transcript) as machine:
        try:
            with step("image built from nothing"):
                make_image(debian, image, tmp_path)
            with step("boot"):
                machine.start()
            with step("this repository and the operator's are cloned"):
                machine.succeed("git config --global user.name operator")
                machine.succeed("git config --global user.email operator@example.invalid")
                machine.succeed(f"git clone --quiet {OURS} /root/loops && git clone --quiet {OPERATOR} /etc/nixos")
            with step("the machine is rebuilt from git"):
                machine.succeed(FLAKE, timeout=LONG)
            names = {
                "machine": machine,
                "subtest": step,
                "change": edited("stall_grace = 3600", "stall_grace = 7200"),
                "change_again": FLAKE,
                "wrong_change": edited("stall_grace = 7200", "stall_grate = 7200"),
                "store": "/nix/store",
                "roll_back": f"{REBUILD} --rollback 2>&1",
            }
            exec(script, names)
            with step("its history holds against every promise"):
                machine.copy_out(ROOT, transcript.directory)
                left = LeftBehind(transcript.directory / "demo")
                assert_history_is_sound(left, transcript.directory / "demo.html")
            with step("power off"):
                machine.shutdown()
        except BaseException:
            if machine.pid:
                machine.execute("systemctl status --no-pager 'loops*'; journalctl --no-pager -b -u 'loops*' -n 80", 60)
            raise
        finally:
            image.unlink(missing_ok=True)  # a running machine keeps it until its end, which comes with this block's
    transcript.close()
    print((transcript.directory / "timings.txt").read_text())


def make_image(debian: Base, image: Path, scratch: Path) -> None:
    place = scratch / "disk"
    place.mkdir()
    disk = Disk(place, (debian.tree,))
    try:
        seed(disk.top, scratch)
        build_image(disk, image)
    finally:
        disk.remove()


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A project's directory, copied out of its machine."""

    root: Path

    @property
    def directory(self) -> str:
        return State(str(self.root / ".loops")).journal

    def journal(self) -> list[Event]:
        return [event for _, event in history(self.directory)]

    def received(self, agent: str) -> list[Message]:
        return read_received(self.root / ".loops", agent)


def assert_history_is_sound(project: LeftBehind, page: Path) -> None:
    """The journal is whole, the engine's own audit finds nothing in it, and the agents say the same."""
    report = read(project.directory, time.time())
    page.write_text(html(report))
    assert report.verified, report.verification
    assert problems(report) == []
    assert_nothing_lost_or_doubled(project, "orchestrator")
