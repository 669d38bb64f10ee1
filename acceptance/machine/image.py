"""The disk of a throwaway machine, made from a Debian root without a loop device.

The root itself is left as it is: what makes a machine of it lies in a layer above, in a mount namespace of its own.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

SIZE = "3G"
"""Of the disk; sparse, so that only what is written takes room."""

BACKDOOR = """\
[Unit]
Description=The test driver's root shell on the virtio port
After=basic.target

[Service]
Type=simple
StandardInput=null
ExecStart=/bin/bash -c 'export HOME=/root TERM=dumb; cd /root; exec 0<>/dev/vport0p1 1>&0 2>&0; \
echo BACKDOOR-READY; exec bash --norc --noprofile'
KillSignal=SIGHUP

[Install]
WantedBy=multi-user.target
"""

# $1: the root, $2: the directory of what is laid above it, $3: the image.  The layer is in memory, since not every
# file system can be the upper one.  mke2fs reads the merged tree; both mounts end with the namespace.
BUILD = """
set -e
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/merged
cp -a "$2/." /mnt/upper
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/merged
mke2fs -q -t ext4 -d /mnt/merged -E no_copy_xattrs -O ^metadata_csum_seed "$3" "$4"
"""


def build_image(root: Path, disk: Path, furnish: Callable[[Path], None] = lambda _: None) -> None:
    """Write the ext4 image *disk* of the Debian *root*, as a machine that boots to a root shell on a virtio port.

    *furnish*: writes what else the machine shall have into the directory that it gets.
    """
    with tempfile.TemporaryDirectory(prefix="loops-layer-") as layer:
        _lay(Path(layer))
        furnish(Path(layer))
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", BUILD, "sh", root, layer, disk, SIZE],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"no image of {root}: {done.stderr.strip()}")


def _lay(layer: Path) -> None:
    """Write what the root lacks to be a machine."""
    units = layer / "etc" / "systemd" / "system"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    layer.chmod(0o755)  # the machine's own / gets this mode
    (units / "backdoor.service").write_text(BACKDOOR)
    (wants / "backdoor.service").symlink_to("../backdoor.service")
