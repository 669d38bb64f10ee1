"""What was checked once need not be checked again: what a cache must be made from to hold, and how one is written.

Standard library only, and little of it: the quickest commands start here.
"""

from __future__ import annotations

import os

import loops
from loops import resources


def made_from(path: str, about: os.stat_result, schema: str = "agents") -> dict[str, object]:
    """Return what must be equal for a cache to hold: the file, the engine, and the *schema* that it was checked against."""
    contract = os.stat(resources.schema(schema))
    return {
        "path": path,
        "file": [about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns],
        "engine": loops.__version__,
        "schema": [contract.st_size, contract.st_mtime_ns],
    }


def write(cache_path: str, raw: bytes) -> None:
    """Replace the cache in one step; readable by its owner alone.  One that cannot be written only costs time."""
    part = f"{cache_path}.{os.getpid()}"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(raw)
        os.replace(part, cache_path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
