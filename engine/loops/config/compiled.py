"""The checked configuration, kept as JSON, so that starting costs neither a TOML parser nor a validator.

The check itself runs in a process of its own (``python -m loops.config``): the validator takes 15 MB, which a
supervisor that lives for weeks would never give back.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from loops.config.cache import made_from, refusal, refused_path, write
from loops.config.codec import decode, encode
from loops.config.model import Config
from loops.config.problems import ConfigProblems, Problem, Value
from loops.errors import ConfigError

_PATIENCE = 60.0
"""Seconds for a check that takes a quarter of one."""

_TICK = 0.02
"""Seconds; two changes of a file within the same tick of the file system's clock can have equal times."""


def compile(path: str, cache_path: str) -> Config:
    """Return the configuration at *path*, from *cache_path* when that was made from the very same file by this engine.

    Raises ConfigProblems when the file is bad; the cache is then left as it was.  A cache that cannot be written
    (a full disk, a missing directory) only costs time.
    """
    path = os.path.abspath(path)
    cached = _cached(path, cache_path)
    return cached if cached is not None else _checked(path, cache_path)


def _cached(path: str, cache_path: str) -> Config | None:
    try:
        with open(cache_path, "rb") as file:
            kept = json.loads(file.read())
        if kept["made_from"] != made_from(path, os.stat(path)):
            return None
        return decode(kept["config"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # missing, torn, or of another engine: it is made anew


def is_fresh(path: str, cache_path: str) -> bool:
    """Whether what stands in the file is known: its configuration, or why it is refused."""
    return _cached(path, cache_path) is not None or bool(refusal(path, cache_path))


def command(path: str) -> list[str]:
    """The command of the process that checks; `take` understands what it says."""
    return [sys.executable, "-P", "-m", "loops.config", path]


def _checked(path: str, cache_path: str) -> Config:
    import subprocess

    # The same import path as ours: we may run from a checkout, or from a wrapper that set it up.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        ran = subprocess.run(
            command(path), env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"{path}: the check could not be run ({error}); try again, or run `{' '.join(command(path))}`"
        ) from error
    return take(path, cache_path, ran.returncode, ran.stdout, ran.stderr.decode("utf-8", "replace"))


def take(path: str, cache_path: str, code: int, output: bytes, complaint: str) -> Config:
    """Understand and keep what the process that checked has said.  Raises ConfigError, with all problems."""
    if code == ConfigError.exit_code:
        problems = ConfigProblems(Problem(**problem) for problem in json.loads(output))
        _keep_refusal(path, cache_path, problems)
        raise problems
    if code != 0:
        said = complaint.strip().splitlines()[-1:] or [f"status {code}"]
        raise ConfigError(f"{path}: the check failed ({said[0]}); run `{' '.join(command(path))}` to see all of it")
    write(cache_path, output)  # its owner alone may read it, for tables `env` may hold secrets
    with suppress(OSError):
        os.unlink(refused_path(cache_path))
    return decode(json.loads(output)["config"])


def _keep_refusal(path: str, cache_path: str, problems: ConfigProblems) -> None:
    """For those who show many projects, and cannot check each of them."""
    try:
        facts = {"made_from": made_from(path, os.stat(path)), "why": str(problems)}
    except OSError:
        return
    write(refused_path(cache_path), json.dumps(facts).encode())


def check(path: str) -> tuple[int, str]:
    """The work of the process of its own: return its exit status and its output, the cache or the problems as JSON."""
    import time

    from loops.config.loading import read

    try:
        loaded = read(path)
        if abs(time.time_ns() - loaded.about.st_mtime_ns) < _TICK * 1e9:
            time.sleep(_TICK)
            loaded = read(path)
    except ConfigProblems as problems:
        return problems.exit_code, json.dumps([_plain(problem) for problem in problems.problems])
    config = loaded.built.config
    return 0, json.dumps(
        {"made_from": made_from(config.path, loaded.about), "config": encode(config)}, separators=(",", ":")
    )


def _plain(problem: Problem) -> dict[str, Value]:
    return {"path": problem.path, "line": problem.line, "key": problem.key, "message": problem.message}
