"""sd_notify and the watchdog of systemd, where it asked for them (sd_notify(3)): a datagram, no library.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def tell(message: str) -> None:
    """Send *message* (``READY=1``, ``WATCHDOG=1``, ``STATUS=...``) to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto(message.encode(), address)
        except OSError:
            return  # the manager is busy or gone: never a reason to stop


def left_out(environment: Mapping[str, str]) -> dict[str, str]:
    """*environment* for a process that the service manager has not started, and must not hear."""
    return {key: value for key, value in environment.items() if key not in _OURS}


def watchdog_interval() -> float | None:
    """Seconds between two ``WATCHDOG=1`` (half of what systemd allows), None when it does not watch us."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or not int(allowed) or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(allowed) / 2_000_000
