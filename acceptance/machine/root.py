"""The Debian tree and the kernel that the machine tests run on: made once, then read only, kept outside the repository.

    python acceptance/machine/root.py [--check]

They come from the Debian mirror that this machine's own apt uses, and lie in ``$LOOPS_MACHINE_CACHE``, else
``$XDG_CACHE_HOME/loops/machine``, in a directory named by the digest of the recipe below.  Whoever needs a tree to
write in takes a `disk.Disk` on top of it.
Exit code 1: they are not there and cannot be made; the reason stands in the last line.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
"""The first Debian whose systemd (257) and Nix (2.26) have what the units and the flake use."""

PACKAGES = (
    *("systemd-sysv", "dbus", "procps", "ca-certificates"),
    *("tmux", "git", "bubblewrap", "nix-bin"),
    # the engine runs on Debian's own Python packages ...
    *(
        "python3",
        "python3-jinja2",
        "python3-jsonschema",
        "python3-pyte",
        "python3-rich",
        "python3-shtab",
        "python3-tomli",
        "python3-tomlkit",
    ),
    # ... is built from them by Nix ...
    *("python3-hatchling", "python3-pip", "python3-setuptools", "python3-wheel"),
    # ... and tested by Nix
    *("python3-pytest", "python3-pytest-xdist", "python3-hypothesis"),
    *("python3-sh", "python3-pexpect"),
)

OPTIONS = (
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "2"',
    '--aptopt=Acquire::http::Timeout "30"',
    *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "info", "locale")),
)

KERNEL = {"x86_64": "linux-image-cloud-amd64", "aarch64": "linux-image-cloud-arm64"}.get(platform.machine(), "")
"""Its NVMe, ext4 and virtio-console are built in: a machine boots without an initrd.  The name of a package that
depends on the present version."""

MASKED = (
    # work that is of no use in a machine that lives for a minute
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "ldconfig.service", "systemd-hwdb-update.service", "systemd-firstboot.service"),
    *("systemd-journal-catalog-update.service", "systemd-update-utmp.service", "systemd-timesyncd.service"),
    # there is no udev: whatever waits for a device would wait for 90 s
    *("getty@tty1.service", "serial-getty@ttyS0.service", "serial-getty@hvc0.service", "console-getty.service"),
    *("systemd-modules-load.service", "proc-sys-fs-binfmt_misc.automount", "dev-hugepages.mount"),
    *("systemd-tpm2-setup-early.service", "systemd-tpm2-setup.service"),
)

FILES = {
    "etc/hostname": "machine\n",
    "etc/hosts": "127.0.0.1 localhost machine\n::1 localhost\n",
    "etc/machine-id": "",  # each machine makes its own
    "etc/fstab": "",
    "etc/resolv.conf": "",
}

LONGEST = 900.0
"""Seconds for the making of the tree: some 90 MB are fetched."""

FORGOTTEN = 300.0
"""Seconds after a failure before it is tried again by itself."""


class Missing(Exception):
    """The tree cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Base:
    """What the machines are made from.  Nobody writes below it."""

    directory: Path

    @property
    def tree(self) -> Path:
        """The root of a Debian that boots to multi-user.target and has no getty, no network and no device manager."""
        return self.directory / "root"

    @property
    def kernel(self) -> Path:
        """The kernel's image; its modules are not installed in the tree."""
        return next((self.directory / "kernel" / "boot").glob("vmlinuz-*"))


def base() -> Base:
    """Return the tree and the kernel, after making them if they are not here yet.

    Raises:
        Missing: with the reason, where they cannot be made.
    """
    made = Base(cache_directory() / digest())
    if made.directory.is_dir():
        return made
    if reason := lack():
        raise Missing(reason)
    with _alone():
        if not made.directory.is_dir():
            _make_unless_it_just_failed(made.directory)
    return made


def lack() -> str:
    """Why the tree cannot be made or used here; empty when it may be tried."""
    if os.geteuid() != 0:
        return "needs root: a machine's files belong to its own root"
    if (cache_directory() / digest()).is_dir():
        return ""
    absent = [name for name in ("mmdebstrap", "apt-get", "dpkg-deb") if shutil.which(name) is None]
    if absent:
        return f"{absent[0]} is not installed (Debian: apt-get install mmdebstrap)"
    if not KERNEL:
        return f"Debian has no cloud kernel for {platform.machine()}"
    return ""


