"""The harness itself: a machine in a container boots, falls, comes back, and leaves nothing on the host."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from container import OWN_MOUNTS, PATIENCE, Container, MachineError, lack_of_containers
from disk import Disk
from root import Base


def processes_of(directory: Path) -> list[str]:
    """The host's processes that have a mount of the disk in *directory*."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            told = Path(f"/proc/{pid}/mountinfo").read_text()
        except OSError:
            continue
        if str(directory) in told:
            found.append(pid)
    return found


def test_a_machine_runs_commands_and_tells_how_they_ended(machine: Container) -> None:
    assert machine.succeed("systemctl is-system-running") == "running"
    assert machine.succeed("hostname; id -un; pwd") == "machine\nroot\n/"
    assert machine.succeed("id -un; echo $HOME", user="worker") == "worker\n/home/worker"
    assert machine.fail("echo why; exit 3") == "why"
    assert machine.run("false | true; echo not reached").code == 1
    assert machine.run("sleep 600", timeout=0.1).code == -9
    with pytest.raises(MachineError, match=r"`true` succeeded"):
        machine.fail("true")
    with pytest.raises(MachineError, match=r"failed \(3\)"):
        machine.succeed("exit 3")


def test_it_has_no_network_but_its_own_loopback(machine: Container) -> None:
    assert machine.succeed("ls /sys/class/net") == "lo"


def test_files_go_in_and_out_and_outlive_a_reboot_and_a_power_cut(machine: Container, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("kept")
    machine.copy_to(tmp_path / "note", "/opt/notes/note")
    boots = [machine.boot_id]
    sleeper = "systemd-run --quiet --unit=sleeper sleep infinity"
    machine.succeed(sleeper)
    machine.reboot()
    boots.append(machine.boot_id)
    assert machine.run("systemctl is-active sleeper").code != 0
    machine.succeed(f"{sleeper} && echo more >/opt/notes/late")
    machine.crash()
    machine.copy_from("/opt/notes", tmp_path / "back")
    assert {path.name: path.read_text() for path in (tmp_path / "back").iterdir()} == {"note": "kept", "late": "more\n"}
    machine.start()
    boots.append(machine.boot_id)
    assert machine.run("systemctl is-active sleeper").code != 0
    assert len(set(boots)) == 3
    assert len(machine.succeed("journalctl --list-boots --quiet").splitlines()) == 3


def test_two_machines_do_not_know_of_each_other(new_machine: Callable[[str], Container]) -> None:
    one, two = new_machine("one"), new_machine("two")
    one.start()
    two.start()
    one.succeed("echo mine >/etc/mine")
    two.fail("test -e /etc/mine")
    one.crash()
    assert two.succeed("systemctl is-system-running") == "running"


@pytest.mark.parametrize("end", ["shutdown", "crash"])
def test_what_ended_leaves_no_process_no_mount_and_no_cgroup(machine: Container, end: str) -> None:
    machine.succeed("systemd-run --quiet sleep infinity")
    machine.path("/dev/null").stat()
    assert processes_of(machine.disk.directory) != []
    getattr(machine, end)()
    assert processes_of(machine.disk.directory) == []
    assert str(machine.disk.directory) not in Path("/proc/self/mountinfo").read_text()
    look = "mount -t cgroup2 cgroup2 /sys/fs/cgroup; ls /sys/fs/cgroup"
    left = subprocess.run([*OWN_MOUNTS, look], capture_output=True, text=True, check=True).stdout
    assert machine.unique not in left.split()


def test_what_a_killed_test_run_left_is_ended_by_the_next_one(debian: Base, tmp_path: Path) -> None:
    (tmp_path / "orphan").mkdir()
    script = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path; from container import Container; from disk import Disk\n"
        f"machine = Container(Disk(Path({str(tmp_path / 'orphan')!r}), (Path({str(debian.tree)!r}),)), 'orphan')\n"
        "machine.start(); print(machine.disk.directory); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert processes_of(tmp_path / "orphan") != []
    assert lack_of_containers() == ""
    deadline = time.monotonic() + PATIENCE
    while processes_of(tmp_path / "orphan"):
        assert time.monotonic() < deadline, "the orphan lives on"


def test_a_machine_that_does_not_come_up_says_what_its_console_showed(new_machine: Callable[[str], Container]) -> None:
    broken = new_machine("broken")
    broken.disk.run("rm /usr/lib/systemd/systemd; ln -s /bin/false /usr/lib/systemd/systemd")
    with pytest.raises(MachineError, match="broken ended"):
        broken.start()
    assert not broken.is_up


@pytest.mark.parametrize("name", ["plain", "with:colon"], ids=["an overlay", "copies where there can be no overlay"])
def test_a_disk_shares_its_layers_and_writes_to_none_of_them(tmp_path: Path, name: str) -> None:
    base, own = tmp_path / name, tmp_path / "own"
    for directory in (base, own):
        directory.mkdir()
    (base / "shared").write_text("below")
    disk = Disk(own, (base,))
    assert disk.layered == (name == "plain")
    (disk.top / "mine").write_text("above")
    changing = f"{disk.mounting}; cat '{disk.root}/mine' '{disk.root}/shared'; echo changed >'{disk.root}/shared'"
    seen = subprocess.run([*OWN_MOUNTS, changing], capture_output=True, text=True, check=True).stdout
    assert seen == "abovebelow"
    assert (base / "shared").read_text() == "below"
    assert disk.find("/shared").read_text() == "changed\n"
    assert disk.find("/mine").read_text() == "above"
    above = tmp_path / "above"
    above.mkdir()
    assert Disk(above, disk.layers).find("/shared").read_text() == "changed\n"
    disk.remove()
    assert not own.exists()
