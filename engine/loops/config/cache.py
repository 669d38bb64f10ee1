"""What was checked once need not be checked again: what a cache must be made from to hold, and how one is written.

Standard library only, and little of it: the quickest commands start here.
"""

from __future__ import annotations

import json
import os
from typing import Any

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


def refused_path(cache_path: str) -> str:
    """Where stands why a file was refused, beside its cache."""
    return f"{cache_path}.refused"


def refusal(path: str, cache_path: str) -> str:
    """Return why the file at *path*, as it is now, was refused when it was last checked; "" when it was not."""
    try:
        with open(refused_path(cache_path), "rb") as file:
            kept: dict[str, Any] = json.loads(file.read())
        return str(kept["why"]) if kept["made_from"] == made_from(path, os.stat(path)) else ""
    except (OSError, ValueError, TypeError, KeyError):
        return ""


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
