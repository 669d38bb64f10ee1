"""A machine in a container: real systemd as PID 1 on a copy of the Debian tree, driven in the words of the NixOS tests.

``systemd-nspawn --boot`` in a mount namespace of its own, in which a pure cgroup v2 hierarchy is mounted (a host may still
have the hybrid one); so there is nothing to unmount, whatever happens.  The guest has its own pids, its own network with
only a loopback, and a new boot id at each boot.  It shares the host's kernel: no controller that the host gives to cgroup
v1 is here, and a power cut loses what processes held but nothing that they had written.  `vm` is the machine for these.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from disk import OWN_MOUNTS, Disk
from root import base

PATIENCE = 180.0
"""Seconds after which something that should happen did not: far beyond what it takes on a busy machine."""
GLANCE = 0.05
"""Seconds between two looks at something that gives no event."""
REBOOT = 133
"""nspawn's exit code when its guest asked for a reboot and nobody is registered to do it."""

_ENTER = """
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
shift
exec "$@"
"""
_SWEEP = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for left in /sys/fs/cgroup/loops-*-*-*; do
  owner=${left%-*} owner=${owner##*-}
  if [ -d "$left" ] && [ ! -e "/proc/$owner" ]; then
    echo 1 >"$left/cgroup.kill"
    for try in 1 2 3 4 5; do find "$left" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.2; done
  fi
done
"""
_LEAVE = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for try in 1 2 3 4 5; do find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} + && break; sleep 0.2; done
"""


def lack_of_containers() -> str:
    """Why no machine can be booted in a container here; empty when one can, which is tried."""
    absent = [name for name in ("systemd-nspawn", "nsenter", "unshare") if shutil.which(name) is None]
    if absent:
        return f"{absent[0]} is not installed (Debian: apt-get install systemd-container)"
    subprocess.run([*OWN_MOUNTS, _SWEEP], stderr=subprocess.DEVNULL, check=False)  # of tests that were killed
    name = f"loops-trial-{os.getpid()}-0"
    words = ["systemd-nspawn", "--quiet", f"--directory={base().tree}", f"--machine={name}"]
    words += ["--volatile=yes", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "true"]
    done = subprocess.run(
        [*OWN_MOUNTS, _ENTER, "sh", name, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        check=False,
    )
    subprocess.run([*OWN_MOUNTS, _LEAVE, "sh", name], stderr=subprocess.DEVNULL, check=False)
    return "" if done.returncode == 0 else f"systemd-nspawn cannot run here: {done.stdout.strip()[-300:]}"


class MachineError(AssertionError):
    """The machine did not do what the test asks of it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command in the machine ended, and what it printed on both streams."""

    code: int
    out: str


class Container:
    """One machine.  Its disk outlives reboots and power cuts.

    `start` boots it; `end` must be called whatever happened, and leaves no process, no mount and no cgroup.
    """

    def __init__(self, disk: Disk, name: str = "machine") -> None:
        """Nothing runs yet.  *name*: what the machine calls itself."""
        self.disk = disk
        self.name = name
        self.console = disk.directory / "console.log"
        self.unique = f"loops-{name}-{os.getpid()}-{time.monotonic_ns()}"
        """The name of its cgroup and, on the host, of the machine: several tests may run at once."""
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._leader_fd = -1
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(self._address)

    @property
    def _address(self) -> str:
        return f"\0{self.unique}"

    # ---- power -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Boot it; return when default.target is reached.

        Raises:
            MachineError: it ended before, or did not come so far in time.
        """
        assert self._nspawn is None, f"{self.name} runs already"
        words = ["systemd-nspawn", "--quiet", f"--directory={self.disk.root}", f"--machine={self.unique}", "--boot"]
        words += [
            f"--hostname={self.name}",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--notify-ready=yes",
            "--console=pipe",
        ]
        words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        with self.console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                [*OWN_MOUNTS, f"{self.disk.mounting}\n{_ENTER}", "sh", self.unique, *words],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                    "NOTIFY_SOCKET": f"@{self.unique}",
                },
                start_new_session=True,
            )
        try:
            self._wait_booted()
        except MachineError:
            self.crash()
            raise

    def _wait_booted(self) -> None:
        assert self._nspawn is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self._notices], [], [], 0.2)[0]:
                told = self._notices.recv(4096).decode().splitlines()
                for line in told:
                    if line.startswith("X_NSPAWN_LEADER_PID="):
                        self._leader = int(line.partition("=")[2])
                        self._leader_fd = os.pidfd_open(self._leader)
                if "READY=1" in told and self._leader:
                    return
            elif self._nspawn.poll() is not None:
                raise MachineError(f"{self.name} ended ({self._nspawn.returncode}) before it was up:\n{self._screen()}")
        raise MachineError(f"{self.name} did not reach default.target in {PATIENCE:.0f} s:\n{self._screen()}")

    def reboot(self) -> None:
        """Reboot in good order, and return when it is up again."""
        self.run("systemctl reboot")
        self._wait_off(REBOOT)
        self.start()

    def shutdown(self) -> None:
        """Power off in good order."""
        self.run("systemctl poweroff")
        self._wait_off(0)

    def _wait_off(self, code: int) -> None:
        assert self._nspawn is not None
        try:
            found = self._nspawn.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise MachineError(f"{self.name} did not go down in {PATIENCE:.0f} s:\n{self._screen()}") from None
        self._forget()
        if found != code:
            raise MachineError(f"{self.name} went down with {found} instead of {code}:\n{self._screen()}")

    def crash(self) -> None:
        """Cut the power: every process is gone at once and none hears of it.  `start` boots it again."""
        if self._nspawn is None:
            return
        self._nspawn.kill()  # first, so that it does not see its guest's end
        self._nspawn.wait()
        if self._leader_fd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._leader_fd, signal.SIGKILL)
            # A namespace's PID 1 has ended only when all the others have.
            if not select.select([self._leader_fd], [], [], PATIENCE)[0]:
                raise MachineError(f"pid {self._leader} of {self.name} outlives SIGKILL")
        self._forget()

    def _forget(self) -> None:
        if self._leader_fd >= 0:
            os.close(self._leader_fd)
        self._nspawn, self._leader, self._leader_fd = None, 0, -1
        subprocess.run([*OWN_MOUNTS, _LEAVE, "sh", self.unique], stderr=subprocess.DEVNULL, check=False)
        while select.select([self._notices], [], [], 0)[0]:  # what the last boot told
            self._notices.recv(4096)

    def end(self) -> None:
        """End it for good, and remove its disk."""
        self.crash()
        self._notices.close()
        self.disk.remove()

    @property
    def is_up(self) -> bool:
        return self._leader > 0

    # ---- commands --------------------------------------------------------------------------------------------------

    def run(self, command: str, *, user: str = "root", timeout: float = PATIENCE) -> Ran:
        """Run *command* with bash as *user*, whose group has its name, in a clean environment.

        After *timeout* seconds it is killed (code -9).
        """
        assert self._leader, f"{self.name} is off"
        enter = ["nsenter", f"--target={self._leader}", "--all"]
        home = "/root" if user == "root" else f"/home/{user}"
        clean = [
            "env",
            "-i",
            "--chdir=/",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "LANG=C.UTF-8",
            f"HOME={home}",
        ]
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        limit = ["timeout", "--signal=KILL", str(timeout)]
        done = subprocess.run(
            [*enter, *clean, *limit, *become, "bash", "-euo", "pipefail", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return Ran(done.returncode, done.stdout.rstrip("\n"))

    def succeed(self, command: str, *, user: str = "root", timeout: float = PATIENCE) -> str:
        """Run *command*, which must succeed; return what it printed."""
        ran = self.run(command, user=user, timeout=timeout)
        if ran.code != 0:
            raise MachineError(f"`{command}` failed ({ran.code}) in {self.name}:\n{ran.out}")
        return ran.out

    def fail(self, command: str, *, user: str = "root", timeout: float = PATIENCE) -> str:
        """Run *command*, which must fail; return what it printed."""
        ran = self.run(command, user=user, timeout=timeout)
        if ran.code == 0:
            raise MachineError(f"`{command}` succeeded in {self.name}, and must not:\n{ran.out}")
        return ran.out

    def wait_until_succeeds(self, command: str, *, user: str = "root", seconds: float = PATIENCE) -> str:
        """Run *command* until it succeeds; return what it printed then."""
        deadline = time.monotonic() + seconds
        while (ran := self.run(command, user=user)).code != 0:
            if time.monotonic() > deadline:
                raise MachineError(f"not within {seconds:.0f} s in {self.name}: `{command}` ({ran.code}):\n{ran.out}")
            time.sleep(GLANCE)
        return ran.out

    def wait_for_unit(self, unit: str, state: str = "active", seconds: float = PATIENCE) -> None:
        """Wait until *unit* is in *state*; a unit that failed instead ends the waiting."""
        deadline = time.monotonic() + seconds
        while (found := self.show(unit, "ActiveState")) != state:
            if found == "failed" or time.monotonic() > deadline:
                told = self.run(f"systemctl status --no-pager --full {unit}").out
                raise MachineError(f"{unit} is {found}, not {state}, in {self.name}:\n{told}")
            time.sleep(GLANCE)

    def show(self, unit: str, key: str) -> str:
        """One property of *unit*, as systemd has it."""
        return self.succeed(f"systemctl show --value --property={key} {unit}")

    @property
    def boot_id(self) -> str:
        """What the kernel says this boot is called."""
        return self.succeed("cat /proc/sys/kernel/random/boot_id")

    # ---- files -----------------------------------------------------------------------------------------------------

    def path(self, guest: str) -> Path:
        """Where a path of the machine is on the host; while it is off, without what would be mounted (/run, /tmp)."""
        return Path(f"/proc/{self._leader}/root", guest.lstrip("/")) if self.is_up else self.disk.find(guest)

    def copy_to(self, host: Path, guest: str) -> None:
        """Copy a file or a directory into the machine, which is up; it belongs to root."""
        assert self._leader, f"{self.name} is off"
        to = self.path(guest)
        to.parent.mkdir(parents=True, exist_ok=True)
        if host.is_dir():
            shutil.copytree(host, to, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(host, to)

    def copy_from(self, guest: str, host: Path) -> None:
        """Copy a file or a directory of the machine to *host*."""
        found = self.path(guest)
        if found.is_dir():
            shutil.copytree(found, host, symlinks=True)
        else:
            shutil.copy(found, host)

    # ---- its story -------------------------------------------------------------------------------------------------

    def _screen(self) -> str:
        return self.console.read_text(errors="replace")[-3000:]

    def _own_units(self) -> list[str]:
        directory = self.path("/etc/systemd/system")
        return sorted(path.name for path in directory.glob("loops-*")) if directory.is_dir() else []

    def journal(self, lines: int = 120) -> str:
        """The newest lines about our units over all boots, and all warnings, whether it is up or not."""
        words = ["journalctl", "--no-pager", "--output=short-precise", f"--lines={lines}", "--quiet"]
        match = ["_SYSTEMD_SLICE=loops.slice", "+", "UNIT=loops.slice"]
        for unit in self._own_units():
            match += ["+", f"UNIT={unit}", "+", f"_SYSTEMD_UNIT={unit}"]
        if self.is_up:
            return self.run(" ".join([*words, *match])).out
        directory = f"--directory={self.disk.find('/var/log/journal')}"
        return subprocess.run([*words, directory, *match], capture_output=True, text=True).stdout

    def story(self) -> str:
        """All that helps to understand a failure."""
        listing = (
            "systemctl list-units --no-pager --no-legend --all 'loops*'; systemctl --no-pager --no-legend --failed"
        )
        units = self.run(listing).out if self.is_up else "it is off"
        return f"--- units\n{units}\n--- journal\n{self.journal()}\n--- console\n{self._screen()}"
