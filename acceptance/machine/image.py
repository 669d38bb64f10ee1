"""The image of a machine's disk that qemu boots from: the disk as a file system, made without a loop device."""

from __future__ import annotations

import subprocess
from pathlib import Path

from disk import OWN_MOUNTS, Disk

SIZE = "3G"
"""Sparse: only what is written takes room."""

SHELL_UNIT = """\
[Unit]
Description=The test driver's root shell on the virtio port
After=basic.target

[Service]
StandardInput=null
Environment=HOME=/root TERM=dumb PATH=/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin
WorkingDirectory=/root
ExecStart=/bin/bash -c 'exec 0<>/dev/vport0p1 1>&0 2>&0; echo BACKDOOR-READY; exec bash --norc --noprofile'
KillSignal=SIGHUP

[Install]
WantedBy=multi-user.target
"""


def build_image(disk: Disk, image: Path) -> None:
    """Write *image*, an ext4 file system with all that is on *disk*, which boots to a root shell on a virtio port."""
    units = disk.top / "etc/systemd/system"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (units / "backdoor.service").write_text(SHELL_UNIT)
    (wants / "backdoor.service").symlink_to("../backdoor.service")
    make = f'{disk.mounting}; exec mke2fs -q -t ext4 -d "$1" -E no_copy_xattrs "$2" "$3"'
    words = [*OWN_MOUNTS, make, "sh", str(disk.root), str(image), SIZE]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{image} could not be made: {done.stderr.strip()}")
