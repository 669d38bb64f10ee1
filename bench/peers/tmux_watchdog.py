"""The watchdog of tmux_poll.py, as a program of its own: ``tmux_watchdog.py SOCKET CHILD PERIOD COUNT``."""

from __future__ import annotations

import subprocess
import sys
import time


def watch(socket: str, child: str, period: float, count: int) -> None:
    """Start the sessions, then ask for each whether it is there, for ever."""
    names = [f"s{n}" for n in range(count)]
    while True:
        begin = time.monotonic()
        for name in names:
            if subprocess.run(["tmux", "-S", socket, "has-session", "-t", f"={name}"], capture_output=True).returncode:
                subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", name, child, name])
        time.sleep(max(0.0, period - (time.monotonic() - begin)))


if __name__ == "__main__":
    watch(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
