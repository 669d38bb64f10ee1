"""The first files of a project: agents.toml, its prompts and an empty plan, by template.  Nothing is ever overwritten.

``loops init`` writes them into a directory that is there, ``loops new`` (`loops.projects.new`) into a repository of their own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import Enum

from loops import resources
from loops.config.backends import BUILT_IN
from loops.config.problems import nearest
from loops.errors import UsageError

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


class Template(Enum):
    """Who works in a project."""

    BUILDER_ADVERSARY = "builder-adversary"
    SOLO = "solo"
    """One agent; the phase's checks judge."""
    REVIEWERS = "reviewers"
    """A Builder, and two who review."""


_ROLES = {
    Template.BUILDER_ADVERSARY: ("builder", "adversary"),
    Template.SOLO: ("solo",),
    Template.REVIEWERS: ("builder", "adversary"),
}
AGENTS = {
    Template.BUILDER_ADVERSARY: ("builder", "adversary"),
    Template.SOLO: ("builder",),
    Template.REVIEWERS: ("builder", "reviewer-1", "reviewer-2"),
}
"""The names of the agents; each has its clone in ``work/NAME``."""


def write(directory: str, *, prefix: str = "") -> list[str]:
    """Write the files below *directory* and return their paths; all of them or none.

    Raises:
        UsageError: one of them exists already, the prefix cannot be used, or the directory cannot be written.
    """
    files = first_files(prefix or _prefix_of(directory))
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


def first_files(
    prefix: str, template: Template = Template.BUILDER_ADVERSARY, backend: str = "claude"
) -> dict[str, str]:
    """The text of each file, by its path from the project's directory.

    Raises:
        UsageError: the prefix cannot begin a session's name, or there is no such backend.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", prefix):
        raise UsageError(f"--prefix {prefix!r}: tmux names take letters, digits, - and _; choose another")
    if backend not in BUILT_IN:
        known = ", ".join(sorted(BUILT_IN))
        raise UsageError(
            f"--backend {backend!r}: there is no such backend{nearest(backend, BUILT_IN)}; known: {known}; one of your own "
            "is a [backend.NAME] in agents.toml"
        )
    head = filled("head.toml", {"PREFIX": prefix, "BACKEND": backend})
    files = {"agents.toml": head + filled(f"{template.value}.toml"), "plans/plan-phase1.md": filled("plan-phase1.md")}
    for name in (*_ROLES[template], "kickoff"):
        with open(resources.prompt(name), encoding="utf-8") as file:
            files[f"prompts/{name}.md"] = file.read()
    return files


def filled(name: str, values: Mapping[str, str] | None = None) -> str:
    """The template file *name*, with each ``@KEY@`` replaced; all at once, for a value may look like a key."""
    with open(os.path.join(_TEMPLATES, name), encoding="utf-8") as file:
        text = file.read()
    given = values or {}
    return re.sub(r"@([A-Z]+)@", lambda slot: given.get(slot[1], slot[0]), text)


def _prefix_of(directory: str) -> str:
    """A prefix from the directory's name: ``My Project`` becomes ``My-Project-``."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", os.path.basename(os.path.abspath(directory))).strip("-")
    return f"{name or 'project'}-"
