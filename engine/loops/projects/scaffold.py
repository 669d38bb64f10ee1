"""``loops init``: the first agents.toml of a project, with its prompts and an empty plan.  Nothing is ever overwritten."""

from __future__ import annotations

import os
import re

from loops import resources
from loops.errors import UsageError

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
PROMPTS = ("builder", "adversary", "kickoff")


def write(directory: str, *, prefix: str = "") -> list[str]:
    """Write the files below *directory* and return their paths; all of them or none.

    Raises:
        UsageError: one of them exists already, the prefix cannot be used, or the directory cannot be written.
    """
    prefix = prefix or _prefix_of(directory)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", prefix):
        raise UsageError(f"--prefix {prefix!r}: tmux names take letters, digits, - and _; choose another")
    files = _files(prefix)
    standing = [name for name in files if os.path.lexists(os.path.join(directory, name))]
    if standing:
        raise UsageError(f"{directory}: {', '.join(standing)} exists already; move it away, or edit it yourself")
    written: list[str] = []
    try:
        for name, text in files.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            os.unlink(path)
        raise UsageError(f"{error.filename or directory}: {error.strerror}; nothing was written") from error
    return written


def _files(prefix: str) -> dict[str, str]:
    found = {
        "agents.toml": _template("agents.toml").replace("@PREFIX@", prefix),
        "plans/plan-phase1.md": _template("plan-phase1.md"),
    }
    for name in PROMPTS:
        with open(resources.prompt(name), encoding="utf-8") as file:
            found[f"prompts/{name}.md"] = file.read()
    return found


def _template(name: str) -> str:
    with open(os.path.join(_TEMPLATES, name), encoding="utf-8") as file:
        return file.read()


def _prefix_of(directory: str) -> str:
    """A prefix from the directory's name: ``My Project`` becomes ``My-Project-``."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", os.path.basename(os.path.abspath(directory))).strip("-")
    return f"{name or 'project'}-"
