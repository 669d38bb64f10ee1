"""Which program a holder is, so that a supervisor of another version can tell, and have it replaced in place.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

PARTS = ("sessions", "secrets", "sd_notify.py")
"""All of the engine that a holder runs: a test holds that."""


def digest(engine: str) -> str:
    """Sum up a holder's sources in *engine*: equal programs have equal ones, wherever they lie and whenever they were made."""
    total = 0
    for name, path in sorted(_sources(engine)):
        with open(path, "rb") as file:
            total = zlib.crc32(name.encode() + b"\0" + file.read(), total)
    return f"{total:08x}"


def _sources(engine: str) -> Iterator[tuple[str, str]]:
    for part in PARTS:
        path = os.path.join(engine, part)
        for name in os.listdir(path) if os.path.isdir(path) else ("",):
            if f"{part}{name}".endswith(".py"):
                yield f"{part}/{name}", os.path.join(path, name) if name else path


DIGEST = digest(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""Of the sources that this process runs, as they were when it began."""
