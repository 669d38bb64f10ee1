"""Time zones by name, from the machine's own database; and which zone is the machine's."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo

LOCALTIME = "/etc/localtime"


def named(name: str) -> tzinfo | None:
    """Return the zone called *name*; None when this machine's database has none of that name."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def known() -> frozenset[str]:
    """The names that this machine's database has; empty where there is none, as in a bare build sandbox."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def local() -> tzinfo:
    """The machine's zone, as systemd sees it: that of ``TZ``, else of /etc/localtime, else UTC."""
    given = os.environ.get("TZ", "").removeprefix(":")
    if given and not given.startswith("/"):
        return named(given) or UTC
    from zoneinfo import ZoneInfo

    try:
        with open(given or LOCALTIME, "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