def cache_directory() -> Path:
    """Where the tree is, or would be."""
    named = os.environ.get("LOOPS_MACHINE_CACHE")
    return (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "loops", "machine")
    )


def digest() -> str:
    """The recipe's name."""
    recipe = (SUITE, PACKAGES, OPTIONS, KERNEL, MASKED, FILES)
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]


def _mirror() -> str:
    """The address that this machine's own apt takes its Debian from."""
    words = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]
    told = subprocess.run([*words, "Created-By: Packages"], capture_output=True, text=True, check=False).stdout
    release = platform.freedesktop_os_release()
    targets = [line.split() for line in told.splitlines()]
    for target in targets:
        if release.get("ID") == "debian" and target[1:] in ([release.get("VERSION_CODENAME"), "main"], [SUITE, "main"]):
            return target[0]
    raise Missing("no Debian mirror is among the sources of this machine's apt (apt-get indextargets)")


def _make_unless_it_just_failed(directory: Path) -> None:
    """Several test processes may ask at once; where the mirror is away, one of them waits for it and not each."""
    failure = directory.parent / f".failed-{directory.name}"
    try:
        if time.time() - failure.stat().st_mtime < FORGOTTEN:
            raise Missing(failure.read_text())
    except FileNotFoundError:
        pass
    try:
        _make(directory)
    except Missing as reason:
        failure.write_text(str(reason))
        raise


def _make(directory: Path) -> None:
    mirror = _mirror()
    say(f"making a Debian {SUITE} in {directory}")
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=directory.parent))
    try:
        (new / "kernel").mkdir()
        # In the hook apt is set up for the new tree, so that it knows that Debian's kernels and not this machine's.
        fetch = (
            f"cd {new}/kernel && export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG"
            f" && apt-get -q download $(apt-cache depends --important {KERNEL} | sed -n 's/^  Depends: //p')"
            " && dpkg-deb -x *.deb . && rm -r *.deb lib/modules usr/lib/modules 2>/dev/null; test -e boot/vmlinuz-*"
        )
        _mmdebstrap(
            [*OPTIONS, f"--include={','.join(PACKAGES)}", f"--customize-hook={fetch}", SUITE, f"{new}/root", mirror]
        )
        _prepare(new / "root")
        # No caller may see a whole name with half the content, even after a power cut.
        subprocess.run(["sync", "--file-system", new], check=True)
        new.chmod(0o755)
        new.rename(directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _mmdebstrap(words: Sequence[str]) -> None:
    proxy = subprocess.run(["apt-config", "dump", "Acquire::http::Proxy"], capture_output=True, text=True, check=False)
    own = [f"--aptopt={line}" for line in proxy.stdout.splitlines() if '""' not in line]
    try:
        done = subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", *own, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"mmdebstrap did not end within {LONGEST:.0f} s; is the Debian mirror reachable?") from None
    if done.returncode != 0:
        told = [line.strip() for line in done.stdout.splitlines() if line.startswith("E:")]
        raise Missing("; ".join(told[:2]) or f"mmdebstrap failed ({done.returncode}): {done.stdout[-300:].strip()}")


def _prepare(tree: Path) -> None:
    """Make the tree a machine that boots alone and knows nothing of the one that it was made on."""
    for name, text in FILES.items():
        (tree / name).write_text(text)
    units = tree / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")


class _alone:
    """One making at a time, whichever checkout it comes from; the kernel takes the lock back however it ends."""

    def __enter__(self) -> None:
        cache_directory().mkdir(parents=True, exist_ok=True)
        self._lock = (cache_directory() / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another one that is making it")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        for left in cache_directory().glob(".new-*"):  # of a making that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def say(text: str) -> None:
    print(f"machine: {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="make nothing, say nothing: only the exit code")
    if options.parse_args(words).check:
        return 0 if (cache_directory() / digest()).is_dir() else 1
    with contextlib.suppress(FileNotFoundError):  # a person, or ./dev, asks again
        (cache_directory() / f".failed-{digest()}").unlink()
    try:
        print(base().directory)
    except Missing as reason:
        say(str(reason))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
