"""Runs git for the preparing of a project: no prompts, no hooks of the source's, every object flushed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from loops.errors import LoopsError

FETCH_WITHIN = 840.0
"""Seconds; the unit's start has a minute more."""
GIT_WITHIN = 120.0


def git(
    directory: str,
    *words: str,
    env: Mapping[str, str] | None = None,
    within: float = GIT_WITHIN,
    cwd: str = "",
    why: str = "",
    given: str = "",
) -> str:
    """Run git in the repository of *directory*, with *given* on its standard input; return what it printed.

    *why* is what the error says besides.  LoopsError: it failed.
    """
    done = _run([*words], directory, {**(env or {})}, within, cwd, given)
    if done.returncode == 0:
        return done.stdout.strip()
    said = " ".join((done.stderr or done.stdout).split())
    raise LoopsError(f"{directory}: git {words[0]} failed: {said}" + (f": {why}" if why else ""))


def git_or_none(directory: str, *words: str) -> str | None:
    """The same; None: it failed."""
    done = _run([*words], directory, {}, GIT_WITHIN, "", "")
    return done.stdout.strip() if done.returncode == 0 else None


def _run(
    words: Sequence[str], directory: str, env: Mapping[str, str], within: float, cwd: str, given: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "SSH" in name}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _OURSELVES}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "SSH_ASKPASS_REQUIRE": "never"}
    own = ["--git-dir", os.path.join(directory, ".git")] if words[0] not in ("clone", "init") else []
    # Our checkout's own hooks are the project's; those of a source that was just fetched are nobody's to run here.
    settings = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "advice.detachedHead=false",
        "-c",
        "gc.auto=0",
        "-c",
        "core.fsync=all",
    ]
    if own and not any(word.startswith("--work-tree") for word in words):
        own += ["--work-tree", directory]
    try:
        return subprocess.run(
            ["git", *settings, *own, *words],
            cwd=cwd or directory,
            env={**kept, **who, **quiet, **env},
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoopsError(f"{directory}: git {words[0]} took longer than {within:.0f} s") from error
    except FileNotFoundError as error:
        raise LoopsError("git is not installed, or not on PATH") from error


_OURSELVES = (("NAME", "loops"), ("EMAIL", "loops@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
"""Equal files are an equal commit, whenever they are looked at."""
